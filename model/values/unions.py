"""Shapes of unions: values of several types whose stored form says which it was.

Lives here: when members can be told apart (else PD202), and the tags of several classes. Never
here: what the members mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import combinations
from typing import Any

from .records import Classed
from .refusals import TypeRefused
from .scalars import OneOf, Scalar
from .shapes import UNION, Ann, Inside, Shape, class_of, mistaken

_FIX = "Give each alternative a class of its own (a dataclass), all under different names."


class OneFrom(Shape):
    """One of several shapes; several classes are told apart by the tag `$`."""

    frozen = True

    def __init__(self, members: list[Shape]) -> None:
        members = _merged(members)
        texts = sorted((m.text for m in members), key=lambda text: (text == "None", text))
        super().__init__(" | ".join(texts), frozenset[str]().union(*(m.kinds for m in members)))
        self.members = members
        classed = [m for m in members if isinstance(m, Classed)]
        self.tagged = classed if len(classed) > 1 else []
        self.foreign = bool(self.tagged)
        self._owner: dict[type[Any], Shape | None] = {}
        self._refuse_ambiguous()

    def _refuse_ambiguous(self) -> None:
        for one, two in combinations(self.members, 2):
            if isinstance(one, Classed) and isinstance(two, Classed):
                if one.tag == two.tag:
                    why = f"two classes are called {one.tag}"
                    raise TypeRefused("PD202", self.text, why, "Rename one of them.")
                continue
            shared = self._kinds(one) & self._kinds(two)
            if shared:
                raise TypeRefused(
                    "PD202",
                    self.text,
                    f"stored values of {one.text} and {two.text} cannot be told apart "
                    f"(both are JSON {min(shared)})",
                    _FIX,
                )

    def _kinds(self, member: Shape) -> frozenset[str]:
        return frozenset(["object"]) if member in self.tagged else member.kinds

    def parts(self) -> Iterable[Shape]:
        return self.members

    def owns(self, cls: type[Any]) -> bool:
        return self.owner(cls) is not None

    def owner(self, cls: type[Any]) -> Shape | None:
        """The member to which values of exactly this class belong."""
        if cls not in self._owner:
            found = (member for member in self.members if member.owns(cls))
            self._owner[cls] = next(found, None)
        return self._owner[cls]

    def check(self, values: list[Any]) -> bool:
        columns: dict[int, tuple[Shape, list[Any]]] = {}
        for value in values:
            member = self.owner(class_of(value))
            if member is None:
                return False
            columns.setdefault(id(member), (member, []))[1].append(value)
        return all(member.check(column) for member, column in columns.values())

    def fits(self, value: Any) -> bool:
        member = self.owner(class_of(value))
        return member is not None and member.fits(value)

    def _loose(self, value: Any) -> Shape | None:
        """The owner; an int goes to `float` when no member takes ints."""
        member = self.owner(class_of(value))
        if member is None and type(value) is int:
            return self.owner(float)
        return member

    def why(self, value: Any) -> str | None:
        return mistaken(self.text, value) if self._loose(value) is None else None

    def inside(self, value: Any) -> Inside:
        member = self._loose(value)
        if member is not None:
            yield "", member, value

    @cached_property
    def wire(self) -> Ann:
        wires = [
            m.struct(tagged=True) if isinstance(m, Classed) and self.tagged else m.wire
            for m in self.members
        ]
        return UNION[tuple(wires)]

    @property
    def wire_class(self) -> type[Any]:
        return object

    @cached_property
    def _readers(self) -> dict[type[Any], Any]:
        readers: dict[type[Any], Any] = {}
        for member in self.members:
            if isinstance(member, Classed) and self.tagged:
                readers[member.struct(tagged=True)] = member.from_struct
            elif isinstance(member, OneOf):
                readers.update(dict.fromkeys(member.classes, member.back))
            else:
                readers[member.wire_class] = member.back
        return readers

    def forth(self, value: Any) -> Any:
        if self.native:
            return value
        member = self._loose(value)
        assert member is not None, "checked before"
        if isinstance(member, Classed) and self.tagged:
            return member.to_struct(value, tagged=True)
        return member.forth(value)

    def back(self, wired: Any) -> Any:
        return wired if self.native else self._readers[type(wired)](wired)


def _merged(members: list[Shape]) -> list[Shape]:
    """Each member once; literals joined, and dropped where their whole class is a member."""
    # By class, too: two classes can have one qualified name (defined in a function).
    once = {
        (member.text, frozenset(getattr(part, "cls", None) for part in member.reach)): member
        for member in members
        if not isinstance(member, OneOf)
    }
    classes = {member.cls for member in once.values() if isinstance(member, Scalar)}
    literals = [value for m in members if isinstance(m, OneOf) for value in m.allowed]
    left = [value for cls, value in literals if cls not in classes]
    return [*once.values(), *([OneOf(left)] if left else [])]
