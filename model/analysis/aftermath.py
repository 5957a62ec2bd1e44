"""PD304 and PD305: what may follow an irreversible effect, where no saga is concerned.

PD304: it can happen again and again with no wait between. PD305 (warning): it stands, and the
workflow ends failed. Both show a run. No saga is judged here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..net import Net, PlaceKind, Site, TransitionKind
from .control import Control, Observer
from .explicit import Limits, Space, explore
from .history import LANDS, firing, with_effect
from .verdicts import Finding, Severity, witness

_WAITS = frozenset({TransitionKind.RECEIVE, TransitionKind.DUE})


def findings(net: Net, limits: Limits) -> Iterator[Finding]:
    """PD304 for each step, PD305 once for the workflow."""
    sites = with_effect(net, "irreversible")
    if not sites:
        return
    lands = firing(net, LANDS, {s.name for s in sites})
    space = explore(Control(net, [Observer("effect", lands)], atomic=True), limits)
    yield from (f for s in sites if (f := _again(net, space, s)) is not None)
    failed = _failed(net, space)
    if failed is not None:
        yield failed


def _again(net: Net, space: Space, site: Site) -> Finding | None:
    """PD304: a run from behind the step to its next intent on which nothing is waited for."""
    begins = firing(net, {TransitionKind.INTENT}, {site.name})
    ends = firing(net, {TransitionKind.GO_ON}, {site.name})
    first = space.first(ends)
    if first is None or _bounded(net, site):
        return None
    loop = _without_wait(net, space, ends, begins)
    if loop is None:
        return None
    run = (*space.path(loop[0]), *loop[1])
    return Finding(
        "PD304",
        Severity.ERROR,
        f"`{site.name}` can happen again and again, with no wait between",
        "an irreversible step in a loop that nothing bounds can repeat within milliseconds",
        "loop over a list or a range, or wait in the loop (`await sleep(...)`, a signal)",
        site.span,
        (),
        (site.name,),
        witness(net, run, f"`{site.name}` has landed, and is about to be called again"),
    )


def _without_wait(
    net: Net, space: Space, ends: frozenset[int], begins: frozenset[int]
) -> tuple[int, tuple[int, ...]] | None:
    """A state, and the firings from it that go on behind the step and come back to its intent."""
    came: dict[int, tuple[int, int]] = {}
    todo: deque[int] = deque()
    start: dict[int, tuple[int, int]] = {}
    for state, moves in enumerate(space.moves):
        for k, after in moves:
            if k in ends and after not in start:
                start[after] = (state, k)
                todo.append(after)
    seen = set(todo)
    while todo:
        at = todo.popleft()
        for k, after in space.moves[at] if at < len(space.moves) else ():
            if k in begins:
                way = [k]
                while at not in start:
                    at, by = came[at]
                    way.append(by)
                state, by = start[at]
                return state, (by, *reversed(way))
            if net.transitions[k].kind not in _WAITS and after not in seen:
                seen.add(after)
                came[after] = (at, k)
                todo.append(after)
    return None


def _bounded(net: Net, site: Site) -> bool:
    """Whether every way back to the step leads through a `for`, which has an end.

    A loop without end around such a `for` is not seen: this is a lint, and says so here.
    """
    heads = {p.name for p in net.places if p.name.startswith("for ")}
    return not _back(net, site, without=heads)


def _back(net: Net, site: Site, without: set[str]) -> bool:
    """Whether a token can come back to the step along places other than these."""
    target = next(p.name for p in net.places if p.site == site.name and p.kind is PlaceKind.BEFORE)
    ends = firing(net, {TransitionKind.GO_ON}, {site.name})
    todo = [p for k in ends for p in net.transitions[k].put]
    seen = {*todo}
    while todo:
        at = todo.pop()
        if at == target:
            return True
        if at in without:
            continue
        fresh = {p for t in net.transitions if at in t.take for p in t.put} - seen
        seen |= fresh
        todo += fresh
    return False


def _failed(net: Net, space: Space) -> Finding | None:
    """PD305: the first state in which the workflow has failed and an effect has landed."""
    control = space.control
    ends = control.of(p.name for p in net.places if p.kind is PlaceKind.FAILED)
    for state, bits in enumerate(space.states):
        if bits & ends and control.observed(bits, 0):
            run = space.path(state)
            landed = [
                k
                for k in run
                if net.transitions[k].kind in LANDS
                and net.site[net.transitions[k].site].effect == "irreversible"
            ]
            site = net.site[net.transitions[landed[-1]].site]
            return Finding(
                "PD305",
                Severity.WARNING,
                f"the workflow can end failed after `{site.name}` has landed",
                "the effect stands, and nobody is told but the log",
                "handle the failure behind it, or accept it knowingly",
                site.span,
                (),
                (site.name,),
                witness(net, run, f"the workflow has failed, and `{site.name}` has landed"),
            )
    return None
