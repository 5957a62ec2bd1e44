"""Which codec keeps each variable, and what is said of those that none can keep.

    PD201 no codec · PD202 an ambiguous union · PD203 nobody says the type · PD204 unrelated types
    PD205 `Any`, a warning

Only what rests over an await is asked for: a type that is not known, of a variable that is dead
by then, is nobody's business. How types are found is in `kinds/`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..net import PlaceKind
from ..values import Codec, TypeRefused, exception_codec
from ..values.catalogue import codec
from .blocks import StepCall, Wait
from .build import Builder
from .draft import Draft
from .flow import Flow
from .kinds import UNKNOWN, Kinds, Mixed, is_open, returns, shown, storable
from .live import Function
from .trees import walk

_VALUE, _ERROR = "$value", "$error"


class Storing:
    """Chooses the codecs of one workflow; problems are left in `build`."""

    def __init__(self, name: str, function: Function, build: Builder, kinds: Kinds) -> None:
        self.name, self.function, self.build, self.kinds = name, function, build, kinds
        self.made: dict[str, Codec] = {}

    def codecs(self, found: Flow, draft: Draft) -> Mapping[str, Codec]:
        """A codec for every variable that rests somewhere, and for others where there is one."""
        stacks = {t.made.stack for t in draft.transitions if t.made.stack}
        resting = {
            v
            for name, frame in found.frames.items()
            if draft.places[name].kind is not PlaceKind.VANISHING
            for v in frame
        }
        resting |= {t.made.binds for t in draft.transitions if t.made.binds} | {_VALUE, _ERROR}
        passing = {v for names in found.reads.values() for v in names}
        passing |= {v for exits in found.writes.values() for names in exits for v in names}
        for variable in sorted(resting - stacks):
            self.keep(variable, self.kind(variable))
        for variable in sorted(passing - resting - stacks):
            self.pass_on(variable, self.kind(variable))
        return self.made

    def results(self, calls: Iterable[StepCall]) -> Mapping[str, Codec]:
        """The codec of each step's result: its record keeps it, used or not."""
        made: dict[str, Codec] = {}
        for call in calls:
            kind = returns(call.step)
            if is_open(kind):
                kind = self.kinds.given(call.span)
            if not storable(kind):
                text = f"{call.step.name} does not say what it returns"
                why = "its result is written to the log and read back by its type"
                self.build.problem("PD203", self.node(call), text, why, "-> None, or the type")
                continue
            try:
                made[call.site.name] = self.codec(kind, call.site.name, self.node(call))
            except TypeRefused as refused:
                text = f"{call.step.name} returns {refused.text}: {refused.why}"
                self.build.problem(refused.code, self.node(call), text, "", refused.fix)
        return made

    def channels(self, waits: Iterable[Wait]) -> Mapping[str, Codec]:
        """The codec of each signal's payload."""
        made: dict[str, Codec] = {}
        for wait in waits:
            for signal in wait.signals:
                if signal is None:
                    continue
                try:
                    name = signal.name
                    made[name] = self.codec(signal.payload_type, name, self.node(wait))
                except TypeRefused as refused:
                    text = f"signal {signal.name} carries {refused.text}: {refused.why}"
                    self.build.problem(refused.code, self.node(wait), text, "", refused.fix)
        return made

    def node(self, call: StepCall | Wait) -> ast.AST:
        """A node at the place of a call."""
        s = call.span
        return ast.Pass(
            lineno=s.line, col_offset=s.column, end_lineno=s.end_line, end_col_offset=s.end_column
        )

    # --- one variable -------------------------------------------------------------------------

    def keep(self, variable: str, kind: Any) -> None:
        """The codec of a variable that rests over an await, or a problem."""
        if kind is BaseException:
            self.made[variable] = exception_codec
        elif isinstance(kind, Mixed):
            self.mixed(variable, kind)
        elif not storable(kind):
            self.untyped(variable, kind)
        else:
            try:
                self.made[variable] = self.codec(kind, variable, None)
            except TypeRefused as refused:
                text = f"{self.shown(variable)} ({refused.text}) is alive across an await"
                said = f"{text}: {refused.why}"
                self.build.problem(refused.code, self.at(variable), said, "", refused.fix)

    def pass_on(self, variable: str, kind: Any) -> None:
        """The codec of a variable that only passes from glue to glue in one firing, if any."""
        if kind is BaseException:
            self.made[variable] = exception_codec
        elif not isinstance(kind, Mixed) and storable(kind):
            with suppress(TypeRefused):  # it rests nowhere, so nothing has to keep it
                self.made[variable] = codec(kind)

    def codec(self, kind: Any, what: str, at: ast.AST | None) -> Codec:
        """The codec of a type; `Any` is stored as plain JSON, with a warning (PD205)."""
        try:
            return codec(kind)
        except TypeRefused as refused:
            if refused.code != "PD205":
                raise
            made = codec(kind, allow_any=True)
            text = f"{self.shown(what)} is {shown(kind)}: {refused.why}"
            why = "it is stored as plain JSON, and a migration of it cannot be checked"
            self.build.warn("PD205", at or self.at(what), text, why, refused.fix)
            return made

    # --- problems -----------------------------------------------------------------------------

    def shown(self, variable: str) -> str:
        """A variable as its author knows it."""
        if variable == _VALUE:
            return f"the result of {self.name}"
        if "(" in variable:
            site, _, parameter = variable.partition("(")
            return f"the argument {parameter.rstrip(')')!r} of {site}"
        return "this value" if variable.startswith("$") else f"`{variable}`"

    def at(self, variable: str) -> ast.AST:
        """The node that a synthetic variable stands for, or the first use of the author's."""
        found = self.build.origins.get(variable)
        node = found.node if found is not None else None
        return node or first_use(self.function.node, variable)

    def mixed(self, variable: str, kind: Mixed) -> None:
        places = self.kinds.places.get(variable, {})
        told = [f"{shown(k)} after line {line}" for (line, _), k in sorted(places.items())]
        text = f"{self.shown(variable)} has unrelated types: {' and '.join(told) or shown(kind)}"
        why = "what rests over an await has one type per name"
        fix = f"name them apart, or annotate the union: `{self.named(variable)}: {shown(kind)}`"
        at = self.at(variable)
        self.build.problem("PD204", at, text, why, fix)

    def untyped(self, variable: str, kind: Any) -> None:
        if variable == _VALUE:
            text = f"{self.name} does not say what it returns"
            self.build.problem("PD203", self.function.node, text, "", "-> None, or the type")
            return
        at = self.at(variable)
        text = f"I cannot tell the type of {self.shown(variable)}, which is kept across an await"
        why = "a strict decoder needs it after a restart"
        fix = f"`{self.named(variable)}: {self.suggested(variable, kind)} = ...`"
        self.build.problem("PD203", at, text, why, fix)

    def named(self, variable: str) -> str:
        return variable if variable.isidentifier() else "name"

    def suggested(self, variable: str, kind: Any) -> str:
        """The annotation to type, as far as it is known: what is put into an empty container."""
        grown = self.kinds.grown.get(variable, UNKNOWN)
        text = shown(kind)
        return text.replace("...", shown(grown)) if text != "..." else "T"

    # --- types --------------------------------------------------------------------------------

    def kind(self, variable: str) -> Any:
        """The type of a variable, synthetic or not."""
        origin = self.build.origins.get(variable)
        if origin is None:
            return self.kinds.variables.get(variable, UNKNOWN)
        if origin.kind == "error":
            return BaseException
        if origin.kind == "annotation":
            return origin.annotation
        if origin.kind == "items":
            assert isinstance(origin.node, ast.For)
            inner = self.kinds.element(origin.node.iter)
            return UNKNOWN if not storable(inner) else tuple[inner, ...]
        return self.kinds.kind(origin.node) if origin.node is not None else UNKNOWN


def first_use(function: ast.AsyncFunctionDef, variable: str) -> ast.AST:
    """Where a variable is first read, else the function."""
    names = [
        n
        for n in walk(function)
        if isinstance(n, ast.Name) and n.id == variable and isinstance(n.ctx, ast.Load)
    ]
    return min(names, key=lambda n: (n.lineno, n.col_offset), default=function)
