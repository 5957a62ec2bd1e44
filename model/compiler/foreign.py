"""What a workflow awaits or calls that is not durable: plain coroutines, asyncio, its own steps.

Looks at live objects. Which calls are ours is decided in `callees.py`; nothing is rewritten here.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, cast

from ..language import waits
from ..language.ambient import effect_key, effect_order
from ..language.steps import Step
from ..language.waits import Signal
from ..language.workflows import Workflow
from .build import Builder
from .callees import ForkCallee, SignalCallee, TimerCallee, callee, is_saga
from .edits import replaced, source, spelled, wrapped
from .instead import ASYNCHRONOUS, FUTURE, LIBRARIES
from .kinds import Kinds
from .known import known_as, reach
from .live import Function
from .places import condition
from .trees import children, walk

_Flow = Workflow[..., Any]
_LOST = "it waits in this process only, and a restart loses it"
_STEP = "make it a step: `@idempotent` above `async def {name}(...)`"


def foreign(function: Function, kinds: Kinds, build: Builder) -> None:
    """Report what is awaited and not durable, called and not awaited, or not there yet."""
    _Walk(function, kinds, build).all()


class _Walk:
    def __init__(self, function: Function, kinds: Kinds, build: Builder) -> None:
        self.function, self.kinds, self.build = function, kinds, build
        self.resolve = function.resolve
        self.excused: set[int] = set()  # calls that an await, or another message, answers for
        self.unawaited: set[str] = set()  # variables that hold a call nobody awaited

    def all(self) -> None:
        for node in _outermost_first(self.function.node.body):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                    if self.ours(call):
                        self.unawaited.add(name)
                case ast.AsyncWith():
                    self.scope(node)
                case ast.Await():
                    self.awaited(node.value)
                case ast.Call() if id(node) not in self.excused:
                    self.called(node)
                case _:
                    pass

    def ours(self, call: ast.Call) -> bool:
        """Whether it makes a call of ours, which somebody must await."""
        return callee(call, self.resolve) is not None or self.workflow(call) is not None

    def workflow(self, call: ast.Call) -> _Flow | None:
        target = self.resolve(call.func)
        return cast("_Flow", target) if isinstance(target, Workflow) else None

    def known(self, node: ast.expr) -> str:
        """The last part of a name of asyncio and its like: `gather`; empty for others."""
        found = reach(node, self.resolve)
        if found is None and isinstance(node, ast.Attribute):
            base = self.kinds.kind(node.value)
            if not isinstance(base, type):
                base = reach(node.value, self.resolve)
            found = base if base is not None and not inspect.ismodule(base) else None
        if found is None:
            return ""
        root, _, rest = known_as(found).partition(".")
        if root not in LIBRARIES:
            return ""
        parts = rest.split(".")
        return next((p for p in parts if p in ASYNCHRONOUS), parts[-1])

    # --- not awaited ----------------------------------------------------------------------

    def called(self, call: ast.Call) -> None:
        if self.ours(call):
            text = f"`{condition(call)}` makes a call that nobody awaits"
            why = "nothing happens until it is awaited, and no place waits for it"
            fix = f"await {source(self.build.file, call)}"
            edits = wrapped(self.build, call, "await ") if self.whole(call) else ()
            self.build.problem("PD110", call, text, why, fix, edits=edits)
            self.excuse(call)
            return
        known = self.known(call.func)
        if known:
            self.asynchronous(call, known)
        elif any(self.resolve(call.func) is word for word in (effect_key, effect_order)):
            text = f"`{condition(call)}` is used outside a step"
            why = "it tells one effect from all others, and here no effect runs"
            fix = "call it in the body of the step, or pass an id of your own to the step"
            self.build.problem("PD602", call, text, why, fix)
        elif isinstance(call.func, (ast.Name, ast.Attribute)):
            self.future(call.func)

    def whole(self, call: ast.Call) -> bool:
        """Whether the call is a whole statement or value, so that a bare await is all it needs."""
        for node in walk(self.function.node):
            match node:
                case ast.Expr(value=value) | ast.Return(value=value) if value is call:
                    return True
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is call:
                    return not any(
                        isinstance(n, ast.Await) and getattr(n.value, "id", "") == name
                        for n in walk(self.function.node)
                    )
                case _:
                    pass
        return False

    def excuse(self, call: ast.expr) -> None:
        self.excused |= {id(n) for n in walk(call) if isinstance(n, ast.Call)}

    # --- awaited --------------------------------------------------------------------------

    def awaited(self, node: ast.expr) -> None:
        who = callee(node, self.resolve)
        if who is None:
            self.refuse(node)
            return
        self.excused.add(id(node))
        assert isinstance(node, ast.Call), "only a call has a callee"
        if isinstance(node.func, ast.Call):
            self.excused.add(id(node.func))  # step.named("…")
        if isinstance(who, ForkCallee):
            self.fork(node, who.word)
        elif isinstance(who, (TimerCallee, SignalCallee)):
            self.one(node, who)

    def one(self, call: ast.Call, who: TimerCallee | SignalCallee) -> None:
        """A wait takes what its word says, by position."""
        wanted = isinstance(who, TimerCallee)
        starred = any(isinstance(a, ast.Starred) for a in call.args)
        if call.keywords or starred or len(call.args) != wanted:
            text = f"`{condition(call)}` does not say what to wait for"
            fix = f"{who.word}(...) with one argument" if wanted else f"{condition(call.func)}()"
            self.build.problem("PD113", call, text, "a wait is stored with what it waits for", fix)

    def fork(self, call: ast.Call, word: str) -> None:
        for part in call.args:
            self.branch(part, word)
        for keyword in call.keywords:
            text = f"{word}(...) takes calls by position only"
            why = "results come in the order of the calls"
            self.build.problem("PD113", keyword.value, text, why, f"{word}(a(...), b(...))")
            self.excuse(keyword.value)
        starred = any(isinstance(a, ast.Starred) for a in call.args)
        if len(call.args) < 2 and not starred:
            text = f"{word}(...) of {len(call.args)} calls"
            why = f"{word} is about several"
            fix = f"{word}(a(...), b(...)), or await the one call alone"
            self.build.problem("PD414", call, text, why, fix)

    def branch(self, part: ast.expr, word: str) -> None:
        who = callee(part, self.resolve)
        if isinstance(part, ast.Starred):
            text = f"`*` hides which calls are branches of {word}"
            why = "each branch has places of its own in the net"
            fix = f"{word}(a(...), b(...)), or a loop"
            self.build.problem("PD113", part, text, why, fix)
            self.excuse(part)
        elif isinstance(who, ForkCallee):
            text = f"{who.word} as a branch of {word} is not supported yet"
            why = "a branch is one call of a step, a signal or a timer"
            self.build.problem("PD116", part, text, why, f"await {source(self.build.file, part)}")
            self.excuse(part)
        elif who is None:
            self.refuse(part)
        else:
            self.excused.add(id(part))
            if isinstance(part, ast.Call) and isinstance(who, (TimerCallee, SignalCallee)):
                self.one(part, who)
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Call):
                self.excused.add(id(part.func))

    def refuse(self, node: ast.expr) -> None:
        """Something that is not ours is awaited: say which way to go, as exactly as we know."""
        func = node.func if isinstance(node, ast.Call) else node
        self.excuse(node)
        if isinstance(node, ast.Name) and node.id in self.unawaited:
            return  # told where the call was made
        target = reach(func, self.resolve)
        known = self.known(func)
        if known:
            self.asynchronous(node, known)
        elif isinstance(target, Workflow):
            self.child(node, cast("_Flow", target))
        elif isinstance(target, (Step, Signal)):
            self.uncalled(node, isinstance(target, Step))
        elif self.future(func):
            return
        elif isinstance(node, (ast.IfExp, ast.BoolOp)) or (
            isinstance(node, ast.Call) and self.dynamic(func)
        ):
            text = f"which step `{condition(func)}` is, is decided at run time"
            why = "which steps can run must be known before"
            fix = "match between calls by name: `case 'a': await a(...)`"
            self.build.problem("PD114", node, text, why, fix)
        else:
            self.plain(node, func, target)

    def plain(self, node: ast.expr, func: ast.expr, target: object) -> None:
        name, shown = condition(func).rpartition(".")[2], condition(func)
        if isinstance(func, ast.Name) and target is None and func.id not in self.function.local:
            text, why = f"`{shown}` is not defined", "it is nothing that the module knows"
            steps = [n for n, v in self.function.scope.items() if isinstance(v, Step)]
            near = get_close_matches(shown, steps)
            fix = f"await {near[0]}(...)" if near else "import it, or define it as a step"
            edits = replaced(self.build, func, near[0]) if near else ()
            self.build.problem("PD105", func, text, why, fix, edits=edits)
            return
        text = f"`{condition(node)}` is not durable"
        if isinstance(func, ast.Attribute) and func.attr == "direct":
            text, why = f"`{shown}` runs without a log", "a restart would run it again"
            fix = f"await {condition(func.value)}(...)"
        elif inspect.iscoroutinefunction(target):
            why, fix = "a plain coroutine is lost in a restart", _STEP.format(name=name)
        elif isinstance(node, ast.Call):
            why, fix = _LOST, f"await it in a step: `async def {name}(...)` under `@idempotent`"
        else:
            why, fix = _LOST, "await a step, a signal, a timer, together(...) or first(...)"
        self.build.problem("PD105", node, text, why, fix)

    def child(self, node: ast.expr, flow: _Flow) -> None:
        if flow.fn is self.function.fn:
            text, why = f"`{flow.name}` contains itself", "its net would have no end"
            self.build.problem("PD111", node, text, why, "a loop: `while True:`")
            return
        text = f"a workflow in a workflow (`{flow.name}`) is not supported yet"
        why = "a child execution needs a place that waits for it"
        fix = f"await the steps of {flow.name} here, or start it from a step"
        self.build.problem("PD116", node, text, why, fix)

    def uncalled(self, node: ast.expr, step: bool) -> None:
        shown = source(self.build.file, node)
        text = f"`{shown}` is awaited and not called"
        more = "(...)" if step else ".wait()"
        edits = () if step else wrapped(self.build, node, "", ".wait()")
        if isinstance(node, ast.Call) or (not step and not edits):
            text, edits = f"`{shown}` is no call of ours", ()
        self.build.problem("PD105", node, text, _LOST, f"await {shown}{more}", edits=edits)

    def dynamic(self, func: ast.expr) -> bool:
        if isinstance(func, ast.Name):
            return func.id in self.function.local
        picks = (ast.Subscript, ast.IfExp, ast.BoolOp, ast.Call, ast.NamedExpr)
        return isinstance(func, picks)

    def asynchronous(self, node: ast.expr, known: str) -> None:
        """A name of asyncio: each has its word in the language."""
        self.excuse(node)
        shown = condition(node.func if isinstance(node, ast.Call) else node)
        fix = ASYNCHRONOUS.get(known, "do it in a step, and await the step")
        edits: Any = ()
        scope = self.function.scope
        words: dict[str, object] = {"gather": waits.together, "wait": waits.first}
        if isinstance(node, ast.Call) and known == "sleep" and len(node.args) == 1:
            delay = source(self.build.file, node.args[0])
            sleep, seconds = spelled(scope, waits.sleep), spelled(scope, waits.seconds)
            fix = f"await {sleep or 'sleep'}({seconds or 'seconds'}({delay}))"
            if sleep and seconds:
                edits = replaced(self.build, node, fix.removeprefix("await "))
        elif isinstance(node, ast.Call) and known in words and len(node.args) > 1:
            ours = all(isinstance(a, ast.Call) and self.ours(a) for a in node.args)
            word = spelled(scope, words[known])
            edits = replaced(self.build, node.func, word) if ours and word else ()
        text = f"`{shown}` waits in this process only"
        why = "a restart loses what is under way; ours survives it"
        self.build.problem("PD105", node, text, why, fix, edits=edits)

    # --- scopes and words to come ---------------------------------------------------------

    def scope_of(self, item: ast.withitem) -> str:
        """What opens a scope: saga, a name of asyncio, or empty."""
        node = item.context_expr
        if is_saga(node, self.resolve):
            return "saga"
        return self.known(node.func if isinstance(node, ast.Call) else node)

    def scope(self, s: ast.AsyncWith) -> None:
        for item in s.items:
            node = item.context_expr
            word = self.scope_of(item)
            if word == "saga":
                self.plain_saga(s, item)
                continue
            func = node.func if isinstance(node, ast.Call) else node
            if word in ("timeout", "timeout_at", "TaskGroup", "create_task_group", "fail_after"):
                self.asynchronous(node, word)
            elif word or not self.future(func):
                text = f"`async with {condition(node)}` holds a live resource across awaits"
                why = "a restart would lose it"
                self.build.problem("PD103", s, text, why, "open it inside the step that uses it")
            self.excuse(node)

    def plain_saga(self, s: ast.AsyncWith, item: ast.withitem) -> None:
        if len(s.items) > 1:
            text, fix = "several scopes in one `async with`", "one `async with` inside the other"
            self.build.problem("PD116", s, text, "each is a place of its own", fix)
        elif item.optional_vars is not None:
            fix = f"async with {source(self.build.file, item.context_expr)}:"
            text = "a saga has no value to name"
            self.build.problem("PD116", item.optional_vars, text, "it is a scope", fix)

    def future(self, func: ast.expr) -> bool:
        """Report a word of the language that does not exist yet."""
        root = func
        while isinstance(root, (ast.Attribute, ast.Call)):
            if isinstance(root, ast.Attribute) and known_as(self.resolve(root.value)) == "perdure":
                break
            root = root.value if isinstance(root, ast.Attribute) else root.func
        name = root.attr if isinstance(root, ast.Attribute) else getattr(root, "id", "")
        known = self.resolve(root) is not None or name in self.function.local
        if name not in FUTURE or known:
            return False
        text = f"`{name}` is not supported yet"
        why = "it is refused by name, so that it is never compiled wrongly"
        self.build.problem("PD116", func, text, why, FUTURE[name])
        return True


def _outermost_first(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes in source order, what stands around before what is inside."""
    for node in nodes:
        yield node
        yield from _outermost_first(children(node))
