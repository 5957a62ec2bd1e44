"""The fragments of calls and waits: before, during, in doubt, after; waiting for one or several.

What a step does to the world decides its places. Forks and scopes are in `emit_scopes.py`.
No scope is emitted here.
"""

from __future__ import annotations

from ..language.effects import Effect
from ..net import PlaceKind, Site, SiteKind, StackOp
from ..net import TransitionKind as T
from .blocks import StepCall, Wait
from .rewrite import ERROR
from .ways import Emitter, Ways


def emit_step(emitter: Emitter, block: StepCall, ways: Ways) -> str:
    """A call of a step; those with an intent have four places, the others one."""
    site, d = block.site, emitter.draft
    needs = frozenset(v for _, v in site.arguments)
    before = d.place(
        f"before {site.name}", PlaceKind.BEFORE, block.span, block.id, site=site.name, needs=needs
    )
    if block.step.effect.intent:
        _intent(emitter, block, before, needs, ways)
    else:
        add = emitter.transition
        add(site.name, T.STEP, [before], [ways.to["next"]], binds=block.binds, site=site.name)
        if not site.endless:
            to = [ways.to["raise"]]
            add(f"{site.name} raises", T.RAISES, [before], to, binds=ERROR, site=site.name)
    emitter.drain(before, ways)
    return before


def _intent(
    emitter: Emitter, block: StepCall, before: str, needs: frozenset[str], ways: Ways
) -> None:
    site, name, d, add = block.site, block.site.name, emitter.draft, emitter.transition
    # `$result` rests nowhere: the outcome's record holds it, and the undo stack if there is one.
    during, doubt, after = (
        d.place(f"{word} {name}", kind, block.span, block.id, site=name, needs=held)
        for word, kind, held in (
            ("during", PlaceKind.DURING, needs),
            ("in doubt", PlaceKind.DOUBT, needs),
            ("after", PlaceKind.AFTER, frozenset[str]()),
        )
    )
    scope = [ways.scope] if site.saga else []
    undoable = block.step.effect is Effect.COMPENSATABLE

    def stacked(kind: T, label: str, source: str, to: str, op: StackOp, binds: str = "") -> None:
        add(
            label,
            kind,
            [source, *scope],
            [to, *scope],
            binds=binds,
            site=name,
            stack_op=op if scope else None,
            stack=site.saga,
        )

    stacked(T.INTENT, f"{name} intent", before, during, StackOp.PUSH)
    stacked(T.LANDED, f"{name} landed", during, after, StackOp.COMPLETE, block.binds)
    if site.refuses:
        if not (undoable and site.endless):
            to = ways.to["raise"]
            stacked(T.REFUSED, f"{name} refused", during, to, StackOp.DROP, ERROR)
        if undoable and block.step.retry.attempts != 1:
            stacked(T.RETRY, f"{name} again", during, before, StackOp.DROP)
    add(f"{name} in doubt", T.CRASH, [during], [doubt], site=name)
    stacked(T.SETTLED, f"{name} settled", doubt, after, StackOp.COMPLETE, block.binds)
    stacked(T.VOIDED, f"{name} voided", doubt, before, StackOp.DROP)
    if undoable and site.undo == "unknown" and not site.probe:
        stacked(T.UNDID, f"{name} undone in doubt", doubt, before, StackOp.DROP)
    add(f"{name} goes on", T.GO_ON, [after], [ways.to["next"]], site=name)


def emit_wait(emitter: Emitter, block: Wait, ways: Ways) -> str:
    """One place, whether for one contender or the first of several (a deferred choice)."""
    needs = frozenset(v for site in block.sites for _, v in site.arguments)
    shown = ", ".join(_shown(s) for s in block.sites)
    name = f"first {shown}" if len(block.sites) > 1 else f"waiting for {shown}"
    only = block.sites[0].name if len(block.sites) == 1 else ""
    kind = PlaceKind.WAITING
    at = emitter.draft.place(name, kind, block.span, block.id, site=only, needs=needs)
    for i, site in enumerate(block.sites):
        fires = T.RECEIVE if site.kind is SiteKind.SIGNAL else T.DUE
        label = f"{site.name} arrives" if fires is T.RECEIVE else f"{site.name} is due"
        to = [ways.to["next"]]
        number = i if len(block.sites) > 1 else -1
        emitter.transition(label, fires, [at], to, binds=block.binds, site=site.name, exit=number)
    emitter.drain(at, ways)
    return at


def _shown(site: Site) -> str:
    return "timer" if site.kind is SiteKind.TIMER else site.target
