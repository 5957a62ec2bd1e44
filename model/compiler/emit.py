"""Blocks -> places and transitions: sequence, glue, choice, loop, try, jumps, the workflow itself.

Compiled backwards: `emit(block, ways)` returns the place where the block begins, given where each
way of leaving it goes. A jump through a scope gets its own copy of the way out, so that nothing is
guessed when the net runs. Calls are in `emit_calls.py`, scopes and forks in `emit_scopes.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..net import PlaceKind, Span, StackOp, Transition, TransitionKind
from .blocks import (
    Block,
    Choice,
    Fork,
    Glue,
    Handler,
    Jump,
    Leave,
    Loop,
    Saga,
    Sequence,
    StepCall,
    Try,
    Wait,
)
from .build import Builder, assign, load
from .draft import Draft
from .emit_calls import emit_step, emit_wait
from .emit_scopes import emit_fork, emit_saga
from .rewrite import ERROR, VALUE
from .scan import scan
from .ways import Ways

V = PlaceKind.VANISHING
EXIT = TransitionKind.EXIT
_NOTHING: frozenset[str] = frozenset()


@dataclass
class Emitter:
    """Makes the draft net of one workflow."""

    build: Builder
    pivoted: frozenset[int] = frozenset()  # blocks that an irreversible step may have preceded
    draft: Draft = field(default_factory=Draft)

    def workflow(self, body: Sequence, parameters: tuple[str, ...]) -> str:
        """Emit everything; returns the initial place."""
        d, span = self.draft, body.span
        start = d.place("start", PlaceKind.START, span, body.id, fixed=frozenset(parameters))
        running = d.place("running", PlaceKind.SCOPE, span, body.id, fixed=_NOTHING)
        ending = d.place("cancelling", PlaceKind.ENDING, span, body.id, fixed=_NOTHING)
        ends: dict[str, str] = {}
        for name, kind, holds in (
            ("done", PlaceKind.DONE, frozenset((VALUE,))),
            ("failed", PlaceKind.FAILED, frozenset((ERROR,))),
            ("cancelled", PlaceKind.CANCELLED, _NOTHING),
        ):
            final = d.place(name, kind, span, body.id, fixed=holds)
            ends[name] = d.place(f"ends {name}", V, span, body.id)
            if name != "cancelled":
                d.add(name, EXIT, (ends[name], running), (final,))
            d.add(f"{name} while cancelling", EXIT, (ends[name], ending), (final,))
        to = {"next": ends["done"], "return": ends["done"], "raise": ends["failed"]}
        ways = Ways({**to, "cancel": ends["cancelled"]}, ending)
        first = self.emit(body, ways)
        d.add("begin", TransitionKind.BEGIN, (start,), (running, first))
        d.add("cancel", TransitionKind.CANCEL, (running,), (ending,))
        return start

    def emit(self, block: Block, ways: Ways) -> str:
        """The place where `block` begins."""
        if block.id in self.pivoted:
            ways = replace(ways, ending="")
        match block:
            case Sequence():
                at = ways.to["next"]
                for item in reversed(block.items):
                    at = self.emit(item, ways.but(next=at))
                return at
            case Glue():
                return self.glue(block, "code", block.code, ways)
            case Choice():
                to = {label: self.emit(branch, ways) for label, branch in block.branches}
                inside = replace(ways, to={**ways.to, **to})
                return self.glue(block, f"{block.word} {block.text}", block.code, inside)
            case Jump():
                return ways.to[block.to]
            case Loop():
                return self.loop(block, ways)
            case Try():
                return self.try_(block, ways)
            case StepCall():
                return emit_step(self, block, ways)
            case Wait():
                return emit_wait(self, block, ways)
            case Fork():
                return emit_fork(self, block, ways)
            case Saga():
                return emit_saga(self, block, ways)
            case _:
                raise AssertionError(f"no fragment for {type(block).__name__}")

    def glue(self, block: Block, name: str, code: tuple[ast.stmt, ...], ways: Ways) -> str:
        """A vanishing place with code and one transition per exit."""
        found = scan(code, frozenset(self.build.local))
        labels = list(found.exits)
        if found.raises or (found.fails is not None and ways.catching):
            labels.append("raise")
        at = self.draft.place(
            name,
            V,
            block.span,
            block.id,
            code=code,
            scan=found,
            exits=tuple(labels),
            catching=ways.catching,
        )
        for number, label in enumerate(labels):
            self.way_out(at, label, ways.to[label], number)
        return at

    def way_out(
        self, at: str, label: str, to: str, number: int = -1, kills: frozenset[str] = frozenset()
    ) -> None:
        """An EXIT transition."""
        made = Transition("", EXIT, (), (), exit=number)
        self.draft.add(f"{at}: {label}", EXIT, (at,), (to,), label=label, kills=kills, made=made)

    def empty(self, name: str, block: Block) -> str:
        """A vanishing place without code."""
        return self.draft.place(name, V, block.span, block.id)

    def loop(self, block: Loop, ways: Ways) -> str:
        head = self.empty(f"again {block.word} {block.text}", block)
        self.draft.loops.append(head)
        exhausted = self.emit(block.orelse, ways)
        inside = ways.but(next=head, continue_=head, break_=ways.to["next"], exhausted=exhausted)
        self.way_out(head, "round", self.emit(block.body, inside))
        return head

    def try_(self, block: Try, ways: Ways) -> str:
        """The handlers in order behind one vanishing place that reads the exception."""
        tests: list[ast.stmt] = []
        to: dict[str, str] = {}
        for i, handler in enumerate(block.handlers):
            label = f"except {i}"
            tests.append(self._test(handler, label))
            after = self.empty(f"handled {i}", handler)
            gone = frozenset((handler.name,)) if handler.name else frozenset[str]()
            self.way_out(after, "handled", ways.to["next"], kills=gone)
            to[label] = self.emit(handler.body, ways.but(next=after))
        at = block.handlers[0].types
        tests.append(Leave("not handled", at))
        to["not handled"] = ways.to["raise"]
        inside = replace(ways, to={**ways.to, **to}, catching=())
        dispatch = self.glue(block, "except", tuple(tests), inside)
        orelse = self.emit(block.orelse, ways)
        caught = (*ways.catching, *(h.types for h in block.handlers))
        return self.emit(
            block.body, replace(ways.but(next=orelse, raise_=dispatch), catching=caught)
        )

    def _test(self, handler: Handler, label: str) -> ast.stmt:
        at = handler.types
        which = self.build.constant(isinstance, at)
        test = ast.copy_location(ast.Call(which, [load(ERROR, at), handler.types], []), at)
        names = [n for n in dict.fromkeys((handler.caught, handler.name)) if n]
        bind: list[ast.stmt] = [assign(name, load(ERROR, at), at) for name in names]
        return ast.copy_location(ast.If(test, [*bind, Leave(label, at)], []), at)

    # --- used by the fragments of calls and scopes ------------------------------------------

    def drain(self, at: str, ways: Ways) -> None:
        """A body token of an ending scope leaves at its resting place."""
        if ways.ending:
            made = Transition("", EXIT, (), (), read=(ways.ending,))
            kind = TransitionKind.DRAIN
            self.draft.add(f"{at}: drain", kind, (at,), (ways.to["cancel"],), made=made)

    def transition(
        self,
        name: str,
        kind: TransitionKind,
        take: Iterable[str],
        put: Iterable[str],
        *,
        read: str = "",
        binds: str = "",
        site: str = "",
        stack_op: StackOp | None = None,
        stack: str = "",
        outer: str = "",
        exit: int = -1,
        span: Span | None = None,
    ) -> None:
        """A transition with what it binds and does to an undo stack."""
        made = Transition(
            "",
            kind,
            (),
            (),
            read=(read,) if read else (),
            exit=exit,
            binds=binds,
            site=site,
            stack_op=stack_op,
            stack=stack,
            outer_stack=outer,
            span=span,
        )
        self.draft.add(name, kind, tuple(take), tuple(put), made=made)
