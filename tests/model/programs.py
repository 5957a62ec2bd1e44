"""Random workflow programs of the supported subset, as source text, with what occurs in them.

Programs end, assign before they read and keep the pivot rule by construction; everything else is
left to the dice. Given a `random.Random` of Hypothesis, failures shrink. Nothing is run here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from .differential_world import FORKED
from .program_extras import Extras
from .program_values import PAD, Here

STATEMENTS = 8
"""About so many statements a program has: more would only be slower, not different."""
HANDLED = (
    "Worse",
    "Bad",
    "Other",
    "(Worse, Other)",
    "KeyError",
    "(Bad, LookupError)",
    "ZeroDivisionError",
    "AssertionError",
    "Exception",
)


@dataclass(frozen=True)
class Source:
    """A program: its text, the constructs in it, and which stands directly in which."""

    text: str
    constructs: frozenset[str]
    pairs: frozenset[tuple[str, str]]


def generate(r: random.Random, depth: int = 3) -> Source:
    """One program; the same `r`, the same program."""
    writer = _Writer(r, depth)
    here = Here(names=["x", "y"])
    lines = [f"{PAD}xs = [x, y]", f"{PAD}t0 = now()"] if r.random() < 0.7 else [f"{PAD}xs = [y]"]
    here = replace(here, moments=("t0",) if len(lines) == 2 else ())
    lines += [f"{PAD}ds = {{'z': x, 'a': y}}", f"{PAD}rows = [[x], [y, x]]"]
    lines += writer.block(here)
    ends = f"{PAD}return {' * 3 + '.join(here.names)} + len(xs)"
    head = ["@workflow", "async def w(x: int, y: int) -> int:"]
    text = "\n".join([*head, *lines, ends]) + "\n"
    return Source(text, frozenset(writer.constructs), frozenset(writer.pairs))


class _Writer(Extras):
    def __init__(self, r: random.Random, depth: int) -> None:
        super().__init__(r)
        self.depth = depth
        self.forks = 0
        self.left = STATEMENTS
        self.simple: list[tuple[int, Callable[[Here], list[str]]]] = [
            (4, self.assign),
            (5, self.step),
            (3, self.awaiting),
            (2, self.together),
            (1, self.race),
            (2, self.deferred),
            (1, self.wait),
            (2, self.retried),
            (1, self.cleaned),
            (1, self.sleep),
            (1, self.moment),
            (2, self.grow),
            (1, self.asserts),
            (1, self.implicit),
            (1, self.annotated),
            (1, self.chained),
            (1, self.starred),
            (1, self.deleted),
            (2, self.mapping),
            (2, self.part),
            (1, self.inner),
            (4, self.jump),
        ]
        self.nested: list[tuple[int, Callable[[Here], list[str]]]] = [
            (4, self.if_),
            (2, self.while_),
            (4, self.for_),
            (4, self.try_),
            (4, self.saga),
            (3, self.choose),
        ]

    def block(self, here: Here, last: Callable[[Here], list[str]] | None = None) -> list[str]:
        """One to three statements, fewer when the program is long enough; then `last`."""
        lines: list[str] = []
        for _ in range(self.r.randint(1, 3 if not here.inside else 2)):
            deep = len(here.inside) < self.depth and self.left > 0
            kinds = self.simple + self.nested if deep else self.simple
            self.left -= 1
            (kind,) = self.r.choices([k for _, k in kinds], [w for w, _ in kinds])
            lines += kind(here)
        return lines + (last(here) if last is not None else [])

    # --- simple statements --------------------------------------------------------------------

    def assign(self, here: Here) -> list[str]:
        if self.maybe(0.3):
            self.saw(here, "augmented")
            old = [n for n in here.names if n not in here.fixed]
            return [f"{here.pad}{self.r.choice(old)} += {self.value(here)}"]
        if self.maybe(0.2):
            self.saw(here, "swap")
            old = [n for n in here.names if n not in here.fixed]
            a, b = self.r.sample(old, 2)
            return [f"{here.pad}{a}, {b} = {b}, {a}"]
        self.saw(here, "assignment")
        value = self.value(here)
        return [f"{here.pad}{self.target(here)} = {value}"]

    def step(self, here: Here) -> list[str]:
        self.saw(here, "step")
        kinds = [
            "int",
            "int",
            "int",
            "say",
            "save",
            "book",
            *([] if here.saga else ["charge", "seal"]),
        ]
        kind = self.r.choice(kinds)
        if kind != "int":
            self.saw(here, kind)
            return [f"{here.pad}await {kind}({self.tag()}, {self.value(here)})"]
        call = self.call(here)
        if self.maybe(0.25):
            return [f"{here.pad}await {call}"]
        return [f"{here.pad}{self.target(here)} = await {call}"]

    def awaiting(self, here: Here) -> list[str]:
        """An await inside an expression."""
        self.saw(here, "await in expression")
        a, b, v = self.call(here), self.call(here), self.value(here)
        old, mark = self.old(here), f"mark({self.tag()}, {self.atom(here)})"
        forms = {
            "operator": [f"{v} + await {a}", f"await {a} - {v}", f"{mark} + (await {a}) * {mark}"],
            "operand": [f"max(await {a}, {v}, await {b})", f"sum([{v}, await {a}, {mark}])"],
            "condition": [f"await {a} if {self.test(here)} else {v}",
                          f"{v} if await {a} > {v} else await {b}"],
            "argument": [f"await add({self.tag()}, await {a}, {v})"],
            "and": [f"int(({v} > 2) and (await {a}) > 3)", f"int((await {a}) and await {b})"],
            "or": [f"int(({v} > 2) or (await {a}) > 3)", f"int(not (await {a} or await {b}))"],
            "comparison": [f"int(await {a} < {v} <= 20)", f"int({v} != await {b} > {mark} > 1)"],
            "subscript": [f"xs[(await {a}) % len(xs)]", f"len(xs[await {a} % 2 :][:{v} % 3])"],
            "walrus": [f"({old} := await {a}) + {v}", f"{old} + ({old} := await {a}) * {old}"],
            "star": [f"max(*xs, await {a}, *[{v}, {mark}])", f"len([*xs, await {a}, *xs])"],
            "dict": [f"len({{'k': {mark}, **ds, 'l': await {a}}})"],
        }  # fmt: skip
        kind = self.r.choice([*forms])
        self.saw(here, f"await in {kind}")
        form = self.r.choice(forms[kind])
        if kind == "walrus" and self.maybe(0.3):
            return [f"{here.pad}{old} += ({old} := await {a}) + {old}"]
        return [f"{here.pad}{self.target(here)} = {form}"]

    def fork(self) -> int:
        self.forks += 1
        return FORKED + 10 * self.forks

    def together(self, here: Here) -> list[str]:
        self.saw(here, "together")
        # What may fail comes last, so that nothing lands behind an error: see the test's limits.
        order = ["add", "twice", "look", "say", "book", "note.wait", "sleep", "hold", "picky"]
        order += [] if here.saga else ["charge"]
        chosen = sorted({*self.r.sample(order, self.r.randint(2, 3))}, key=order.index)
        if "picky" in chosen and not {"book", "hold", "charge"} & {*chosen}:
            self.saw(here, "branch that fails first")
            self.r.shuffle(chosen)
        base, calls, good = self.fork(), list[str](), list[int]()
        for i, name in enumerate(chosen):
            if name == "sleep":
                calls.append(f"sleep(seconds({self.atom(here)} % 4))")
            elif name == "note.wait":
                calls.append("note.wait()")
            else:
                calls.append(f"{name}({base + i}, {self.value(here)})")
                good += [i] if name in ("add", "twice", "look", "hold", "picky") else []
        start = f"{here.pad}mark({self.tag()}, 0)"
        forked = f"await together({', '.join(calls)})"
        if not good or self.maybe(0.3):
            return [start, f"{here.pad}{forked}"]
        if self.maybe(0.3):
            return [start, f"{here.pad}{self.target(here)} = ({forked})[{self.r.choice(good)}]"]
        old = [n for n in here.names if n not in here.fixed]
        one = self.r.choice(good)
        names = [self.r.choice(old) if i == one else "_" for i in range(len(calls))]
        if "_" in names and names.count("_") > 1:
            names = [n if n != "_" else f"_{i}" for i, n in enumerate(names)]
        return [start, f"{here.pad}{', '.join(names)} = {forked}"]

    def race(self, here: Here) -> list[str]:
        """`first` with a step in it."""
        self.saw(here, "race")
        base = self.fork()
        names = ("add", "twice", "look", "picky")
        calls = [self.call(here, base, names)]
        rival = self.r.choice(["step", "after", "signal"])
        start = f"{here.pad}mark({self.tag()}, 0)"
        if rival == "step":
            calls.append(self.call(here, base + 1, names))
            return [start, f"{here.pad}{self.target(here)} = await first({', '.join(calls)})"]
        calls.append(
            f"after(seconds({self.r.randint(0, 2)}))" if rival == "after" else "note.wait()"
        )
        self.r.shuffle(calls)
        name = self.target(here)
        other = "Elapsed()" if rival == "after" else "Item(n=m)"
        pad, number = here.pad, f"r{self.tag()}"
        gives = "9" if rival == "after" else "m"
        here_lines = [start, f"{pad}match await first({', '.join(calls)}):"]
        here_lines += [f"{pad}{PAD}case {other}:", f"{pad}{PAD * 2}{name} = {gives}"]
        here_lines += [f"{pad}{PAD}case int({number}):", f"{pad}{PAD * 2}{name} = {number}"]
        return self.settled(here, here_lines, name)

    def settled(self, here: Here, lines: list[str], name: str) -> list[str]:
        """Give a variable that only the cases assign a value before."""
        return [f"{here.pad}{name} = {self.atom(replace(here, names=['x']))}", *lines]

    def deferred(self, here: Here) -> list[str]:
        """`first` of waits, told apart by `match`."""
        self.saw(here, "first")
        self.saw(here, "match")
        pad, timer = here.pad, f"after(seconds({self.r.randint(0, 9)}))"
        if here.moments and self.maybe(0.4):
            self.saw(here, "at")
            timer = f"at({self.r.choice(here.moments)} + seconds({self.r.randint(0, 9)}))"
        calls = ["note.wait()", timer, *(["word.wait()"] if self.maybe(0.4) else [])]
        self.r.shuffle(calls)
        inner = here.within("match", pad=pad + PAD * 2)
        lines = [f"{pad}match await first({', '.join(calls)}):"]
        if self.maybe(0.4):
            lines += [f"{pad}{PAD}case Item(n=n) if n > {self.atom(here)}:"]
            lines += self.block(replace(inner, names=[*here.names, "n"], fixed=here.fixed | {"n"}))
        lines += [f"{pad}{PAD}case Item(n=n):"]
        lines += self.block(replace(inner, names=[*here.names, "n"], fixed=here.fixed | {"n"}))
        if len(calls) == 3 and self.maybe(0.7):
            lines += [f"{pad}{PAD}case str(w):", f"{pad}{PAD * 2}mark({self.tag()}, len(w))"]
        lines += [f"{pad}{PAD}case {self.r.choice(['Elapsed()', '_'])}:"]
        return lines + self.block(replace(inner, names=list(here.names)))

    def wait(self, here: Here) -> list[str]:
        self.saw(here, "signal")
        if self.maybe(0.5):
            return [f"{here.pad}mark({self.tag()}, len(await word.wait()))"]
        return [f"{here.pad}{self.target(here)} = (await note.wait()).n"]

    def sleep(self, here: Here) -> list[str]:
        if here.moments and self.maybe(0.5):
            self.saw(here, "sleep_until")
            moment = self.r.choice(here.moments)
            return [f"{here.pad}await sleep_until({moment} + seconds({self.atom(here)} % 9))"]
        self.saw(here, "sleep")
        return [f"{here.pad}await sleep(seconds({self.atom(here)} % 5))"]

    def moment(self, here: Here) -> list[str]:
        self.saw(here, "now")
        if here.moments:
            since = f"(now() - {self.r.choice(here.moments)}).seconds"
            return [f"{here.pad}{self.target(here)} = mark({self.tag()}, {since})"]
        return [f"{here.pad}mark({self.tag()}, now().second)"]

    def retried(self, here: Here) -> list[str]:
        """A step that fails some times before it succeeds, or for good."""
        self.saw(here, "retries")
        call = f"await flaky({self.tag()}, {self.value(here)})"
        return [f"{here.pad}{self.target(here)} = {call}"]

    def cleaned(self, here: Here) -> list[str]:
        """Clean-up in glue: it runs on every way out."""
        self.saw(here, "finally")
        a, pad = self.atom(here), here.pad
        old = self.r.choice([n for n in here.names if n not in here.fixed])
        risk = self.r.choice(
            [f"{old} = 9 // ({a} % 3)", f"raise {self.error(here)}", f"return {a}"]
        )
        lines = [f"{pad}try:", f"{pad}{PAD}if {self.test(here)}:", f"{pad}{PAD * 2}{risk}"]
        return [*lines, f"{pad}finally:", f"{pad}{PAD}mark({self.tag()}, {old})"]

    def grow(self, here: Here) -> list[str]:
        """A value changed in place."""
        self.saw(here, "change in place")
        if self.maybe(0.3):
            self.saw(here, "del")
            return [f"{here.pad}if len(xs) > 1:", f"{here.pad}{PAD}del xs[{self.atom(here)} % 2]"]
        return [f"{here.pad}xs.append({self.value(here)})"]

    def asserts(self, here: Here) -> list[str]:
        self.saw(here, "assert")
        return [f"{here.pad}assert {self.test(here)}, 'said {self.tag()}'"]

    def implicit(self, here: Here) -> list[str]:
        """What may raise by accident."""
        self.saw(here, "accident")
        a = self.atom(here)
        form = self.r.choice(
            [f"9 // ({a} % 3)", f"{{0: 1, 1: 2}}[{a} % 3]", f"[4, 5][{a} % 3]", f"[4][{a} % 2]"]
        )
        return [f"{here.pad}{self.target(here)} = {form}"]

    # --- jumps --------------------------------------------------------------------------------

    def jump(self, here: Here) -> list[str]:
        """A way out, mostly behind a condition."""
        kinds = ["return", "raise", *(["break", "continue"] * 2 if here.loop else [])]
        kinds += ["again", *["from"] * 4] if here.error else []
        kind = self.r.choice(kinds)
        lines = {
            "return": lambda: f"return {self.value(here)}",
            "raise": lambda: f"raise {self.error(here)}",
            "break": lambda: "break",
            "continue": lambda: "continue",
            "again": lambda: "raise",
            "from": lambda: f"raise {self.error(here)} from {here.error}",
        }
        if kind == "return" and self.maybe(0.4):
            text = f"return await {self.call(here)}"
        else:
            text = lines[kind]()
        self.saw(here, {"again": "re-raise", "from": "raise from"}.get(kind, kind))
        return [f"{here.pad}if {self.test(here)}:", f"{here.pad}{PAD}{text}"]

    def error(self, here: Here) -> str:
        a, tag = self.atom(here), self.tag()
        forms = [f"Bad({tag})", f"Worse('w', {a})", f"Other({a}, {tag})", "KeyError('meant')"]
        return self.r.choice(forms)

    # --- nested statements --------------------------------------------------------------------

    def if_(self, here: Here) -> list[str]:
        self.saw(here, "if")
        test = self.test(here)
        if self.maybe(0.3):
            self.saw(here, "await in test")
            test = f"await {self.call(here)} % 2"
        lines = [f"{here.pad}if {test}:", *self.block(here.within("if"))]
        if self.maybe(0.45):
            self.saw(here, "elif")
            lines += [f"{here.pad}elif {self.test(here)}:", *self.block(here.within("elif"))]
        if self.maybe(0.6):
            self.saw(here, "else")
            lines += [f"{here.pad}else:", *self.block(here.within("else"))]
        return lines

    def choose(self, here: Here) -> list[str]:
        """`match` over plain values: literals, sequences, mappings, guards, captures."""
        self.saw(here, "match on values")
        a, b, pad = self.value(here), self.atom(here), here.pad
        p, q = f"p{self.tag()}", f"q{self.tag()}"
        kind = self.r.choice(["literal", "sequence", "mapping"])
        forms: dict[str, list[tuple[str, list[str]]]] = {
            "literal": [("0", []), (f"1 | 2 as {p} if {p} > {b}", [p]), ("3", [])],
            "sequence": [(f"(0, {p})", [p]), (f"[{p}, {q}] if {p} > {q}", [p, q])],
            "mapping": [(f"{{'k': 1 as {p}}}", [p]), (f"{{'k': int({p}), 'm': 2}}", [p])],
        }
        subject = {"literal": f"{a} % 5", "sequence": f"({a} % 3, {b})"}.get(
            kind, f"{{'k': {a} % 3, 'm': {b} % 4}}"
        )
        if kind == "literal" and self.maybe(0.3):
            self.saw(here, "await in test")
            subject = f"await {self.call(here)} % 5"
        lines = [f"{pad}match {subject}:"]
        for text, names in [*forms[kind], *([("_", list[str]())] if self.maybe(0.6) else [])]:
            inner = here.within("match on values", pad=pad + PAD * 2)
            inner.names.extend(names)
            lines += [f"{pad}{PAD}case {text}:", *self.block(inner)]
        return lines

    def while_(self, here: Here) -> list[str]:
        self.saw(here, "while")
        k = f"k{self.tag()}"
        here.names.append(k)
        inner = here.within("while", loop=True, fixed=here.fixed | {k})
        test, first = f"{k} < {self.r.randint(1, 3)}", f"{inner.pad}{k} += 1"
        lines = [f"{here.pad}{k} = 0"]
        if self.maybe(0.3):
            self.saw(here, "while True")
            stop = [f"{inner.pad}if {k} > {self.r.randint(1, 3)}:", f"{inner.pad}{PAD}break"]
            return [*lines, f"{here.pad}while True:", first, *stop, *self.block(inner)]
        if self.maybe(0.3):
            self.saw(here, "await in test")
            test += f" and await {self.call(here)} < 40"
        lines += [f"{here.pad}while {test}:", first, *self.block(inner)]
        return lines + self.orelse(here, "while else")

    def orelse(self, here: Here, construct: str) -> list[str]:
        if not self.maybe(0.35):
            return []
        self.saw(here, construct)
        return [f"{here.pad}else:", *self.block(here.within(construct))]

    def for_(self, here: Here) -> list[str]:
        kind = self.r.choice(["list", "tuple", "range", "view"])
        self.saw(here, f"for over {kind}")
        v, a = f"i{self.tag()}", self.atom(here)
        names = [v]
        over = {
            "list": f"[{a}, {self.value(here)}, {self.r.randint(0, 9)}][: {a} % 4]",
            "tuple": f"({a}, {self.value(here)})",
            "range": self.r.choice([f"range({a} % 4)", f"range(1, {self.r.randint(1, 4)})",
                                    f"range({a} % 5, -1, -2)"]),
        }.get(kind, "")  # fmt: skip
        target = v
        if kind == "view":
            over, target, names = self.over(here, v)
        if kind == "list" and self.maybe(0.4):
            self.saw(here, "unpacking")
            names = [v, f"{v}b"]
            over, target = f"[({a}, 1), (2, {self.value(here)})]", f"{v}, {v}b"
        if kind == "list" and len(names) == 1 and self.maybe(0.2):
            over = "xs[:3]"
        if kind == "range" and self.maybe(0.2):
            over = f"range((await {self.call(here)}) % 3)"
        inner = here.within("for", loop=True)
        inner.names.extend(names)
        lines = [f"{here.pad}for {target} in {over}:", *self.block(inner)]
        return lines + self.orelse(here, "for else")

    def try_(self, here: Here) -> list[str]:
        self.saw(here, "try")
        lines = [f"{here.pad}try:", *self.block(here.within("try"), self.risk)]
        for _ in range(self.r.choice([1, 1, 2, 3])):
            named = self.maybe(0.7)
            e = f"e{self.tag()}"
            lines.append(f"{here.pad}except {self.r.choice(HANDLED)}{f' as {e}' if named else ''}:")
            inner = here.within("except", error=e if named else here.error)
            lines += [f"{inner.pad}seen({self.tag()}, {e})"] if named else []
            self.saw(here, "except")
            lines += self.block(inner, self.again if self.maybe(0.2) else None)
        if self.maybe(0.55):
            self.saw(here, "try else")
            self.left = max(self.left, 1)  # room for something nested, though it comes last
            lines += [f"{here.pad}else:", *self.block(here.within("try else"))]
        return lines

    def risk(self, here: Here) -> list[str]:
        """Something for the handlers to catch."""
        return self.r.choice([self.jump, self.implicit, self.risky, self.asserts])(here)

    def risky(self, here: Here) -> list[str]:
        self.saw(here, "step")
        call = self.call(here, None, ("picky", "hold"))
        return [f"{here.pad}{self.target(here)} = await {call}"]

    def again(self, here: Here) -> list[str]:
        self.saw(here, "re-raise")
        return [f"{here.pad}raise"]

    def saga(self, here: Here) -> list[str]:
        self.saw(here, "saga")
        inner = here.within("saga", saga=True)
        name = self.r.choice(["hold", "book"])
        self.saw(inner, name)
        lines = [f"{here.pad}async with saga():"]
        lines += [f"{inner.pad}await {name}({self.tag()}, {self.value(inner)})"]
        lines += self.block(inner)
        if not here.saga and self.maybe(0.4):  # the pivot: nothing follows it in the saga
            self.saw(inner, "pivot")
            pivot = self.r.choice(["charge", "seal"])
            self.saw(inner, pivot)
            lines += [f"{inner.pad}await {pivot}({self.tag()}, {self.value(inner)})"]
        return lines
