"""Exceptions as values: class, arguments, notes, attempts and text.

An exception is made again by `cls(*args)`, and that is tried when it is raised, not after a
restart. One that does not come back the same becomes `StepFailed` at once, for everybody. What
raised it (`__cause__`) is kept as a note; tracebacks are not kept.

Lives here: that stored form and the shape of annotations that are exception classes. Never here:
which handler takes an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import msgspec

from ..errors import StepFailed
from .records import Classed
from .refusals import TypeRefused, ValueRefused
from .shapes import Ann, class_of, mistaken, type_name
from .tagged import Tagger, stored_name

_OURS = ("__notes__", "attempts", "effect")
"""Attributes that the engine sets; no constructor has to bring them back."""


class Stored(msgspec.Struct, frozen=True):
    """An exception in JSON; `args` is null when only the text could be kept."""

    type: str
    args: list[Any] | None
    notes: list[str]
    attempts: int | None
    text: str


class TaggedStored(Stored, frozen=True, tag="exception", tag_field="$"):
    """The same beside other classes in a union."""


class Raised(Classed):
    """An annotation that is an exception class, or several; subclasses belong to it."""

    foreign = True

    def __init__(self, classes: Sequence[type[BaseException]], tagger: Tagger) -> None:
        super().__init__(" | ".join(sorted({type_name(cls) for cls in classes})), ["object"])
        self.classes = tuple(classes)
        self.cls = classes[0]
        self.tagger = tagger

    @property
    def tag(self) -> str:
        return "exception"

    def owns(self, cls: type[Any]) -> bool:
        return issubclass(cls, (*self.classes, StepFailed))

    def check(self, values: list[Any]) -> bool:
        return all(self.owns(class_of(value)) for value in values)

    def why(self, value: Any) -> str | None:
        return None if self.owns(class_of(value)) else mistaken(self.text, value)

    @cached_property
    def wire(self) -> Ann:
        return Stored

    @property
    def wire_class(self) -> type[Any]:
        return Stored

    def struct(self, *, tagged: bool) -> Any:
        return TaggedStored if tagged else Stored

    def to_struct(self, value: Any, *, tagged: bool) -> Any:
        stored = store(value, self.tagger)
        return TaggedStored(*msgspec.structs.astuple(stored)) if tagged else stored

    def from_struct(self, mirror: Any) -> Any:
        return rebuild(mirror, self.tagger)

    def forth(self, value: Any) -> Any:
        return store(value, self.tagger)

    def back(self, wired: Any) -> Any:
        return rebuild(wired, self.tagger)


def store(raised: BaseException, tagger: Tagger) -> Stored:
    """What is kept of an exception; whether it can be made again has been tried."""
    attempts = getattr(raised, "attempts", None)
    attempts = attempts if type(attempts) is int else None
    if type(raised) is StepFailed:
        return Stored(raised.type_name, None, _notes(raised), attempts, raised.text)
    name = stored_name(type(raised))
    lost = Stored(name, None, _notes(raised), attempts, _text(raised))
    args = _args(raised, tagger)
    if args is None:
        return lost
    kept = Stored(name, args, lost.notes, attempts, lost.text)
    made = rebuild(kept, tagger)
    return kept if _same(raised, made, tagger) else lost


def rebuild(stored: Stored, tagger: Tagger) -> BaseException:
    """The exception again, or `StepFailed` when its class or an argument's is not to be had."""
    made = _called(stored, tagger)
    if made is None or not _attempted(made, stored.attempts):
        made = StepFailed(stored.type, stored.text)
        _attempted(made, stored.attempts)
    if stored.notes:
        made.__notes__ = list(stored.notes)
    return made


def _attempted(made: BaseException, attempts: int | None) -> bool:
    """Write the attempts on the exception; False when its class does not let us."""
    try:
        if attempts is not None:
            cast("Any", made).attempts = attempts
    except AttributeError:
        return False
    return True


def _called(stored: Stored, tagger: Tagger) -> BaseException | None:
    cls = None if stored.args is None else tagger.find(stored.type)
    if cls is None or not issubclass(cls, BaseException):
        return None
    try:
        return cls(*map(tagger.from_tree, stored.args or ()))
    # The constructor is user code: whatever it raises, this exception cannot be rebuilt.
    except Exception:
        return None


def _args(raised: BaseException, tagger: Tagger) -> list[Any] | None:
    """The constructor's arguments as `__reduce__` tells them (OSError hides its file names)."""
    try:
        reduced: Any = raised.__reduce__()
        given = reduced[1] if reduced[0] is type(raised) else raised.args
        return [tagger.to_tree(arg) for arg in given]
    # Arguments may be anything, and their methods user code.
    except Exception:
        return None


def _same(one: BaseException, two: BaseException, tagger: Tagger) -> bool:
    """Whether the rebuilt exception says and carries what the first one did."""
    if type(one) is not type(two) or _text(one) != _text(two):
        return False
    if _args(one, tagger) != _args(two, tagger):
        return False
    left = {name: value for name, value in vars(one).items() if name not in _OURS}
    right = {name: value for name, value in vars(two).items() if name not in _OURS}
    return left.keys() == right.keys() and all(
        _alike(value, right[name], tagger) for name, value in left.items()
    )


def _alike(one: Any, two: Any, tagger: Tagger) -> bool:
    try:
        return bool(tagger.to_tree(one) == tagger.to_tree(two))
    except (TypeRefused, ValueRefused):
        return one is two


def _notes(raised: BaseException) -> list[str]:
    notes = [_clean(str(note)) for note in getattr(raised, "__notes__", ())]
    cause = raised.__cause__
    if cause is not None:
        notes.append(f"caused by {stored_name(type(cause))}: {_text(cause)}")
    return notes


def _text(raised: BaseException) -> str:
    try:
        return _clean(str(raised))
    # `__str__` is user code, and an exception must never be lost over its text.
    except Exception:
        return "(its text cannot be had)"


def _clean(text: str) -> str:
    """The text with lone surrogates spelled out, so that it has bytes."""
    return text.encode(errors="backslashreplace").decode()
