"""From the compiler's block tree to boxes: which construct is drawn how, and who owns which place.

Every tangible place of the net is owned by exactly one box; those of exceptions, drains and undo
go to its lane. Glue is not drawn, but for the ways out of the workflow or a loop that it holds.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence

from ..compiler import blocks as b
from ..compiler.places import condition
from ..net import Net, Place, PlaceKind
from ..program import Program
from .boxes import Box, BoxKind

_MAIN: dict[type[b.Block], frozenset[PlaceKind]] = {
    b.StepCall: frozenset({PlaceKind.BEFORE, PlaceKind.DURING, PlaceKind.DOUBT, PlaceKind.AFTER}),
    b.Wait: frozenset({PlaceKind.WAITING}),
    b.Fork: frozenset({PlaceKind.SCOPE, PlaceKind.BRANCH}),
    b.Saga: frozenset({PlaceKind.SCOPE}),
}
_WHOLE = frozenset({PlaceKind.START, PlaceKind.SCOPE, PlaceKind.DONE})
_WAYS_OUT = frozenset({"return", "break", "continue"})
_WORDS = {"then": "yes", "else": "no", "no case": "otherwise", "exhausted": "enough"}


def program_box(program: Program) -> Box:
    """The boxes of a compiled program, ready for `to_svg`."""
    return workflow_box(program.net, [x for x in program.blocks if isinstance(x, b.Block)])


def workflow_box(net: Net, blocks: Sequence[b.Block]) -> Box:
    """The boxes of a net that was compiled from these blocks."""
    owned: defaultdict[int, list[Place]] = defaultdict(list)
    known = {inner.id for block in blocks for inner in block.walk()}
    for place in net.places:
        if place.tangible:
            owned[place.block if place.block in known else -1].append(place)
    tree = _Tree(owned)
    made = [x for x in map(tree.box, blocks) if x]
    body = Box(BoxKind.SEQUENCE, children=tuple(map(_without_last_return, made)))
    main, lane = _parted(
        [p for n in (-1, *(x.id for x in blocks)) for p in owned.pop(n, [])], _WHOLE
    )
    # What no construct took (a place of a kind not drawn at its block) still belongs to the whole.
    lane += [p for rest in owned.values() for p in rest]
    return Box(BoxKind.WORKFLOW, net.name, (body,), places=tuple(main), lane=tuple(lane))


def _parted(
    places: Sequence[Place], kinds: frozenset[PlaceKind]
) -> tuple[list[Place], list[Place]]:
    return [p for p in places if p.kind in kinds], [p for p in places if p.kind not in kinds]


def _without_last_return(body: Box) -> Box:
    """A `return` that ends the whole is an arrow to done, not a way out of something."""
    match body.children:
        case (*rest, Box(kind=BoxKind.END, label="return")) if body.kind is BoxKind.SEQUENCE:
            return Box(BoxKind.SEQUENCE, children=tuple(rest))
        case _:
            return body


class _Tree:
    """One translation; places are taken out of `owned` as boxes are made."""

    def __init__(self, owned: defaultdict[int, list[Place]]) -> None:
        self._owned = owned

    def box(self, block: b.Block) -> Box | None:
        """The box of a block, or None where nothing is drawn."""
        match block:
            case b.Sequence():
                return self._sequence(block.items)
            case b.Glue():
                return _glue(block.code)
            case b.Jump():
                return _end(block.to, block.span.line)
            case b.Choice():
                return self._choice(block)
            case b.Loop():
                return self._loop(block)
            case b.Try():
                return self._try(block)
            case b.Fork():
                return self._fork(block)
            case b.Saga():
                inside = (self._sequence(block.body.items),)
                return self._made(block, BoxKind.SCOPE, "saga", inside)
            case b.StepCall():
                box = self._made(block, BoxKind.STEP, block.site.name)
                return _with_effect(box, block.site.effect)
            case b.Wait():
                names = tuple(site.name for site in block.sites)
                return self._made(block, BoxKind.WAIT, labels=names)
            case _:
                raise TypeError(f"no drawing for {type(block).__name__}")

    def _made(
        self,
        block: b.Block,
        kind: BoxKind,
        label: str = "",
        children: tuple[Box, ...] = (),
        labels: tuple[str, ...] = (),
        note: str = "",
    ) -> Box:
        places = self._owned.pop(block.id, [])
        main, lane = _parted(places, _MAIN.get(type(block), frozenset()))
        line = block.span.line
        return Box(kind, label, children, labels, tuple(main), tuple(lane), "", line, note)

    def _sequence(self, items: Sequence[b.Block]) -> Box:
        made = [box for box in map(self.box, items) if box is not None]
        flat: list[Box] = []
        for box in made:
            flat += box.children if box.kind is BoxKind.SEQUENCE else (box,)
        return Box(BoxKind.SEQUENCE, children=tuple(flat))

    def _choice(self, block: b.Choice) -> Box:
        labels = tuple(_label(block, label) for label, _ in block.branches)
        children = tuple(self._sequence(branch.items) for _, branch in block.branches)
        label = block.word if "await " in block.text else f"{block.word} {block.text}"
        return self._made(block, BoxKind.CHOICE, label, children, labels)

    def _loop(self, block: b.Loop) -> Box:
        body, tested = _tested(block.body.items)
        note = "" if tested else "for ever" if _breaks(block.body) else "no end"
        inside = self._sequence(body)
        label = f"{block.word} {block.text}"
        loop = self._made(block, BoxKind.LOOP, label, (inside,), (), note)
        after = self._sequence(block.orelse.items)
        return Box(BoxKind.SEQUENCE, children=(loop, *after.children))

    def _try(self, block: b.Try) -> Box:
        body = self._sequence((*block.body.items, *block.orelse.items))
        children = [body, *(self._sequence(h.body.items) for h in block.handlers)]
        labels = ["", *(f"except {condition(h.types)}" for h in block.handlers)]
        return self._made(block, BoxKind.TRY, "try", tuple(children), tuple(labels))

    def _fork(self, block: b.Fork) -> Box:
        """Only where each branch ends is drawn; that it raised or won belongs to the lane."""
        children = tuple(self._sequence((branch,)) for branch in block.branches)
        box = self._made(block, BoxKind.FORK, block.kind, children)
        main = [p for p in box.places if p.kind is PlaceKind.SCOPE or p.name.endswith(" ended")]
        lane = (*(p for p in box.places if p not in main), *box.lane)
        return Box(box.kind, box.label, children, places=tuple(main), lane=lane, line=box.line)


def _with_effect(box: Box, effect: str) -> Box:
    return Box(box.kind, box.label, places=box.places, lane=box.lane, effect=effect, line=box.line)


def _label(block: b.Choice, label: str) -> str:
    """What stands on a branch: yes and no, or the author's pattern."""
    if label.startswith("case "):
        decided = [s for s in block.code if isinstance(s, ast.Match)]
        if decided:
            case = decided[-1].cases[int(label.removeprefix("case "))]
            guard = f" if {condition(case.guard)}" if case.guard else ""
            pattern = condition(case.pattern)
            return ("otherwise" if pattern == "_" else pattern) + guard
    return _WORDS.get(label, label)


def _tested(items: Sequence[b.Block]) -> tuple[Sequence[b.Block], bool]:
    """The body of a loop without its test, and whether the test is the first thing in it."""
    match items:
        case [b.Choice(branches=((_, body), (_, out)))] if _exhausts(out):
            return body.items, True
        case _:
            return items, False


def _exhausts(branch: b.Sequence) -> bool:
    match branch.items:
        case [b.Jump(to="exhausted")]:
            return True
        case _:
            return False


def _breaks(block: b.Block) -> bool:
    """Whether control leaves this loop's body by a break, or by a test further inside it."""
    match block:
        case b.Jump():
            return block.to in ("break", "exhausted")
        case b.Glue() | b.Choice():
            leaves = (n for s in block.code for n in ast.walk(s) if isinstance(n, b.Leave))
            if any(leave.label == "break" for leave in leaves):
                return True
        case b.Loop():
            return _breaks(block.orelse)
        case _:
            pass
    return any(_breaks(child) for child in block.children())


def _end(to: str, line: int) -> Box:
    return Box(BoxKind.END, _WORDS.get(to, to), line=line)


def _glue(code: Sequence[ast.stmt]) -> Box | None:
    """The ways out in a stretch of sync code: under a condition a choice, else an end."""
    drawn: list[Box] = []
    for statement in code:
        ways = _ways_out(statement)
        if not ways:
            continue
        if isinstance(statement, (b.Leave, ast.Raise)):
            drawn.append(ways[0])
            break
        label = f"if {condition(statement.test)}" if isinstance(statement, ast.If) else "code"
        on = Box(BoxKind.SEQUENCE)
        children = (*(Box(BoxKind.SEQUENCE, children=(way,)) for way in ways), on)
        labels = ("yes",) if len(ways) == 1 else ("",) * len(ways)
        drawn.append(Box(BoxKind.CHOICE, label, children, (*labels, "no"), line=statement.lineno))
    if not drawn:
        return None
    return drawn[0] if len(drawn) == 1 else Box(BoxKind.SEQUENCE, children=tuple(drawn))


def _ways_out(statement: ast.stmt) -> list[Box]:
    """The different ends inside a statement, in source order."""
    found: dict[str, Box] = {}
    for node in ast.walk(statement):
        if isinstance(node, b.Leave) and node.label in _WAYS_OUT:
            found.setdefault(node.label, _end(node.label, getattr(node, "lineno", 0)))
        elif isinstance(node, ast.Raise):
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = condition(error, 24) if error is not None else ""
            # What the compiler has put aside has no name an author would know.
            text = f"raise {name}" if name and not name.startswith("$") else "raise"
            found.setdefault(text, _end(text, node.lineno))
    return list(found.values())
