"""Statements of random programs about values with parts: dicts, rows of lists, functions inside.

Each keeps to what has a value where it stands. Control flow is made in `programs.py`, never here.
"""

from __future__ import annotations

from .program_values import PAD, Expressions, Here


class Extras(Expressions):
    """Adds statements that change, unpack, loop over and close over values."""

    def old(self, here: Here) -> str:
        """A variable that may be assigned."""
        return self.r.choice([n for n in here.names if n not in here.fixed])

    def new(self, here: Here) -> str:
        """A variable that is visible from here on."""
        name = f"v{self.tag()}"
        here.names.append(name)
        return name

    def annotated(self, here: Here) -> list[str]:
        self.saw(here, "annotated assignment")
        value = self.value(here)
        return [f"{here.pad}{self.new(here)}: int = {value}"]

    def chained(self, here: Here) -> list[str]:
        """Several targets of one value, in Python's order."""
        self.saw(here, "several targets")
        value = f"await {self.call(here)}" if self.maybe(0.5) else self.value(here)
        return [f"{here.pad}{self.old(here)} = xs[0] = ds['t'] = {value}"]

    def starred(self, here: Here) -> list[str]:
        self.saw(here, "star unpacking")
        value = self.r.choice(
            [
                f"[*xs, {self.value(here)}, {self.atom(here)}]",
                f"({self.value(here)}, await {self.call(here)}, *xs)",
                f"rows[0] + [{self.atom(here)}, await {self.call(here)}]",
            ]
        )
        one, two = self.new(here), self.new(here)
        form = self.r.choice([f"{one}, *_, {two}", f"*_, {one}, {two}", f"{one}, {two}, *_"])
        return [f"{here.pad}{form} = {value}"]

    def deleted(self, here: Here) -> list[str]:
        """A variable that lives shortly, over an await or not."""
        self.saw(here, "del of a variable")
        name, pad = f"v{self.tag()}", here.pad
        between = [f"{pad}await say({self.tag()}, {name})"] if self.maybe(0.5) else []
        lines = [f"{pad}{name} = {self.value(here)}", *between]
        return [*lines, f"{pad}{self.old(here)} = {name} % 20", f"{pad}del {name}"]

    def mapping(self, here: Here) -> list[str]:
        """A dict is changed; its order is told."""
        self.saw(here, "dict")
        key = self.r.choice("zamt")
        form = self.r.choice(
            [
                f"ds['{key}'] = {self.value(here)}",
                f"ds['{key}'] = await {self.call(here)}",
                f"ds.pop('{key}', 0)",
                f"ds |= {{'{key}': {self.value(here)}, 'b': {self.atom(here)}}}",
                f"ds = {{'{key}': {self.atom(here)}, **ds}}",
                f"ds = dict(sorted(ds.items(), key=lambda q: (q[1] - {self.atom(here)}, q[0])))",
                f"ds.setdefault('{key}', {self.value(here)})",
            ]
        )
        return [f"{here.pad}{form}", f"{here.pad}told({self.tag()}, ds)"]

    def part(self, here: Here) -> list[str]:
        """A part of a value is changed, by what is awaited."""
        self.saw(here, "part of a value")
        index = self.r.choice(["0", "-1", f"{self.atom(here)} % 2"])
        name = self.r.choice(["add", "look", "picky", "hold"])  # nothing in its arguments acts
        calm = f"{name}({self.tag()}, {self.atom(here)})"
        form = self.r.choice(
            [
                f"rows[{self.r.choice(['0', '-1'])}].append(await {calm})",
                f"rows[0].extend([{self.atom(here)}, await {calm}])",
                f"rows[{index}].append({self.value(here)})",
                f"rows[{index}][0] = await {self.call(here)}",
                f"rows[{index}][-1] += {self.value(here)}",
                f"rows[{index}] = [*rows[0][:3], await {self.call(here)}]",
                f"rows[0], rows[1] = rows[1][:4], [await {self.call(here)}]",
            ]
        )
        return [f"{here.pad}{form}", f"{here.pad}told({self.tag()}, rows)"]

    def inner(self, here: Here) -> list[str]:
        """A function inside: defaults, free names, names of its own, recursion."""
        self.saw(here, "nested function")
        f, pad, a, b = f"f{self.tag()}", here.pad, self.atom(here), self.atom(here)
        hidden = self.r.choice(here.names)
        body = self.r.choice(
            [
                [f"return q + by + {a}"],
                [f"{hidden} = q * 2", f"return {hidden} + by"],
                [f"return len([{hidden} for {hidden} in range(q % 4)]) + {hidden} + by"],
                [f"return by if q < 1 else {f}(q % 4 - 1, by + 1) + {b}"],
                ["return sum(map(lambda p, q=q: p + q, xs)) + by"],
            ]
        )
        lines = [f"{pad}def {f}(q: int, by: int = {b}) -> int:"]
        lines += [f"{pad}{PAD}{line}" for line in body]
        return [*lines, f"{pad}{self.old(here)} = {f}({self.atom(here)}) % 30"]

    def over(self, here: Here, v: str) -> tuple[str, str, list[str]]:
        """A view or pairs to loop over: the iterable, the target, and the ints among its names."""
        kind = self.r.choice(["items", "values", "enumerate", "zip"])
        if kind == "items":
            return "dict(ds).items()", f"_, {v}", [v]
        if kind == "values":
            return "dict(ds).values()", v, [v]
        if kind == "enumerate":
            return "enumerate(xs[:2], 1)", f"{v}, {v}b", [v, f"{v}b"]
        return f"zip(xs[:2], ({self.atom(here)}, 4))", f"{v}, {v}b", [v, f"{v}b"]
