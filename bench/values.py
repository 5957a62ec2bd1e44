"""Microseconds per value: encode with proof, decode, seal. Run: python bench/values.py"""

import dataclasses
import timeit
from decimal import Decimal
from typing import Any

from perdure.model.values import codec


@dataclasses.dataclass(frozen=True)
class Small:
    """A small result."""

    id: str
    amount: Decimal
    ok: bool


@dataclasses.dataclass(frozen=True)
class Other:
    """Beside it in a union."""

    error: str


@dataclasses.dataclass
class Message:
    """One of many."""

    role: str
    text: str


CASES: list[tuple[str, Any, Any]] = [
    ("int", int, 12345),
    ("str", str, "hello there"),
    ("bool", bool, True),
    ("small dataclass", Small, Small("a", Decimal("1.00"), True)),
    ("union of classes", Small | Other, Other("no")),
    ("list[int] of 100", list[int], list(range(100))),
    ("40 messages", list[Message], [Message("user", "hello there " * 3) for _ in range(40)]),
    ("ValueError", ValueError, ValueError("x", 1)),
]


def micros(work: Any, number: int = 20000) -> float:
    """Best of three, per call."""
    return min(timeit.repeat(work, number=number, repeat=3)) / number * 1e6


def main() -> None:
    """Print the table."""
    print(f"{'':20}{'encode':>9}{'decode':>9}{'seal':>9}  µs")
    for name, annotation, value in CASES:
        found = codec(annotation)
        raw = found.encode(value)
        number = 2000 if len(raw) > 200 or annotation is ValueError else 20000
        times = [
            micros(lambda c=found, v=value: c.encode(v), number),
            micros(lambda c=found, r=raw: c.decode(r), number),
            micros(lambda c=found, v=value: c.seal(v), number),
        ]
        print(f"{name:20}" + "".join(f"{time:9.2f}" for time in times))


if __name__ == "__main__":
    main()
