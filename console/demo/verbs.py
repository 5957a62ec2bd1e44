"""What the shop server takes: its verbs, the fields of each, and the errors for anything else.

Tables and checks of plain JSON values; no sockets, no records, no waiting.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import cast

from .books import COURIER, RESERVATION, Books, Fields
from .holds import POINTS, Point, Rule

TEXT_LENGTH_MAX = 500
TIMEOUT_MS_MAX = 120_000


class BadInput(Exception):
    """The request is not one of ours; nothing was done. The message says where, why and the fix."""

    def __init__(self, where: str, why: str, fix: str) -> None:
        """Carry the three parts that the client is told."""
        super().__init__(f"{where}: {why}; {fix}")
        self.where = where
        self.why = why
        self.fix = fix


@dataclass(frozen=True)
class Verb:
    """One thing the shop does: the fields it needs, those it may have, and the act itself."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    act: Callable[[Books, Fields], dict[str, object]]
    one_of: tuple[str, ...] = ()


VERBS = (
    Verb("charge", ("order", "key", "card", "amount"), (), Books.charge),
    Verb("close", ("key",), ("order",), Books.close),
    Verb(
        "reserve",
        ("order", "key", "sku"),
        (),
        lambda books, fields: books.book(RESERVATION, "sku", fields),
    ),
    Verb(
        "release",
        (),
        ("order", "key", RESERVATION),
        lambda books, fields: books.unbook(RESERVATION, fields),
        one_of=("key", RESERVATION),
    ),
    Verb(
        "courier/book",
        ("order", "key", "address"),
        (),
        lambda books, fields: books.book(COURIER, "address", fields),
    ),
    Verb(
        "courier/cancel",
        (),
        ("order", "key", COURIER),
        lambda books, fields: books.unbook(COURIER, fields),
        one_of=("key", COURIER),
    ),
    Verb("email", ("order", "key", "charge"), (), Books.email),
)

VERB_BY_PATH = {f"/{verb.name}": verb for verb in VERBS}


def parse_object(body: bytes) -> dict[str, object]:
    """Return the JSON object that the body must be."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("body", f"not JSON ({error})", "send one JSON object") from error
    if not isinstance(value, dict):
        raise BadInput("body", f"a JSON {type(value).__name__}", "send one JSON object")
    return cast("dict[str, object]", value)


def check_fields(verb: Verb, body: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of the verb, all of them texts that are not empty; null means absent."""
    given = {name: value for name, value in body.items() if value is not None}
    _refuse_strangers(given, verb.required + verb.optional)
    for name in verb.required:
        if name not in given:
            raise BadInput(name, f"/{verb.name} needs it", f"send {', '.join(verb.required)}")
    if verb.one_of and not any(name in given for name in verb.one_of):
        names = " or ".join(verb.one_of)
        raise BadInput(names, f"/{verb.name} needs one of them", f"send {names}")
    fields = {name: _text(name, value) for name, value in given.items()}
    if "amount" in fields:
        _check_amount(fields["amount"])
    return fields


def check_rule(body: Mapping[str, object]) -> Rule:
    """Return the control rule in the body."""
    _refuse_strangers(body, ("verb", "order", "hold", "drop", "outlive", "slow_ms", "times"))
    slow_ms = body.get("slow_ms")
    return Rule(
        verb=check_verb_name(body.get("verb")),
        order=check_order(body.get("order")),
        hold=_point(body.get("hold")),
        drop=_truth("drop", body.get("drop", False)),
        outlive=_truth("outlive", body.get("outlive", False)),
        slow_ms=None if slow_ms is None else _whole("slow_ms", slow_ms, 0, TIMEOUT_MS_MAX),
        times=_whole("times", body.get("times", 1), 1, 1_000_000),
    )


def _point(value: object) -> Point | None:
    for point in POINTS:
        if point == value:
            return point
    if value is None:
        return None
    raise BadInput("hold", f"{value!r} is no point", f"send one of {', '.join(POINTS)}")


def check_verb_name(value: object) -> str:
    """Return the name of a verb that the shop knows."""
    names = [verb.name for verb in VERBS]
    if value not in names:
        raise BadInput("verb", f"{value!r} is no verb", f"send one of {', '.join(names)}")
    return str(value)


def check_order(value: object) -> str | None:
    """Return the order's name; None stands for every order."""
    return None if value is None else _text("order", value)


def check_timeout_seconds(value: str | None) -> float:
    """Return how long a long poll may wait; half a minute when it does not say."""
    if value is not None and not (value.isdecimal() and len(value) < 10):
        raise BadInput("timeout_ms", f"{value!r} is no whole number", "send milliseconds")
    return _whole("timeout_ms", int(value or 30_000), 0, TIMEOUT_MS_MAX) / 1000


def _refuse_strangers(given: Mapping[str, object], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise BadInput(name, "an unknown field", f"known are {', '.join(known)}")


def _text(name: str, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= TEXT_LENGTH_MAX and value.isprintable():
        return value
    fix = f"send 1 to {TEXT_LENGTH_MAX} printable characters"
    raise BadInput(name, "not a text, empty, too long or not printable", fix)


def _check_amount(text: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        fix = 'send a positive decimal number as a text, like "19.90"'
        raise BadInput("amount", f"{text!r} is no amount", fix)


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadInput(name, f"{value!r} is no truth value", "send true or false")
    return value


def _whole(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadInput(name, f"{value!r} is out of range", f"send a whole number {low} to {high}")
    return value
