"""What a user may do wrong with a trial: mistakes with a code, told as what, where, why and fix.

A failure that a trial found is no mistake of this kind, and no error: see `judging.py`.
"""

from __future__ import annotations

from ..model.errors import DefinitionError


class TrialRefused(DefinitionError):
    """A workflow cannot be tried in the world it was given (PD5xx)."""


def unsafe(step: str, did: str, where: str) -> TrialRefused:
    """A body reached for the real world."""
    return TrialRefused(
        "PD501",
        f"{step} {did}",
        where,
        "its body runs in a simulation, many times over, and nothing real may come of it",
        f"give a stand-in: def fakes(world): return {{{step}: ...}}; or hand its module a client "
        "that is a fake",
    )


def not_said(step: str, effect: str, where: str) -> TrialRefused:
    """Nobody said that a body with effects may run."""
    return TrialRefused(
        "PD502",
        f"{step} is @{effect}, and nobody said that its body may run in a simulation",
        where,
        "it would run once for every fault, for real if it reaches a real client",
        "--fakes FILE with a `def fakes(world)`; or --bodies, if the bodies are safe as they are",
    )


def unlike(first: str, second: str, where: str) -> TrialRefused:
    """Two runs without a fault differ."""
    return TrialRefused(
        "PD503",
        f"two runs without a fault are not alike: {first}, then {second}",
        where,
        "what differs without a fault says nothing with one: something outlives a history",
        "make the state of your fakes inside `def fakes(world)`, which is called for each history",
    )


def without_end(why: str, where: str) -> TrialRefused:
    """The run without a fault does not end."""
    return TrialRefused(
        "PD504",
        f"the run without a fault does not end: {why}",
        where,
        "a trial begins with a run that goes well",
        "if it waits for a message: world.send(signal, value, at=seconds) in `def fakes(world)`",
    )


def no_world(what: str, where: str) -> TrialRefused:
    """The fakes are none."""
    return TrialRefused(
        "PD505",
        what,
        where,
        "it makes the world ready in which the workflow is tried",
        "def fakes(world: World): return {step: function_or_value}",
    )


def nothing_counted(step: str, where: str) -> TrialRefused:
    """A claim about a step that no run could refute."""
    return TrialRefused(
        "PD507",
        f"nothing is counted in {step}: a test of it could not fail",
        where,
        "what happens twice is seen in the ledger of the fake world, and it says nothing there",
        'world.happened("charge", order) where the fake charges',
    )


def no_replay(what: str, where: str) -> TrialRefused:
    """A file that cannot be played again."""
    return TrialRefused(
        "PD506", what, where, "", "give a file that `perdure chaos` wrote (NAME.replay.json)"
    )
