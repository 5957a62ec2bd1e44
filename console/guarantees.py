"""The page of guarantees, from the claims that stand in `specs`: text only, no figure is made here.

A figure is what the last run of a command counted; whoever renders the page says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..specs.claims import CLAIMS, Claim, Evidence

_HEAD = """# Guarantees

What Perdure promises, exactly where each promise ends, and the command that shows it. **Proved**
holds for all executions, **explored** for all states up to a bound, **tested** for the histories
that were counted. What is not on this page is not promised.
"""


def guarantees(figures: Mapping[str, str]) -> str:
    """The page as Markdown; `figures` says of a command what its last run counted."""
    parts = [_HEAD, _table(), *(_section(claim, figures) for claim in CLAIMS)]
    return "\n".join(parts)


def _table() -> str:
    rows = ["| guarantee | in short | rests on |", "|---|---|---|"]
    for claim in CLAIMS:
        kinds = dict.fromkeys(str(e.kind) for e in claim.evidence)
        short = claim.promise.split(". ")[0].rstrip(".")
        rows.append(f"| [{claim.name}](#{_anchor(claim)}) | {short} | {', '.join(kinds)} |")
    return "\n".join(rows) + "\n"


def _section(claim: Claim, figures: Mapping[str, str]) -> str:
    lines = [f"## {claim.name.capitalize()} {{ #{_anchor(claim)} }}", "", claim.promise, ""]
    lines += [f"**Where it ends.** {claim.ends}", ""]
    lines += [_evidence(evidence, figures) for evidence in claim.evidence]
    if claim.rules:
        lines += ["", "The oracle judges: " + "; ".join(str(rule) for rule in claim.rules) + "."]
    if claim.assumes:
        lines += ["", "Taken for granted: " + "; ".join(claim.assumes) + "."]
    return "\n".join(lines) + "\n"


def _evidence(evidence: Evidence, figures: Mapping[str, str]) -> str:
    counted = figures.get(evidence.command, "")
    more = f" ({counted})" if counted else ""
    return f"- **{evidence.kind}**: {evidence.how}{more}: `{evidence.command}`"


def _anchor(claim: Claim) -> str:
    return claim.name.replace(" ", "-")
