"""PD301 and PD303: an irreversible step has landed in a saga, and the saga may still fail.

Source: compensatable, pivot, retriable (Zhang et al. 1994; Schuldt et al. 2002, guaranteed
termination). Each thing that may fail the saga after its pivot is found by a search without those
found before. No property is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..net import Net, Site, TransitionKind
from .attempts import Wrong
from .explicit import Limits
from .forks import Fork, forks
from .history import LANDS, History
from .verdicts import Finding, Severity, Witness, witness

WHY = "a saga that fails here can not undo `{}`, and may not leave it half done"
FIX = "retry without end (`retry=Retry(attempts=None)`), or move it after the saga"
FORK_WHY = "the one may land while the other fails, and then the saga can not be undone"
FORK_FIX = "call `{}` after the join"
FAILURES = frozenset({TransitionKind.RAISES, TransitionKind.REFUSED})
CANCELS = frozenset({TransitionKind.CANCEL, TransitionKind.CASCADE, TransitionKind.DRAIN})


def after_pivot(history: History) -> Iterator[Wrong]:
    """Firings that begin to undo a saga in which an irreversible step has landed."""
    for saga in history.sagas:
        for state, moves in enumerate(history.space.moves):
            if not history.remembers(state, f"pivot {saga.stack}"):
                continue
            for k, _ in moves:
                t = history.net.transitions[k]
                if saga.undoing & {*t.put} - {*t.take}:
                    yield state, k, "the saga is undone after an irreversible step has landed"


def findings(history: History, limits: Limits) -> tuple[Finding, ...]:
    """PD301 and PD303, once for each step, branch or `raise` that may fail a saga too late."""
    net, found, blamed = history.net, list[Finding](), set[int]()
    told: set[tuple[str, ...]] = set()
    known, searched = forks(net), history
    while (wrong := next(after_pivot(searched), None)) is not None:
        run = searched.space.path(wrong[0], wrong[1])
        failing, made = _explained(net, known, run)
        if made.sites not in told or made.code == "PD301":
            found.append(made)
        told.add(made.sites)
        if failing in blamed:
            break
        blamed.add(failing)
        searched = History(net, limits, without=blamed)
    refused = {f.sites for f in found}
    return (*found, *_loose(history, known, refused))


def _explained(net: Net, known: tuple[Fork, ...], run: tuple[int, ...]) -> tuple[int, Finding]:
    """The transition to blame for a run, and the finding."""
    landed = max(
        i
        for i, k in enumerate(run)
        if net.transitions[k].kind in LANDS
        and net.site[net.transitions[k].site].effect == "irreversible"
    )
    pivot = net.site[net.transitions[run[landed]].site]
    for fork in known:
        rivals = fork.rivals(pivot.name)
        gone = [k for k in run if net.transitions[k].kind in FAILURES]
        gone = [k for k in gone if net.transitions[k].site in rivals]
        if gone and fork.fails & {*run}:
            rival = net.site[net.transitions[gone[-1]].site]
            run_told = witness(
                net, run, f"`{rival.name}` has failed, and `{pivot.name}` has landed"
            )
            return gone[-1], _pd303(pivot, rival, Severity.ERROR, run_told)
    failing = _last_failure(net, run[landed + 1 :])
    return failing, _pd301(net, run, failing, pivot)


def _last_failure(net: Net, later: tuple[int, ...]) -> int:
    """The firing behind a landing that failed the saga: a call, a cancel, or the last `raise`."""
    for kinds in (FAILURES, CANCELS):
        blamed = [k for k in later if net.transitions[k].kind in kinds]
        if blamed:
            return blamed[-1]
    raised = [k for k in later if net.transitions[k].exit >= 0]
    return raised[-1] if raised else later[-1]


def _pd301(net: Net, run: tuple[int, ...], failing: int, pivot: Site) -> Finding:
    t = net.transitions[failing]
    site = net.site.get(t.site) if t.kind in FAILURES else None
    if site is not None:
        message = f"`{site.name}` may fail for good after `{pivot.name}`, which can not be undone"
    elif t.kind in CANCELS:
        message = f"cancelling may undo the saga after `{pivot.name}`, which can not be undone"
    else:
        message = f"an exception is raised after `{pivot.name}`, which can not be undone"
    shown: Witness = witness(net, run, f"the saga is undone, and `{pivot.name}` has landed")
    return Finding(
        "PD301",
        Severity.ERROR,
        message,
        WHY.format(pivot.name),
        FIX if site is not None else "decide before the irreversible step, or after the saga",
        (site.span if site else None) or t.span,
        (pivot.span,) if pivot.span else (),
        (pivot.name, site.name) if site else (pivot.name,),
        shown,
    )


def _pd303(pivot: Site, rival: Site, severity: Severity, run: Witness | None) -> Finding:
    return Finding(
        "PD303",
        severity,
        f"`{pivot.name}` may land while `{rival.name}` fails",
        FORK_WHY if severity is Severity.ERROR else "the one may land while the other fails",
        FORK_FIX.format(pivot.name),
        pivot.span,
        (rival.span,) if rival.span else (),
        (pivot.name, rival.name),
        run,
    )


def _loose(
    history: History, known: tuple[Fork, ...], refused: set[tuple[str, ...]]
) -> Iterator[Finding]:
    """Outside a saga, or where the failure is handled inside it: a warning, with no run."""
    for fork in known:
        for branch in fork.branches:
            for site in (s for s in history.irreversible if s.name in branch.sites):
                for name in sorted(fork.rivals(site.name)):
                    if (site.name, name) not in refused:
                        yield _pd303(site, history.net.site[name], Severity.WARNING, None)
