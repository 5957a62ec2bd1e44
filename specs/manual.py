"""The tables of the page about proofs, from what is proved. What stands around them is not here;
no times stand in it, since the command measures them.
"""

from __future__ import annotations

from collections.abc import Iterable

from .protocol.guards import DESIGN, GUARDS
from .protocol.runs import refute
from .protocol.whole import CLAIMS

ASSUMED = (
    "A commit that was acknowledged stays: the database and its disk keep their word (checked at "
    "the start where it can be read back).",
    "Two different records never have the same hash.",
    "Fencing reads and writes are serialised by the database's lock, as declared.",
    "A receiver that answered `voided`, refused or undid an attempt never lets it land afterwards.",
    "Probes, and people at the desk, tell the truth.",
    "Times in records are the database's, and it never goes back by more than the engine adds.",
)
OUTSIDE = (
    "Calls of fenced workers that the receiver does not refuse (classes without an intent).",
    "Effects hidden in glue or in steps declared `pure`.",
    "That anything happens at all: these are promises of safety, not of progress.",
    "Clocks and leases: they only decide when somebody fences.",
    "Sagas inside sagas are one saga here: the one that holds their effects in the end.",
    "A stalled execution waits for a person; here it is one that somebody takes over.",
    "Retention, forks, migrations, queues and children.",
    "That the code is this protocol: its logs are told to it, step by step (`perdure audit`, and "
    "every history of the crash tests), which is as much as was looked at.",
)


def page() -> str:
    """Promises, guards with their runs, what is assumed and what stays outside, as Markdown."""
    promises = [
        f"| {name}{_design(claim.design)} | {claim.says} |" for name, claim in CLAIMS.items()
    ]
    guards: list[str] = []
    for name, guard in GUARDS.items():
        beside = f", with *{guard.beside}* out too" if guard.beside else ""
        asked = " Asked of the receiver." if guard.asked else ""
        what = f"| {name}{_design(name in DESIGN)} | {guard.says}.{asked} | {guard.rules} "
        guards.append(f"{what}| {guard.breaks}{beside} |")
    runs = [f"**Without *{name}*:** {refute(name).story}\n" for name in GUARDS]
    return "\n".join([
        "## What is promised\n", "| promise | in words |", "|---|---|", *promises,
        "\n## The guards, and what breaks without each\n",
        "| guard | what it says | rules | breaks |", "|---|---|---|---|", *guards,
        "\n## The runs\n", *runs,
        *_section("What is assumed", ASSUMED), *_section("What stays outside", OUTSIDE),
    ]).rstrip() + "\n"  # fmt: skip


def _design(marked: bool) -> str:
    return " (design)" if marked else ""


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f"## {title}\n", *[f"- {line}" for line in lines], ""]
