"""The fragments of scopes: saga, together, and a race with steps in it.

A scope is a token beside the tokens of its body; nobody removes those: the scope turns to ending,
and each drains itself at its next resting place. A compensatable branch of a race has a scope of
its own: an undo stack that is handed over when it wins, and worked off at once when it lost (C19).
No call is emitted here, but for those that a fork is made of.
"""

from __future__ import annotations

from dataclasses import replace

from ..language.effects import Effect
from ..net import PlaceKind, StackOp
from ..net import TransitionKind as T
from .blocks import Fork, Saga, StepCall, Wait
from .emit_calls import emit_step, emit_wait
from .rewrite import ERROR
from .ways import Emitter, Ways


def emit_saga(emitter: Emitter, block: Saga, ways: Ways) -> str:
    """Left well, its undo entries go to the saga around; left by an exception or cancel, undone."""
    d, add, stack = emitter.draft, emitter.transition, block.stack
    held = frozenset((stack,))
    scope = d.place("in saga", PlaceKind.SCOPE, block.span, block.id, fixed=held)
    to = dict(ways.to)
    for word in ("next", "return", "break", "continue"):
        if word in ways.to:
            to[word] = emitter.empty(f"leaves saga by {word}", block)
            op = StackOp.HAND_OVER if ways.scope else StackOp.FORGET
            outer = [ways.scope] if ways.scope else []
            name = f"saga ends by {word}"
            put = [ways.to[word], *outer]
            take = [to[word], scope, *outer]
            add(name, T.EXIT, take, put, stack_op=op, stack=stack, outer=ways.stack)
    sites = [
        b.site.name
        for b in block.walk()
        if isinstance(b, StepCall) and b.step.effect is Effect.COMPENSATABLE and b.site.undo
    ]
    for word, name in (("raise", "undoing saga"), ("cancel", "undoing saga, cancelled")):
        undoing = d.place(name, PlaceKind.UNDOING, block.span, block.id, needs=held)
        to[word] = emitter.empty(f"leaves saga by {word}", block)
        add(f"saga fails by {word}", T.EXIT, [to[word], scope], [undoing])
        for site in sites:
            text, op = f"undo {site}, {name}", StackOp.POP
            add(text, T.UNDO, [undoing], [undoing], site=site, stack_op=op, stack=stack)
        add(f"{name}: undone", T.UNDONE, [undoing], [ways.to[word]], stack=stack)
    body = emitter.emit(block.body, replace(ways, to=to, scope=scope, stack=stack))
    enter = emitter.empty("enter saga", block)
    add("enter saga", T.EXIT, [enter], [scope, body], stack_op=StackOp.OPEN, stack=stack)
    return enter


def emit_fork(emitter: Emitter, block: Fork, ways: Ways) -> str:
    """`together`, or `first` with a step in it: branches, a scope token, one join per way out."""
    return _Fork(emitter, block, ways).emit()


class _Fork:
    def __init__(self, emitter: Emitter, block: Fork, ways: Ways) -> None:
        self.emitter, self.block, self.ways = emitter, block, ways
        labels = [
            b.site.name if isinstance(b, StepCall) else b.sites[0].name for b in block.branches
        ]
        self.tag = f"{block.kind} {', '.join(labels)}"
        self.live = self.place(f"in {self.tag}", PlaceKind.SCOPE)
        self.ending = self.place(f"ending {self.tag}", PlaceKind.ENDING)
        self.race = block.kind == "first"
        self.fallible = [isinstance(b, StepCall) and _may_raise(b) for b in block.branches]

    def place(self, name: str, kind: PlaceKind, *holds: str, free: bool = True) -> str:
        """A place; with `free` its frame follows from liveness, else it is what it `holds`."""
        fixed = None if free else frozenset(holds)
        block = self.block
        return self.emitter.draft.place(name, kind, block.span, block.id, fixed=fixed)

    def emit(self) -> str:
        add = self.emitter.transition
        why = self.place(f"{self.tag} raised", PlaceKind.ENDING, ERROR, free=False)
        won = ""
        if self.race:
            result = [r for r in self.block.results[:1] if r]
            won = self.place(f"{self.tag} won", PlaceKind.ENDING, *result, free=False)
        late = ""
        if self.ways.ending:
            late = self.place(f"{self.tag} cancelled", PlaceKind.ENDING, free=False)
        starts: list[str] = []
        ended: list[str] = []
        self.scopes = [self.scope(i, stack) for i, stack in enumerate(self.block.undoes)]
        for i in range(len(self.block.branches)):
            start, end = self.branch(i, why, won, late)
            starts.append(start)
            ended.append(end)
        to = self.ways.to
        if self.race:
            add(f"{self.tag}: join won", T.JOIN, [self.ending, won, *ended], [to["next"]])
        else:
            add(f"{self.tag}: join", T.JOIN, [self.live, *ended], [to["next"]])
        if any(self.fallible):
            add(f"{self.tag}: join raised", T.JOIN, [self.ending, why, *ended], [to["raise"]])
        if late:
            read = self.ways.ending
            add(f"{self.tag}: cascade", T.CASCADE, [self.live], [self.ending, late], read=read)
            add(f"{self.tag}: join cancelled", T.JOIN, [self.ending, late, *ended], [to["cancel"]])
        fork = at = self.emitter.empty(self.tag, self.block)
        for i, (scope, stack) in enumerate(zip(self.scopes, self.block.undoes, strict=True)):
            if stack:
                here, at = at, self.emitter.empty(f"{self.tag} [{i}] begins", self.block)
                put, name = [scope, at], f"{self.tag} [{i}]"
                add(name, T.EXIT, [here], put, stack_op=StackOp.OPEN, stack=stack)
        add(self.tag, T.EXIT, [at], [self.live, *starts])
        return fork

    def scope(self, i: int, stack: str) -> str:
        """Beside a compensatable branch of a race: what it may have to undo."""
        if not stack:
            return ""
        branch, held = self.block.branches[i], frozenset((stack,))
        name = f"in {self.tag} [{i}]"
        return self.emitter.draft.place(name, PlaceKind.SCOPE, branch.span, branch.id, fixed=held)

    def branch(self, i: int, why: str, won: str, late: str) -> tuple[str, str]:
        """One branch; returns where it begins and where it has ended."""
        add, tag, block = self.emitter.transition, f"{self.tag} [{i}]", self.block
        result = [block.results[i]] if block.results[i] else []
        kept = [] if self.race else result
        ended = self.place(f"{tag} ended", PlaceKind.BRANCH, *kept, free=False)
        others = [f for j, f in enumerate(self.fallible) if j != i]
        # Whether the scope can be ending while this branch is still on its way.
        disturbed = bool(self.ways.ending) or any(others) or (self.race and len(others) > 0)
        to = {"next": ended, "cancel": ended, "raise": ended}
        if self.race:
            to["next"] = mine = self.place(f"{tag} won", PlaceKind.BRANCH, *result, free=False)
            self.wins(i, mine, ended, won, disturbed)
        if self.fallible[i]:
            to["raise"] = bad = self.place(f"{tag} raised", PlaceKind.BRANCH, ERROR, free=False)
            add(f"{tag} fails", T.FAILS, [bad, self.live], [ended, self.ending, why])
            # A later error is a note of the first; of a fork that ends otherwise it is dropped.
            if any(others):
                add(f"{tag} fails too", T.FAILS_TOO, [bad, why], [ended, why], exit=i)
            if won and others:
                add(f"{tag} fails, too late", T.FAILS_TOO, [bad], [ended], read=won)
            if late:
                add(f"{tag} fails, cancelled", T.FAILS_TOO, [bad], [ended], read=late)
        ways = replace(self.ways, to=to, ending=self.ending if disturbed else "", catching=())
        if block.undoes[i]:
            ways = self.scoped(i, ways)
        # Not by way of `emit`: past a pivot no cancel is heard (C16), but this fork still ends.
        match block.branches[i]:
            case StepCall() as step:
                return emit_step(self.emitter, step, ways), ended
            case Wait() as wait:
                return emit_wait(self.emitter, wait, ways), ended

    def wins(self, i: int, mine: str, ended: str, won: str, disturbed: bool) -> None:
        """A branch of a race that has its result: the first, or too late."""
        add, tag = self.emitter.transition, f"{self.tag} [{i}]"
        own, outer, op = self.keeps(i)
        stack, above = self.block.undoes[i], self.ways.stack
        take, put = [mine, self.live, *own, *outer], [ended, self.ending, won, *outer]
        add(f"{tag} wins", T.WINS, take, put, stack_op=op, stack=stack, outer=above)
        if disturbed and not stack:
            add(f"{tag} too late", T.TOO_LATE, [mine], [ended], read=self.ending)
        elif disturbed:
            site, held = self.block.branches[i], frozenset((stack,))
            assert isinstance(site, StepCall)
            name = f"undoing {site.site.name}"
            undoing = self.emitter.draft.place(
                name, PlaceKind.UNDOING, site.span, self.block.id, needs=held
            )
            add(f"{tag} too late", T.TOO_LATE, [mine, *own], [undoing], read=self.ending)
            pop, text = StackOp.POP, f"undo {site.site.name}, {tag}"
            add(text, T.UNDO, [undoing], [undoing], site=site.site.name, stack_op=pop, stack=stack)
            add(f"{undoing}: undone", T.UNDONE, [undoing], [ended], stack=stack)

    def keeps(self, i: int) -> tuple[list[str], list[str], StackOp | None]:
        """Its own scope, that of the saga around, and what becomes of the stack: it is kept."""
        if not self.block.undoes[i]:
            return [], [], None
        outer = [self.ways.scope] if self.ways.scope else []
        return [self.scopes[i]], outer, StackOp.HAND_OVER if outer else StackOp.FORGET

    def scoped(self, i: int, ways: Ways) -> Ways:
        """The ways out of a branch with a stack of its own; nothing is on it but when it lands."""
        own, outer, op = self.keeps(i)
        stack, to = self.block.undoes[i], dict(ways.to)
        for word in ("raise", "cancel"):
            to[word] = self.emitter.empty(f"leaves {self.tag} [{i}] by {word}", self.block)
            name, put = f"{self.tag} [{i}] ends by {word}", [ways.to[word], *outer]
            take = [to[word], *own, *outer]
            self.emitter.transition(
                name, T.EXIT, take, put, stack_op=op, stack=stack, outer=self.ways.stack
            )
        return replace(ways, to=to, scope=self.scopes[i], stack=stack)


def _may_raise(block: StepCall) -> bool:
    if block.step.effect is Effect.IRREVERSIBLE:
        return block.site.refuses
    if block.step.effect is Effect.COMPENSATABLE:
        return block.site.refuses and not block.site.endless
    return not block.site.endless
