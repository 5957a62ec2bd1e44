"""The page of guarantees, from what stands in `specs`: text only, no figure is made here.

A figure is what the last run of a command counted; whoever renders the page says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..specs.guarantees import GUARANTEES, Evidence, Guarantee

_HEAD = """# Guarantees

What Perdure promises, exactly where each promise ends, and the command that shows it. **Proved**
holds for all executions, **explored** for all states up to a bound, **tested** for the histories
that were counted. What is not on this page is not promised.
"""


def guarantees(figures: Mapping[str, str]) -> str:
    """The page as Markdown; `figures` says of a command what its last run counted."""
    parts = [_HEAD, _table(), *(_section(each, figures) for each in GUARANTEES)]
    return "\n".join(parts)


def _table() -> str:
    rows = ["| guarantee | in short | rests on |", "|---|---|---|"]
    for each in GUARANTEES:
        kinds = dict.fromkeys(str(e.kind) for e in each.evidence)
        short = each.promise.split(". ")[0].rstrip(".")
        rows.append(f"| [{each.name}](#{_anchor(each)}) | {short} | {', '.join(kinds)} |")
    return "\n".join(rows) + "\n"


def _section(each: Guarantee, figures: Mapping[str, str]) -> str:
    lines = [f"## {each.name.capitalize()} {{ #{_anchor(each)} }}", "", each.promise, ""]
    lines += [f"**Where it ends.** {each.ends}", ""]
    lines += [_evidence(evidence, figures) for evidence in each.evidence]
    if each.proved:
        lines += ["", "Proved of the protocol: " + "; ".join(each.proved) + "."]
    if each.rules:
        lines += ["", "The oracle judges: " + "; ".join(str(rule) for rule in each.rules) + "."]
    if each.assumes:
        lines += ["", "Taken for granted: " + "; ".join(each.assumes) + "."]
    return "\n".join(lines) + "\n"


def _evidence(evidence: Evidence, figures: Mapping[str, str]) -> str:
    counted = figures.get(evidence.command, "")
    more = f" ({counted})" if counted else ""
    return f"- **{evidence.kind}**: {evidence.how}{more}: `{evidence.command}`"


def _anchor(each: Guarantee) -> str:
    return each.name.replace(" ", "-")
