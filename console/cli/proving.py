"""`prove`: the engine's protocol proofs as a table. What is proved, and how, stands in
specs/, never here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import click

from .answers import DOES_NOT_HOLD, DONE, INCONCLUSIVE, answer, finish, watched, with_format
from .tables import table


@click.command()
@click.option("--quick", is_flag=True, help="Without the induction over actions.")
@click.option("--runs", is_flag=True, help="Tell the run that breaks each removed guard.")
@with_format()
def prove(quick: bool, runs: bool, format: str) -> None:
    """Prove the engine's protocol, and refute it without each of its guards.

    Needs z3 (`pip install 'perdure[z3]'`). Exit 1 when something is refuted, or a guard is not
    shown to be needed; 3 when the solver left something open.

    \b
    perdure prove
    perdure prove --runs
    perdure prove --format json
    """
    from ...specs.prove import Report, work

    report = Report()
    parts = list(work(quick))
    for _, part in watched(parts, "proving"):
        part(report)
    report.seconds = sum(c.seconds for c in report.conditions)
    document = _document(report)
    answer(format, document, _told(document, runs))
    problems = report.problems
    finish(DONE if not problems else INCONCLUSIVE if report.inconclusive else DOES_NOT_HOLD)


def _document(report: Any) -> dict[str, Any]:
    from ...specs.protocol.guards import DESIGN, GUARDS
    from ...specs.protocol.whole import CLAIMS
    from ...specs.prove import ASSUMED, OUTSIDE

    by_claim: dict[str, list[Any]] = defaultdict(list)
    for condition in report.conditions:
        by_claim[condition.claim].append(condition)
    claims = [
        {
            "name": name,
            "says": CLAIMS[name].says if name in CLAIMS else "",
            "promise": name in CLAIMS,
            "design": name in CLAIMS and CLAIMS[name].design,
            "conditions": len(found),
            "proved": sum(c.holds for c in found),
            "seconds": round(sum(c.seconds for c in found), 3),
        }
        for name, found in by_claim.items()
    ]
    guards = [
        {
            "name": each.guard,
            "says": GUARDS[each.guard].says,
            "rules": GUARDS[each.guard].rules,
            "breaks": GUARDS[each.guard].breaks,
            "beside": GUARDS[each.guard].beside,
            "design": each.guard in DESIGN,
            "refuted": each.holds,
            "run": each.story,
        }
        for each in report.refuted
    ]
    left = report.problems
    return {
        "verdict": "holds" if not left else "inconclusive" if report.inconclusive else "violated",
        "conditions": len(report.conditions),
        "proved": sum(c.holds for c in report.conditions),
        "seconds": round(report.seconds, 3),
        "claims": claims,
        "actions": [
            {"claim": c.claim, "action": c.action, "verdict": c.verdict,
             "seconds": round(c.seconds, 4)}
            for c in report.conditions
        ],
        "guards": guards,
        "redundant": sorted(report.paired),
        "spacer": [each._asdict() for each in report.spacer],
        "problems": left,
        "assumed": list(ASSUMED),
        "outside": list(OUTSIDE),
    }  # fmt: skip


def _told(document: dict[str, Any], runs: bool) -> str:
    promises = [claim for claim in document["claims"] if claim["promise"]]
    lemmas = [claim for claim in document["claims"] if not claim["promise"]]
    rows = [
        [claim["name"] + (" (design)" if claim["design"] else ""),
         f"{claim['proved']}/{claim['conditions']}", f"{claim['seconds']:.2f}", claim["says"]]
        for claim in promises
    ]  # fmt: skip
    conditions = sum(claim["conditions"] for claim in lemmas)
    proved = sum(claim["proved"] for claim in lemmas)
    seconds = sum(claim["seconds"] for claim in lemmas)
    says = f"{len(lemmas)} invariants that carry the proof"
    rows.append(["(lemmas)", f"{proved}/{conditions}", f"{seconds:.2f}", says])
    parts = [table(("promise", "proved", "seconds", "says"), rows)]
    lines = [
        [guard["name"] + (" (design)" if guard["design"] else ""),
         "refuted" if guard["refuted"] else "NOT REFUTED",
         guard["breaks"] + (f", with {guard['beside']!r} out too" if guard["beside"] else "")]
        for guard in document["guards"]
    ]  # fmt: skip
    parts.append(table(("without the guard", "verdict", "what breaks"), lines))
    if runs:
        parts += [f"Without {guard['name']!r}: {guard['run']}" for guard in document["guards"]]
    parts.append("\n".join(_witness(each) for each in document["spacer"]))
    for head, key in (("Assumed:", "assumed"), ("Not proved here:", "outside")):
        parts.append("\n".join([head, *[f"- {line}" for line in document[key]]]))
    parts += ["\n".join(document["problems"])] if document["problems"] else []
    parts.append(
        f"{document['verdict']}: {document['proved']} of {document['conditions']} conditions "
        f"proved in {document['seconds']:.1f} s, {len(document['guards'])} guards"
    )
    return "\n\n".join(parts)


def _witness(each: dict[str, Any]) -> str:
    without = f" without {each['without']!r}" if each["without"] else ""
    size = f", invariant of {each['size']} characters" if each["size"] else ""
    return f"Spacer, core{without}: {each['verdict']} in {each['seconds']:.2f} s{size}"
