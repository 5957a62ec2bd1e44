"""Effect rules that need no run: what a call site declares, against where it stands.

PD302 (no undo in a saga), PD306 (a doubt nobody can resolve), PD307 (irreversible in a race), PD401
(irreversible and retried), PD402 (irreversible without a probe). Each names lines of the source;
where the site can be reached, a shortest run to its intent is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..net import Net, PlaceKind, Site, TransitionKind
from .explicit import Space
from .history import History, firing, with_effect
from .verdicts import Finding, Severity, Witness, witness


def declared(history: History) -> tuple[Finding, ...]:
    """All findings about declarations, in the order of the rules."""
    net, space = history.net, history.space
    rules = (_unknown, _races, _retried, _no_probe)
    return (*_no_undo(history), *(finding for rule in rules for finding in rule(net, space)))


def _to_intent(net: Net, space: Space, site: Site) -> Witness | None:
    """A shortest run that calls the site, if one was found."""
    found = space.first(firing(net, {TransitionKind.INTENT}, (site.name,)))
    if found is None:
        return None
    return witness(net, space.path(*found), f"`{site.name}` is about to be called")


def _finding(
    net: Net, space: Space, site: Site, code: str, severity: Severity, words: tuple[str, str, str]
) -> Finding:
    message, why, fix = words
    run = _to_intent(net, space, site)
    return Finding(code, severity, message, why, fix, site.span, (), (site.name,), run)


def _no_undo(history: History) -> Iterator[Finding]:
    net, space = history.net, history.space
    for site in with_effect(net, "compensatable"):
        if not site.undo and (site.saga or _called_in_saga(history, site)):
            words = (
                f"nothing can undo `{site.name}`",
                "a saga that fails must undo every compensatable step in it",
                f"add `@{_step(site)}.undo`, or declare the step irreversible",
            )
            yield _finding(net, space, site, "PD302", Severity.ERROR, words)


def _called_in_saga(history: History, site: Site) -> bool:
    intents = firing(history.net, {TransitionKind.INTENT}, (site.name,))
    return any(
        history.inside(state, saga)
        for state, moves in enumerate(history.space.moves)
        if any(k in intents for k, _ in moves)
        for saga in history.sagas
    )


def _unknown(net: Net, space: Space) -> Iterator[Finding]:
    for site in with_effect(net, "compensatable"):
        if not site.probe and site.undo != "unknown":
            words = (
                f"after a crash in `{site.name}` nobody knows what to undo",
                "an attempt of unknown outcome has no result, so its undo can not be called",
                "add a probe, or let the undo take `Result | None` and the arguments",
            )
            yield _finding(net, space, site, "PD306", Severity.WARNING, words)


def _races(net: Net, space: Space) -> Iterator[Finding]:
    for site in with_effect(net, "irreversible"):
        if _wins_directly(net, site):
            words = (
                f"`{site.name}` is a branch of `first`, and may land after it has lost",
                "the loser of a race is given up, and an irreversible step can not be",
                f"call `{_step(site)}` after the race",
            )
            yield _finding(net, space, site, "PD307", Severity.ERROR, words)


def _wins_directly(net: Net, site: Site) -> bool:
    """The result of the site leads to WINS through vanishing places alone."""
    wins = {p for t in net.transitions if t.kind is TransitionKind.WINS for p in t.take}
    won = {p for p in wins if net.places[net.place[p]].kind is PlaceKind.BRANCH}
    todo = [
        p for k in firing(net, {TransitionKind.GO_ON}, (site.name,)) for p in net.transitions[k].put
    ]
    seen: set[str] = set()
    while todo:
        place = todo.pop()
        if place in won:
            return True
        if place in seen or net.places[net.place[place]].tangible:
            continue
        seen.add(place)
        todo += [p for t in net.transitions if place in t.take for p in t.put]
    return False


def _retried(net: Net, space: Space) -> Iterator[Finding]:
    for site in with_effect(net, "irreversible"):
        if firing(net, {TransitionKind.RETRY}, (site.name,)):
            words = (
                f"`{site.name}` is irreversible and retried",
                "an irreversible step is never retried by itself",
                "retry inside it only what you know has not landed, or add a probe",
            )
            yield _finding(net, space, site, "PD401", Severity.ERROR, words)


def _no_probe(net: Net, space: Space) -> Iterator[Finding]:
    """One warning for the whole net, with the count: each such step costs a person's decision."""
    blind = [s for s in with_effect(net, "irreversible") if not s.probe]
    if not blind:
        return
    names = ", ".join(f"`{s.name}`" for s in blind)
    steps = (
        "1 irreversible step has" if len(blind) == 1 else f"{len(blind)} irreversible steps have"
    )
    yield Finding(
        "PD402",
        Severity.WARNING,
        f"{steps} no probe: {names}",
        "after a crash in the wrong moment a person will be asked whether it landed",
        "a probe could answer",
        blind[0].span,
        tuple(s.span for s in blind[1:] if s.span),
        tuple(s.name for s in blind),
        _to_intent(net, space, blind[0]),
    )


def _step(site: Site) -> str:
    """The plain name of the step that a site calls."""
    return site.target.rpartition(":")[2].rpartition(".")[2] or site.name
