"""What can be known of a net before it runs: `check` is the front door. Nothing fires for real.

Methods live in files of their own: `explicit` (search), `sound`, `effects` and `sites` (effect
rules), `structure` (on the networkx graph, loaded only when asked for). Every verdict says its kind
of evidence and its assumptions; every witness was replayed on the net before it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..net import Net, SiteKind
from . import effects, sound
from .effects import Effects
from .explicit import LIMIT_STATES, Limits, Space, explore, never
from .shape import is_free_choice, is_workflow_net
from .sites import declared
from .sound import Soundness
from .verdicts import (
    Answer,
    Evidence,
    Finding,
    NetClass,
    Report,
    Severity,
    Stop,
    Verdict,
    Witness,
)

PROPERTIES = (*sound.PROPERTIES, *effects.PROPERTIES, "structure")

__all__ = [
    "LIMIT_STATES",
    "PROPERTIES",
    "Answer",
    "Evidence",
    "Finding",
    "Limits",
    "NetClass",
    "Report",
    "Severity",
    "Space",
    "Stop",
    "UnknownProperty",
    "Verdict",
    "Witness",
    "check",
    "explore",
]


class UnknownProperty(ValueError):
    """A property was asked for that this checker does not know; `known` lists those it does."""

    def __init__(self, name: str, known: tuple[str, ...] = PROPERTIES) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"there is no property {self.name!r}; known are {', '.join(self.known)}"


def check(
    net: Net,
    *,
    properties: Sequence[str] | None = None,
    limit_states: int = LIMIT_STATES,
    out_of_time: Callable[[], bool] = never,
    clock: Callable[[], float] | None = None,
) -> Report:
    """Verify a net: its properties (by default `sound`, `safe` and the effect rules) and findings.

    `out_of_time` is asked now and then and ends the search; `clock`, in seconds, fills
    `Verdict.seconds`. Raises `UnknownProperty`, the caller's fault, before anything is explored.
    """
    effectful = any(s.kind is SiteKind.STEP for s in net.sites)
    asked = properties or ("sound", "safe", *(effects.PROPERTIES if effectful else ()))
    for name in asked:
        if name not in PROPERTIES:
            raise UnknownProperty(name)
    limits = Limits(limit_states, out_of_time)
    checker = _Checker(net, limits)
    verdicts = tuple(_timed(lambda name=name: checker.verdict(name), clock) for name in asked)
    findings = checker.findings() if properties is None and effectful else ()
    return Report(
        net.name,
        net.digest,
        len(net.places),
        len(net.transitions),
        NetClass(is_workflow_net(net), is_free_choice(net), _safety(verdicts), None),
        verdicts,
        findings,
    )


class _Checker:
    """The methods of one check, each made on first use and shared by the properties."""

    def __init__(self, net: Net, limits: Limits) -> None:
        self.net = net
        self.limits = limits
        self.soundness = Soundness(net, limits)
        self._effects: Effects | None = None

    @property
    def effects(self) -> Effects:
        if self._effects is None:
            self._effects = Effects(self.net, self.limits)
        return self._effects

    def verdict(self, name: str) -> Verdict:
        if name in sound.PROPERTIES:
            return sound.PROPERTIES[name](self.soundness)
        if name in effects.PROPERTIES:
            return effects.PROPERTIES[name](self.effects)
        from .structure import structure  # loads networkx, which is slow and optional

        return structure(self.net)

    def findings(self) -> tuple[Finding, ...]:
        return self.effects.findings() + declared(self.effects.history)


def _timed(decide: Callable[[], Verdict], clock: Callable[[], float] | None) -> Verdict:
    if clock is None:
        return decide()
    began = clock()
    verdict = decide()
    return replace(verdict, seconds=round(clock() - began, 6))


def _safety(verdicts: Sequence[Verdict]) -> bool | None:
    answer = next((v.verdict for v in verdicts if v.name == "safe"), Answer.INCONCLUSIVE)
    return None if answer is Answer.INCONCLUSIVE else answer is Answer.HOLDS
