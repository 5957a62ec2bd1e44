"""What a stretch of sync code reads and assigns: exposed reads, and assignments per exit.

Forward definite assignment over statements, as Python's own scoping sees them. It never runs the
code and knows nothing of the net; `flow.py` puts the stretches together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .blocks import Leave
from .closures import Names, bound_names, free, free_inside, where_defined
from .trees import children, walk

_NONE: Names = frozenset()


@dataclass
class Assigned:
    """Variables assigned on every path (`must`) and on some path (`maybe`) to an exit.

    `gone` are those that some path has deleted since.
    """

    must: Names
    maybe: Names
    gone: Names = _NONE

    def join(self, other: Assigned) -> Assigned:
        gone = self.gone | other.gone
        return Assigned(self.must & other.must, self.maybe | other.maybe, gone)

    def but(self, maybe: Names, gone: Names = _NONE) -> Assigned:
        """The same, where more may have been assigned, or deleted."""
        return Assigned(self.must - gone, self.maybe | maybe, self.gone | gone)


@dataclass
class Scan:
    """`reads`: variable -> first node that may read it before the code assigns it."""

    reads: dict[str, ast.AST] = field(default_factory=dict[str, ast.AST])
    lost: dict[str, ast.AST] = field(default_factory=dict[str, ast.AST])
    exits: dict[str, Assigned] = field(default_factory=dict[str, Assigned])
    raises: bool = False  # the author wrote `raise` or `assert` in it
    fails: Assigned | None = None  # what holds where an exception may leave; None: none can


def scan(code: Iterable[ast.stmt], local: Names) -> Scan:
    """Scan `code`; only variables in `local` count. Falling off the end is the exit `next`."""
    code = list(code)
    inside = (n for s in code for n in walk(s))
    walker = _Walker(local, {n.name for n in inside if isinstance(n, ast.FunctionDef)})
    end = walker.body(code, Assigned(_NONE, _NONE))
    if end is not None:
        walker.leave("next", end)
    return walker.found


class _Walker:
    def __init__(self, local: Names, functions: set[str]) -> None:
        self.local, self.found = local, Scan()
        self.functions = functions  # defined in this code: they may call each other
        self.loops: list[tuple[list[Assigned], list[Assigned]]] = []  # breaks, continues

    def leave(self, label: str, state: Assigned) -> None:
        old = self.found.exits.get(label)
        self.found.exits[label] = state if old is None else old.join(state)

    def fail(self, before: Assigned, after: Assigned) -> None:
        here = before.but(after.maybe, after.gone - before.gone)
        self.found.fails = here if self.found.fails is None else self.found.fails.join(here)

    # --- expressions ----------------------------------------------------------------------

    def expr(self, node: ast.AST | None, state: Assigned, hidden: Names = _NONE) -> Assigned:
        """Note the reads of an expression; what its walruses assign is added to the state."""
        match node:
            case None:
                return state
            case ast.Name():
                if isinstance(node.ctx, ast.Load):
                    self.read(node.id, node, state, hidden)
                return state
            case ast.NamedExpr():
                return self.bind({node.target.id}, self.expr(node.value, state, hidden))
            case ast.BoolOp():
                return self.lazily(node.values[:1], node.values[1:], state, hidden)
            case ast.IfExp():
                return self.lazily([node.test], [node.body, node.orelse], state, hidden)
            case ast.Lambda():
                for name in free(node, hidden):
                    self.read(name.id, name, state, hidden)
                return state
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self.comprehension(node, state, hidden)
            case _:
                for child in children(node):
                    state = self.expr(child, state, hidden)
                return state

    def lazily(
        self, sure: Sequence[ast.expr], rest: Sequence[ast.expr], state: Assigned, hidden: Names
    ) -> Assigned:
        for node in sure:
            state = self.expr(node, state, hidden)
        for node in rest:
            state = state.but(self.expr(node, state, hidden).maybe)
        return state

    def comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
        state: Assigned,
        hidden: Names,
    ) -> Assigned:
        after, own = state, hidden
        for part in node.generators:
            after = self.expr(part.iter, after, own)
            own = own | bound_names(part.target)
            for test in part.ifs:
                after = self.expr(test, after, own)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for element in parts:
            after = self.expr(element, after, own)
        return state.but(after.maybe)

    def read(self, name: str, node: ast.AST, state: Assigned, hidden: Names) -> None:
        if name in self.local and name not in hidden and name not in state.must:
            self.found.reads.setdefault(name, node)
            if name in state.gone:
                self.found.lost.setdefault(name, node)

    def bind(self, names: Iterable[str], state: Assigned) -> Assigned:
        new = self.local & frozenset(names)
        return Assigned(state.must | new, state.maybe | new, state.gone - new)

    # --- statements -----------------------------------------------------------------------

    def body(self, code: Sequence[ast.stmt], state: Assigned) -> Assigned | None:
        at: Assigned | None = state
        for statement in code:
            if at is None:
                return None
            at = self.statement(statement, at)
        return at

    def statement(self, s: ast.stmt, state: Assigned) -> Assigned | None:
        match s:
            case Leave():
                self.leave(s.label, state)
                return None
            case ast.Raise():
                self.found.raises = True
                self.fail(state, self.expr(s.cause, self.expr(s.exc, state)))
                return None
            case ast.Break() | ast.Continue():
                self.loops[-1][isinstance(s, ast.Continue)].append(state)
                return None
            case ast.If():
                yes, no = self.ways(s.test, state)
                return _either(self.body(s.body, yes), self.body(s.orelse, no))
            case ast.While() | ast.For():
                return self.loop(s, state)
            case ast.Try():
                return self.guarded(s, state)
            case ast.Match():
                return self.match(s, state)
            case ast.With():
                for item in s.items:
                    state = self.tested(item.context_expr, state)
                    if item.optional_vars is not None:
                        state = self.bind(bound_names(item.optional_vars), state)
                touched = frozenset(n for b in s.body for n in bound_names(b)) & self.local
                # A context manager may swallow what is raised in it, anywhere.
                cut = state.but(touched, self.deleted(s.body))
                return _either(self.body(s.body, state), cut)
            case _:
                return self.simple(s, state)

    def simple(self, s: ast.stmt, state: Assigned) -> Assigned:
        before = state
        match s:
            case ast.Pass() | ast.Import() | ast.ImportFrom():
                return state
            case ast.Assign():
                state = self.expr(s.value, state)
                for target in s.targets:
                    state = self.bind(bound_names(target), self.expr(target, state))
                if _harmless(s):
                    return state
            case ast.AnnAssign():
                if s.value is None:
                    return state
                state = self.expr(s.target, self.expr(s.value, state))
                state = self.bind(bound_names(s.target), state)
            case ast.AugAssign():
                if isinstance(s.target, ast.Name):
                    self.read(s.target.id, s.target, state, _NONE)
                state = self.expr(s.value, self.expr(s.target, state))
                state = self.bind(bound_names(s.target), state)
            case ast.Delete():
                gone = {t.id for t in s.targets if isinstance(t, ast.Name)}
                for target in s.targets:
                    if isinstance(target, ast.Name):
                        self.read(target.id, target, state, _NONE)
                    else:
                        state = self.expr(target, state)
                state = state.but(_NONE, self.local & gone)
            case ast.FunctionDef():
                for part in where_defined(s):
                    state = self.expr(part, state)
                for name in free_inside(s, frozenset(self.functions)):
                    self.read(name.id, name, state, _NONE)
                state = self.bind({s.name}, state)
            case _:
                state = self.expr(s, state)
        self.fail(before, state)
        return state

    def tested(self, node: ast.expr, state: Assigned) -> Assigned:
        after = self.expr(node, state)
        if not isinstance(node, (ast.Constant, ast.Name)):
            self.fail(state, after)
        return after

    def ways(self, node: ast.expr, state: Assigned) -> tuple[Assigned, Assigned]:
        """What is assigned behind a test that holds, and behind one that does not."""
        match node:
            case ast.BoolOp(op=op, values=values):
                both, left = isinstance(op, ast.And), list[Assigned]()
                for value in values:
                    yes, no = self.ways(value, state)
                    state, out = (yes, no) if both else (no, yes)
                    left.append(out)
                out = left[0]
                for other in left[1:]:
                    out = out.join(other)
                return (state, out) if both else (out, state)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                yes, no = self.ways(inner, state)
                return no, yes
            case _:
                after = self.tested(node, state)
                return after, after

    def deleted(self, code: Iterable[ast.stmt]) -> Names:
        """Variables that some of the statements may delete, exceptions by their handlers too."""
        nodes = [n for s in code for n in walk(s)]
        names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
        names |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
        return self.local & names

    def loop(self, s: ast.While | ast.For, state: Assigned) -> Assigned | None:
        # What a round deletes is gone in the next one.
        state = state.but(_NONE, self.deleted([s]))
        self.loops.append(([], []))
        if isinstance(s, ast.For):
            start = self.tested(s.iter, state)
            inside = self.bind(bound_names(s.target), self.expr(s.target, start))
            out, endless = start, False
        else:
            inside, out = self.ways(s.test, state)
            endless = isinstance(s.test, ast.Constant) and bool(s.test.value)
        end = self.body(s.body, inside)
        breaks, continues = self.loops.pop()
        rounds = [e for e in (end, *continues) if e is not None]
        seen = (out.maybe | inside.maybe).union(*(r.maybe for r in rounds))
        after = None if endless else self.body(s.orelse, out.but(seen))
        for stop in breaks:
            after = _either(after, stop.but(seen))
        return after

    def guarded(self, s: ast.Try, state: Assigned) -> Assigned | None:
        """`try`: whichever way it is left, by falling off or a jump or an exception, is cleaned."""
        if not s.finalbody:
            return self.handled(s, state)
        outer, loops = self.found, self.loops
        self.found = Scan(outer.reads, outer.lost, raises=outer.raises)
        self.loops = [*loops[:-1], ([], [])]
        after = self.handled(s, state)
        inner, jumped = self.found, self.loops[-1]
        self.found, self.loops = outer, loops
        outer.raises = inner.raises
        for label, left in inner.exits.items():
            end = self.body(s.finalbody, left)
            if end is not None:
                self.leave(label, end)
        for kind, states in enumerate(jumped):
            for left in states:
                end = self.body(s.finalbody, left)
                if end is not None:
                    loops[-1][kind].append(end)
        if inner.fails is not None:
            end = self.body(s.finalbody, inner.fails)
            if end is not None:
                self.fail(end, end)
        return self.body(s.finalbody, after) if after is not None else None

    def handled(self, s: ast.Try, state: Assigned) -> Assigned | None:
        body = self.body(s.body, state)
        touched = frozenset(n for b in s.body for n in bound_names(b)) & self.local
        caught = state.but(touched, self.deleted(s.body))
        after = self.body(s.orelse, body) if body is not None else None
        for handler in s.handlers:
            start = self.expr(handler.type, caught)
            if handler.name:
                start = self.bind({handler.name}, start)
            end = self.body(handler.body, start)
            if end is not None and handler.name:
                end = end.but(_NONE, frozenset((handler.name,)))
            after = _either(after, end)
        return after

    def match(self, s: ast.Match, state: Assigned) -> Assigned | None:
        start = self.tested(s.subject, state)
        after: Assigned | None = None
        tried = start
        for case in s.cases:
            got = self.bind(bound_names(case.pattern), self.expr(case.pattern, tried))
            if case.guard is not None:
                got = self.tested(case.guard, got)
            after = _either(after, self.body(case.body, got))
            # Captures of a pattern that failed later, or whose guard did, may stay behind.
            tried = tried.but(got.maybe)
        total = irrefutable(s.cases[-1])
        return after if total else _either(after, tried)


def irrefutable(case: ast.match_case) -> bool:
    """Whether a case always matches."""
    pattern = case.pattern
    while isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    if isinstance(pattern, ast.MatchOr):
        pattern = pattern.patterns[-1]
    return case.guard is None and isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _either(a: Assigned | None, b: Assigned | None) -> Assigned | None:
    return b if a is None else a if b is None else a.join(b)


def _harmless(s: ast.Assign) -> bool:
    plain = all(isinstance(t, ast.Name) for t in s.targets)
    return plain and isinstance(s.value, (ast.Constant, ast.Name))
