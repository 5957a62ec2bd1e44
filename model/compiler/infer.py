"""The type of every variable of a workflow, and of every expression. It never guesses.

One type per variable and workflow: the annotation, else the join of everything assigned to it. Runs on
resolved objects, so an alias is what it stands for. What is done about an unknown type is not decided here.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args, get_origin

from ..language import ambient, waits
from ..language.steps import Step
from ..language.waits import Elapsed, Signal
from ..language.workflows import Workflow
from ..net import Span
from .annotations import (
    NOTHING,
    arithmetic,
    attribute,
    element,
    hints,
    item,
    join,
    members,
    method,
    returned,
    substitute,
    union,
)
from .names import UNKNOWN, Symbols
from .source import Source

PASSES_MAX = 20
_CONTAINERS: Final = {ast.ListComp: list, ast.SetComp: set}


@dataclass
class Inference:
    """`types` of the variables that are known; `unknown` ones with the place of an assignment;
    `conflicts` of those given unrelated types, with the two assignments."""

    source: Source
    symbols: Symbols
    types: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown: dict[str, Span] = field(default_factory=dict[str, Span])
    conflicts: dict[str, tuple[Any, Span, Any, Span]] = field(
        default_factory=dict[str, tuple[Any, Span, Any, Span]]
    )
    scopes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def expression(self, node: ast.expr) -> Any:
        """The type of an expression, or UNKNOWN."""
        rule = _RULES.get(type(node))
        return UNKNOWN if rule is None else rule(self, node)

    def annotation(self, node: ast.expr) -> Any:
        """The live type that an annotation in the body means."""
        space = {**self.source.function.__globals__}
        for name, cell in self.source.cells.items():
            try:
                space[name] = cell.cell_contents
            except ValueError:
                continue
        holder: Any = type("_", (), {"__annotations__": {"x": ast.unparse(node)}})
        try:
            return typing.get_type_hints(holder, space, space, include_extras=True)["x"]
        except Exception:
            return UNKNOWN


@dataclass(frozen=True)
class _Binding:
    """One assignment of a variable: by what type, or by which function of the inference."""

    name: str
    node: ast.AST
    found: Callable[[], Any]
    declared: bool = False


def infer(source: Source, symbols: Symbols) -> Inference:
    """Find the types of all variables: repeat over all assignments until nothing changes."""
    made = Inference(source, symbols)
    declared = hints(source.function)
    for name in inspect.signature(source.function).parameters:
        if name in declared:
            made.types[name] = declared[name]
        else:
            made.unknown[name] = source.span(source.node)
    fixed = set(made.types)
    bindings = list(_bindings(made, source.node.body))
    for binding in bindings:
        if binding.declared and binding.name not in fixed:
            made.types[binding.name] = binding.found()
            fixed.add(binding.name)
    for _ in range(PASSES_MAX):
        before = dict(made.types)
        _pass(made, [b for b in bindings if b.name not in fixed])
        if made.types == before:
            break
    return made


def _pass(made: Inference, bindings: list[_Binding]) -> None:
    """Join all assignments anew; what is still unknown may be known in the next pass."""
    found: dict[str, tuple[Any, Span]] = {}
    made.unknown = {n: s for n, s in made.unknown.items() if n not in {b.name for b in bindings}}
    made.conflicts.clear()
    for binding in bindings:
        span = made.source.span(binding.node)
        new = binding.found()
        if new is UNKNOWN:
            made.unknown.setdefault(binding.name, span)
            continue
        if new is None:
            new = NOTHING
        old = found.get(binding.name)
        if old is None:
            found[binding.name] = (new, span)
            continue
        joined = join(old[0], new)
        if joined is UNKNOWN:
            made.conflicts.setdefault(binding.name, (old[0], old[1], new, span))
        else:
            found[binding.name] = (joined, old[1])
    for name, (annotation, _) in found.items():
        made.types[name] = annotation


# --- assignments --------------------------------------------------------------------------------


def _bindings(made: Inference, body: list[ast.stmt]) -> Iterator[_Binding]:
    for statement in body:
        yield from _of_statement(made, statement)
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, None)
            if isinstance(inner, list) and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield from _bindings(made, inner)
        for handler in getattr(statement, "handlers", ()):
            yield from _of_handler(made, handler)
            yield from _bindings(made, handler.body)
        if isinstance(statement, ast.Match):
            for case in statement.cases:
                yield from _of_pattern(made, case.pattern, statement.subject)
                yield from _bindings(made, case.body)
    for statement in body:
        for node in _own_expressions(statement):
            if isinstance(node, ast.NamedExpr):
                yield _Binding(node.target.id, node, _later(made, node.value))


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Expression nodes of a statement without those of the statements inside it."""
    todo: list[ast.AST] = [
        c for c in ast.iter_child_nodes(statement) if isinstance(c, ast.expr | ast.withitem)
    ]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def _later(made: Inference, node: ast.expr) -> Callable[[], Any]:
    return lambda: made.expression(node)


def _of_statement(made: Inference, statement: ast.stmt) -> Iterator[_Binding]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _of_target(target, _later(made, statement.value), statement.value)
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        note = statement.annotation
        yield _Binding(statement.target.id, statement, lambda: made.annotation(note), True)
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name, operator, value = statement.target.id, statement.op, statement.value

        def result() -> Any:
            left = made.types.get(name, UNKNOWN)
            return arithmetic(left, type(operator).__name__, made.expression(value))

        yield _Binding(name, statement, result)
    elif isinstance(statement, ast.For):
        over = statement.iter
        yield from _of_target(
            statement.target, lambda: element(made.expression(over)), statement.target
        )


def _of_target(target: ast.expr, found: Callable[[], Any], node: ast.AST) -> Iterator[_Binding]:
    if isinstance(target, ast.Name):
        yield _Binding(target.id, target, found)
    elif isinstance(target, ast.Starred):
        yield from _of_target(target.value, lambda: _listed(found()), node)
    elif isinstance(target, ast.Tuple | ast.List):
        starred = any(isinstance(t, ast.Starred) for t in target.elts)
        for index, each in enumerate(target.elts):

            def part(index: int = index) -> Any:
                whole = found()
                if whole is UNKNOWN:
                    return UNKNOWN
                return element(whole) if starred else item(whole, index)

            yield from _of_target(each, part, node)


def _listed(inner: Any) -> Any:
    return UNKNOWN if inner is UNKNOWN else list[inner]


def _of_handler(made: Inference, handler: ast.ExceptHandler) -> Iterator[_Binding]:
    if handler.name and handler.type is not None:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        found = [made.symbols.resolve(k) for k in kinds]
        known = all(isinstance(k, type) for k in found)
        yield _Binding(handler.name, handler, lambda: union(found) if known else UNKNOWN)


def _of_pattern(made: Inference, pattern: ast.pattern, subject: ast.expr) -> Iterator[_Binding]:
    yield from _captures(made, pattern, lambda: made.expression(subject))


def _captures(made: Inference, pattern: ast.pattern, whole: Callable[[], Any]) -> Iterator[_Binding]:
    """The variables a pattern binds: fields of classes, parts of sequences, whole subjects."""
    if isinstance(pattern, ast.MatchAs):
        inner = pattern.pattern
        if inner is not None:
            yield from _captures(made, inner, whole)
        if pattern.name:
            yield _Binding(pattern.name, pattern, lambda: _narrowed(made, inner, whole()))
    elif isinstance(pattern, ast.MatchClass):
        cls = made.symbols.resolve(pattern.cls)
        for name, each in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
            yield from _captures(made, each, lambda c=cls, n=name: attribute(c, n))
        names = getattr(cls, "__match_args__", ())
        for name, each in zip(names, pattern.patterns, strict=False):
            yield from _captures(made, each, lambda c=cls, n=name: attribute(c, n))
        if pattern.patterns and not names:  # int(n), str(s): the subject itself
            yield from _captures(made, pattern.patterns[0], lambda c=cls: c)
    elif isinstance(pattern, ast.MatchSequence):
        for index, each in enumerate(pattern.patterns):
            yield from _captures(made, each, lambda i=index: item(whole(), i))
    elif isinstance(pattern, ast.MatchOr):
        for each in pattern.patterns:
            yield from _captures(made, each, whole)
    elif isinstance(pattern, ast.MatchStar) and pattern.name:
        yield _Binding(pattern.name, pattern, lambda: _listed(element(whole())))


def _narrowed(made: Inference, inner: ast.pattern | None, whole: Any) -> Any:
    if isinstance(inner, ast.MatchClass):
        cls = made.symbols.resolve(inner.cls)
        if isinstance(cls, type):
            return cls
    return whole


# --- expressions --------------------------------------------------------------------------------


def _constant(made: Inference, node: ast.Constant) -> Any:
    return type(node.value)


def _name(made: Inference, node: ast.Name) -> Any:
    for scope in reversed(made.scopes):
        if node.id in scope:
            return scope[node.id]
    if node.id in made.symbols.local:
        return made.types.get(node.id, UNKNOWN)
    live = made.symbols.name(node.id)
    if live is UNKNOWN:
        return UNKNOWN
    if node.id in made.source.function.__globals__.get("__annotations__", {}):
        return _module_hint(made, node.id)
    return type(live) if isinstance(live, str | int | float | bool | bytes | NOTHING) else _plain(live)


def _module_hint(made: Inference, name: str) -> Any:
    module = sys.modules.get(made.source.function.__module__)
    return hints(module).get(name, UNKNOWN) if module is not None else UNKNOWN


def _plain(live: Any) -> Any:
    """The type of a global constant that needs no type arguments."""
    return type(live) if not isinstance(live, list | dict | set | tuple | frozenset) else UNKNOWN


def _await(made: Inference, node: ast.Await) -> Any:
    return made.expression(node.value)


def _display(kind: Any) -> Callable[[Inference, Any], Any]:
    def rule(made: Inference, node: Any) -> Any:
        if not node.elts:
            return UNKNOWN
        inner = _common([_element_of(made, e) for e in node.elts])
        return UNKNOWN if inner is UNKNOWN else kind[inner]

    return rule


def _element_of(made: Inference, node: ast.expr) -> Any:
    if isinstance(node, ast.Starred):
        return element(made.expression(node.value))
    return made.expression(node)


def _common(found: list[Any]) -> Any:
    result = found[0]
    for each in found[1:]:
        result = join(result, each)
    return result


def _tuple(made: Inference, node: ast.Tuple) -> Any:
    parts = [made.expression(e) for e in node.elts]
    if UNKNOWN in parts or any(isinstance(e, ast.Starred) for e in node.elts):
        return UNKNOWN
    return tuple[tuple(parts)] if parts else tuple[()]


def _dict(made: Inference, node: ast.Dict) -> Any:
    if not node.keys or any(k is None for k in node.keys):
        return UNKNOWN
    key = _common([made.expression(k) for k in node.keys if k is not None])
    value = _common([made.expression(v) for v in node.values])
    return UNKNOWN if UNKNOWN in (key, value) else dict[key, value]


def _comprehension(made: Inference, node: Any) -> Any:
    scope: dict[str, Any] = {}
    made.scopes.append(scope)
    try:
        for generator in node.generators:
            over = made.expression(generator.iter)
            for binding in _of_target(generator.target, lambda o=over: element(o), node):
                scope[binding.name] = binding.found()
            for test in generator.ifs:
                scope.update(_guarded(made, test))
        if isinstance(node, ast.DictComp):
            parts = made.expression(node.key), made.expression(node.value)
            return UNKNOWN if UNKNOWN in parts else dict[parts]
        inner = made.expression(node.elt)
        if isinstance(node, ast.GeneratorExp):
            return UNKNOWN if inner is UNKNOWN else list[inner]  # only consumed inside glue
        return UNKNOWN if inner is UNKNOWN else _CONTAINERS[type(node)][inner]
    finally:
        made.scopes.pop()


def _guarded(made: Inference, test: ast.expr) -> dict[str, Any]:
    """What `isinstance(x, T)` and `x is not None` tell about x."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return {k: v for part in test.values for k, v in _guarded(made, part).items()}
    if (
        isinstance(test, ast.Call)
        and made.symbols.resolve(test.func) is isinstance
        and isinstance(test.args[0], ast.Name)
    ):
        cls = made.symbols.resolve(test.args[1])
        return {test.args[0].id: cls} if isinstance(cls, type) else {}
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name):
        none = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
        if none and isinstance(test.ops[0], ast.IsNot):
            old = made.expression(test.left)
            kept = [m for m in members(old) if m is not NOTHING]
            return {test.left.id: union(kept)} if old is not UNKNOWN and kept else {}
    return {}


def _binary(made: Inference, node: ast.BinOp) -> Any:
    left, right = made.expression(node.left), made.expression(node.right)
    return arithmetic(left, type(node.op).__name__, right)


def _unary(made: Inference, node: ast.UnaryOp) -> Any:
    if isinstance(node.op, ast.Not):
        return bool
    inner = made.expression(node.operand)
    return int if inner is bool else inner


def _bool_op(made: Inference, node: ast.BoolOp) -> Any:
    parts: list[Any] = []
    for index, each in enumerate(node.values):
        found = made.expression(each)
        if found is UNKNOWN:
            return UNKNOWN
        last = index == len(node.values) - 1
        if isinstance(node.op, ast.Or) and not last and found is not NOTHING:
            found = union([m for m in members(found) if m is not NOTHING])
        parts.append(found)
    return _common(parts)


def _if_expression(made: Inference, node: ast.IfExp) -> Any:
    made.scopes.append(_guarded(made, node.test))
    try:
        then = made.expression(node.body)
    finally:
        made.scopes.pop()
    return join(then, made.expression(node.orelse))


def _attribute(made: Inference, node: ast.Attribute) -> Any:
    live = made.symbols.resolve(node)
    if live is not UNKNOWN and not callable(live):
        return type(live) if not isinstance(live, property) else UNKNOWN
    owner = made.expression(node.value)
    if owner is UNKNOWN:
        return UNKNOWN
    found = [attribute(m, node.attr) for m in members(owner) if m is not NOTHING]
    return UNKNOWN if UNKNOWN in found or not found else union(found)


def _subscript(made: Inference, node: ast.Subscript) -> Any:
    owner = made.expression(node.value)
    if isinstance(node.slice, ast.Slice):
        if get_origin(owner) is tuple and get_args(owner)[-1:] != (Ellipsis,):
            return UNKNOWN
        return owner
    index = node.slice
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub):
        inner = index.operand
        value: Any = -inner.value if isinstance(inner, ast.Constant) else UNKNOWN  # type: ignore[operator]  # an int, else `item` says UNKNOWN
        return item(owner, value)
    return item(owner, index.value if isinstance(index, ast.Constant) else UNKNOWN)


def _always(kind: Any) -> Callable[[Inference, Any], Any]:
    return lambda made, node: kind


def _walrus(made: Inference, node: ast.NamedExpr) -> Any:
    return made.expression(node.value)


# --- calls --------------------------------------------------------------------------------------


def _call(made: Inference, node: ast.Call) -> Any:
    live = made.symbols.resolve(node.func)
    if isinstance(live, Step | Workflow):
        return result_of(live)
    if live is waits.together:
        parts = [made.expression(a) for a in node.args]
        return UNKNOWN if UNKNOWN in parts else tuple[tuple(parts)]
    if live is waits.first:
        parts = [made.expression(a) for a in node.args]
        return UNKNOWN if UNKNOWN in parts or not parts else union(parts)
    known = _WORDS.get(live) if _hashable(live) else None
    if known is not None:
        return known
    if live is not UNKNOWN and _hashable(live) and live in _BUILTINS:
        return _BUILTINS[live](made, [made.expression(a) for a in node.args], node)
    if isinstance(live, type):
        return live if not getattr(live, "__parameters__", ()) else _generic(made, live, node)
    if isinstance(node.func, ast.Attribute) and (live is UNKNOWN or inspect.ismethod(live)):
        return _method_call(made, node, node.func)
    if callable(live):
        return _function(made, live, node)
    return UNKNOWN


def result_of(target: Step[..., Any] | Workflow[..., Any]) -> Any:
    """The declared result of a step or workflow."""
    found = returned(target.fn)
    return NOTHING if found is None else found


def _hashable(live: Any) -> bool:
    try:
        hash(live)
    except TypeError:
        return False
    return True


def _method_call(made: Inference, node: ast.Call, function: ast.Attribute) -> Any:
    receiver = made.symbols.resolve(function.value)
    if isinstance(receiver, Signal) and function.attr == "wait":
        return receiver.payload_type
    if receiver is not UNKNOWN and callable(getattr(receiver, function.attr, None)):
        found = returned(getattr(receiver, function.attr))
        if found is not UNKNOWN:
            return found
    owner = made.expression(function.value)
    if owner is UNKNOWN:
        return UNKNOWN
    if get_origin(owner) is dict and function.attr == "get" and len(node.args) == 2:
        return join(get_args(owner)[1], made.expression(node.args[1]))
    found = [method(m, function.attr) for m in members(owner) if m is not NOTHING]
    return UNKNOWN if UNKNOWN in found or not found else union(found)


def _function(made: Inference, live: Any, node: ast.Call) -> Any:
    """The declared result, with type variables solved by the arguments where they are plain."""
    declared = returned(live)
    notes = hints(live)
    solved: dict[Any, Any] = {}
    try:
        names = list(inspect.signature(live).parameters)
    except (TypeError, ValueError):
        return UNKNOWN
    for name, argument in zip(names, node.args, strict=False):
        _solve(notes.get(name), made.expression(argument), solved)
    return declared if declared is UNKNOWN else substitute(declared, solved)


def _solve(declared: Any, given: Any, solved: dict[Any, Any]) -> None:
    if given is UNKNOWN or declared is None:
        return
    if type(declared).__name__ == "TypeVar":
        solved[declared] = given
        return
    if get_origin(declared) is get_origin(given) is not None:
        for one, two in zip(get_args(declared), get_args(given), strict=False):
            _solve(one, two, solved)


def _generic(made: Inference, cls: Any, node: ast.Call) -> Any:
    solved: dict[Any, Any] = {}
    notes = hints(cls)
    names = [n for n in inspect.signature(cls).parameters]
    for name, argument in zip(names, node.args, strict=False):
        _solve(notes.get(name), made.expression(argument), solved)
    for keyword in node.keywords:
        _solve(notes.get(keyword.arg or ""), made.expression(keyword.value), solved)
    arguments = [solved.get(p, UNKNOWN) for p in cls.__parameters__]
    return UNKNOWN if UNKNOWN in arguments else cls[tuple(arguments)]


Builtin = Callable[[Inference, list[Any], ast.Call], Any]


def _sum(made: Inference, given: list[Any], node: ast.Call) -> Any:
    inner = element(given[0]) if given else UNKNOWN
    start = given[1] if len(given) > 1 else int
    return join(int if inner is bool else inner, start) if start is int else start


def _least(made: Inference, given: list[Any], node: ast.Call) -> Any:
    if len(given) == 1:
        found = element(given[0])
        default = next((k.value for k in node.keywords if k.arg == "default"), None)
        return found if default is None else join(found, made.expression(default))
    return _common(given) if given else UNKNOWN


def _round(made: Inference, given: list[Any], node: ast.Call) -> Any:
    return int if len(given) == 1 and given[0] in (int, float, bool) else given[0]


def _listing(made: Inference, given: list[Any], node: ast.Call) -> Any:
    return _listed(element(given[0])) if given else UNKNOWN


def _setting(made: Inference, given: list[Any], node: ast.Call) -> Any:
    inner = element(given[0]) if given else UNKNOWN
    return UNKNOWN if inner is UNKNOWN else set[inner]


def _tupling(made: Inference, given: list[Any], node: ast.Call) -> Any:
    inner = element(given[0]) if given else UNKNOWN
    return UNKNOWN if inner is UNKNOWN else tuple[inner, ...]


def _zipped(made: Inference, given: list[Any], node: ast.Call) -> Any:
    parts = [element(g) for g in given]
    return UNKNOWN if UNKNOWN in parts or not parts else list[tuple[tuple(parts)]]


def _enumerated(made: Inference, given: list[Any], node: ast.Call) -> Any:
    inner = element(given[0]) if given else UNKNOWN
    return UNKNOWN if inner is UNKNOWN else list[tuple[int, inner]]


def _dicting(made: Inference, given: list[Any], node: ast.Call) -> Any:
    if given and get_origin(given[0]) is dict:
        return given[0]
    inner = element(given[0]) if given else UNKNOWN
    if get_origin(inner) is tuple and len(get_args(inner)) == 2:
        return dict[get_args(inner)]
    return UNKNOWN


def _absolute(made: Inference, given: list[Any], node: ast.Call) -> Any:
    return given[0] if given else UNKNOWN


def _gives(kind: Any) -> Builtin:
    return lambda made, given, node: kind


_BUILTINS: Final[dict[Any, Builtin]] = {
    len: _gives(int),
    str: _gives(str),
    int: _gives(int),
    float: _gives(float),
    bool: _gives(bool),
    repr: _gives(str),
    any: _gives(bool),
    all: _gives(bool),
    isinstance: _gives(bool),
    range: _gives(range),
    sum: _sum,
    min: _least,
    max: _least,
    sorted: _listing,
    reversed: _listing,
    list: _listing,
    set: _setting,
    tuple: _tupling,
    dict: _dicting,
    zip: _zipped,
    enumerate: _enumerated,
    abs: _absolute,
    round: _round,
}
_WORDS: Final[dict[Any, Any]] = {
    waits.sleep: NOTHING,
    waits.sleep_until: NOTHING,
    waits.after: Elapsed,
    waits.at: Elapsed,
    ambient.now: datetime,
}
_RULES: Final[dict[type[ast.expr], Callable[[Inference, Any], Any]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Await: _await,
    ast.List: _display(list),
    ast.Set: _display(set),
    ast.Tuple: _tuple,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _bool_op,
    ast.IfExp: _if_expression,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Compare: _always(bool),
    ast.JoinedStr: _always(str),
    ast.NamedExpr: _walrus,
    ast.Call: _call,
}
