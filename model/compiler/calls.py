"""The calls a workflow awaits: their sites, where their arguments rest (C6), what they bind (C7).

Arguments are evaluated once, by the code that leads to the call, so that every attempt sees the
same values. How the call is executed is the business of the net.
No place is made here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, get_type_hints

from ..language.effects import Effect
from ..language.steps import Step
from ..net import Site, SiteKind
from .blocks import Fork, StepCall, Wait
from .build import Builder, Origin, assign, load
from .callees import (
    ForkCallee,
    Misfit,
    SignalCallee,
    StepCallee,
    TimerCallee,
    arguments,
    callee,
    steps_in,
)
from .edits import source, wrapped
from .kinds import is_open
from .trees import walk

UNUSED = "-"
"""As `binds`: nobody uses the result."""


def rebound(node: ast.AST) -> set[str]:
    """Names that an expression assigns while it is evaluated."""
    return {n.target.id for n in walk(node) if isinstance(n, ast.NamedExpr)}


class Calls:
    """Writes the calls of one workflow. `saga` is the stack variable around, or empty."""

    def __init__(self, build: Builder, lift: Callable[[ast.expr], ast.expr]) -> None:
        self.build, self.lift = build, lift
        self.saga = ""

    def awaited(self, node: ast.Await, binds: str = "") -> ast.expr:
        """Write the call; return its result: variable `binds`, a new one, or nothing (`UNUSED`)."""
        build, call = self.build, node.value
        who = callee(call, build.resolve)
        if who is None or not isinstance(call, ast.Call):
            build.recover(node)
            return _none(node)
        if isinstance(who, ForkCallee):
            return self._fork(who, call, node, binds)
        block = self._call(call, who, self._result(node, binds))
        build.add(block)
        return load(block.binds, node) if block.binds else _none(node)

    def _result(self, node: ast.expr, binds: str) -> str:
        if binds == UNUSED:
            return ""
        return binds or self.build.temp(Origin("expression", node))

    # --- one call -------------------------------------------------------------------------

    def _call(
        self, call: ast.Call, who: StepCallee | TimerCallee | SignalCallee, binds: str
    ) -> StepCall | Wait:
        build = self.build
        number, span = build.id(), build.span(call)
        if isinstance(who, StepCallee):
            site = self._step_site(call, who)
            return StepCall(id=number, span=span, site=site, step=who.step, binds=binds)
        if isinstance(who, TimerCallee):
            name = build.names.unique("timer")
            span_or_moment = call.args[0] if call.args else _none(call)
            variable = self._argument(span_or_moment, name, who.parameter, rebound(call), None)
            passed = ((who.parameter, variable),)
            site = Site(name, SiteKind.TIMER, who.word, arguments=passed, span=span)
            return Wait(id=number, span=span, sites=(site,), signals=(None,), binds=binds)
        name = build.names.unique(who.signal.name)
        site = Site(name, SiteKind.SIGNAL, who.signal.name, span=span)
        return Wait(id=number, span=span, sites=(site,), signals=(who.signal,), binds=binds)

    def _step_site(self, call: ast.Call, who: StepCallee) -> Site:
        build, step = self.build, who.step
        name = build.names.unique(who.label)
        if name != who.label:
            shown, named = source(build.file, call.func), f"{who.label} again"
            build.warn(
                "PD206",
                call,
                f"{who.label} is called a second time; this call is named {name!r}",
                "the names tell the places of running executions apart, and numbers shift when a "
                "call is added",
                f'{shown}.named("{named}")(...)',
                edits=wrapped(build, call.func, "", f'.named("{named}")'),
            )
        self._lend(call, step)
        undo = step.undo_step
        return Site(
            name,
            SiteKind.STEP,
            step.reference,
            effect=str(step.effect),
            arguments=self._passed(call, name, step),
            endless=step.retry.attempts is None and not step.retry.give_up_on,
            refuses=bool(step.refused),
            probe=step.probe_step is not None,
            undo="" if undo is None else "unknown" if undo.unknown else "result",
            saga=self.saga if step.effect is Effect.COMPENSATABLE and undo is not None else "",
            span=build.span(call),
        )

    def _lend(self, call: ast.Call, step: Step[..., Any]) -> None:
        """PD403: a transactional step that calls a step, as far as its own lines say so."""
        if step.effect is not Effect.TRANSACTIONAL:
            return
        for inner, line in steps_in(step):
            self.build.problem(
                "PD403",
                call,
                f"{step.name} is transactional and calls {inner.name} (line {line})",
                "the transaction would stay open while it waits",
                f"call {inner.name} from the workflow, before or after {step.name}",
            )

    def _passed(
        self, call: ast.Call, site: str, step: Step[..., Any]
    ) -> tuple[tuple[str, str], ...]:
        """Where each argument rests: `(parameter, variable)` in the order of the parameters."""
        build, signature = self.build, step.signature
        try:
            given, rest = arguments(call, signature)
        except Misfit as misfit:
            build.problem(
                "PD113",
                call,
                f"these arguments do not fit {step.name}{signature}: {misfit.text}",
                "the frame of the call needs one value per parameter",
                "pass each parameter once, by position or by name",
            )
            return ()
        hints = get_type_hints(step.fn, include_extras=True)
        unstable = rebound(call)
        where = {p: self._argument(n, site, p, unstable, hints.get(p)) for p, n in given}
        for parameter in rest:
            origin = Origin("annotation", call, hints.get(parameter))
            where[parameter] = build.temp(origin, f"{site}({parameter})")
            default = build.constant(signature.parameters[parameter].default, call)
            build.glue(assign(where[parameter], default, call))
        return tuple((p, where[p]) for p in signature.parameters)

    def _argument(
        self, node: ast.expr, site: str, parameter: str, unstable: set[str], hint: Any
    ) -> str:
        """The variable an argument rests in: its own for a plain local name, else a new one."""
        build = self.build
        if isinstance(node, ast.Name) and node.id in build.local and node.id not in unstable:
            return node.id
        value = self.lift(node)
        kind = "expression" if hint is None or is_open(hint) else "annotation"
        variable = build.temp(Origin(kind, node, hint), f"{site}({parameter})")
        build.glue(assign(variable, value, node))
        return variable

    # --- several at once ------------------------------------------------------------------

    def _fork(self, who: ForkCallee, call: ast.Call, node: ast.Await, binds: str) -> ast.expr:
        """`together(...)`, or `first(...)`; waits alone race in one place."""
        build = self.build
        number, span = build.id(), build.span(call)
        callees = [self._branch(part) for part in call.args]
        good = [(part, c) for part, c in callees if c is not None]
        if len(good) < len(callees) or not good:
            return _none(node)
        if who.word == "together":
            blocks = [
                self._call(p, c, self._result(p, UNUSED if binds == UNUSED else ""))
                for p, c in good
            ]
            results = tuple(b.binds for b in blocks)
            made = Fork(
                id=number,
                span=span,
                kind=who.word,
                branches=tuple(blocks),
                results=results,
                undoes=("",) * len(blocks),
            )
            build.add(made)
            return self._tuple(results, node, binds)
        only_waits = not any(isinstance(c, StepCallee) for _, c in good)
        # The branches of a fork bind a variable of their own: the parent may still hold the old.
        kept = self._result(node, binds if only_waits or binds == UNUSED else "")
        raced = [self._raced(p, c, kept) for p, c in good]
        blocks = [b for b, _ in raced]
        waits = [b for b in blocks if isinstance(b, Wait)]
        if only_waits:
            sites = tuple(s for b in waits for s in b.sites)
            signals = tuple(s for b in waits for s in b.signals)
            build.add(Wait(id=number, span=span, sites=sites, signals=signals, binds=kept))
            return load(kept, node) if kept else _none(node)
        self._refuse_losers(blocks, call)
        made = Fork(
            id=number,
            span=span,
            kind=who.word,
            branches=tuple(blocks),
            results=tuple(kept for _ in blocks),
            undoes=tuple(stack for _, stack in raced),
        )
        build.add(made)
        if binds in ("", UNUSED):
            return load(kept, node) if kept else _none(node)
        build.glue(assign(binds, load(kept, node), node))
        return load(binds, node)

    def _branch(
        self, part: ast.expr
    ) -> tuple[ast.Call, StepCallee | TimerCallee | SignalCallee | None]:
        inner = callee(part, self.build.resolve)
        if isinstance(part, ast.Call) and inner is not None and not isinstance(inner, ForkCallee):
            return part, inner
        self.build.recover(part)
        return ast.Call(part, [], []), None

    def _tuple(self, results: tuple[str, ...], node: ast.Await, binds: str) -> ast.expr:
        if binds == UNUSED:
            return _none(node)
        parts: list[ast.expr] = [load(name, node) for name in results]
        value = ast.copy_location(ast.Tuple(parts, ast.Load()), node)
        if not binds:
            return value
        self.build.glue(assign(binds, value, node))
        return load(binds, node)

    def _raced(
        self, part: ast.Call, who: StepCallee | TimerCallee | SignalCallee, binds: str
    ) -> tuple[StepCall | Wait, str]:
        """A contender of a race; if it can be undone, with an undo stack of its own (C19)."""
        own = ""
        if isinstance(who, StepCallee) and who.step.effect is Effect.COMPENSATABLE:
            own = self.build.names.unique("$race") if who.step.undo_step is not None else ""
        around, self.saga = self.saga, own or self.saga
        try:
            return self._call(part, who, binds), own
        finally:
            self.saga = around

    def _refuse_losers(self, blocks: list[StepCall | Wait], call: ast.Call) -> None:
        """PD307: what cannot lose a race, because nothing may take it back."""
        for block, part in zip(blocks, call.args, strict=True):
            if not isinstance(block, StepCall) or not block.step.effect.intent:
                continue
            irreversible = block.step.effect is Effect.IRREVERSIBLE
            if irreversible or not block.site.undo:
                what = block.step.effect if irreversible else "compensatable, has no undo"
                self.build.problem(
                    "PD307",
                    part,
                    f"{block.site.name} is {what} and runs in a race",
                    "a call that has begun may land after it has lost",
                    "call it after the race, on what the winner says",
                )


def _none(at: ast.AST) -> ast.Constant:
    return ast.copy_location(ast.Constant(None), at)
