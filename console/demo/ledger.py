"""Judge what the outside world saw: twice, lost, left over; counted per order, never per key.

Here live the rows of the shop server's ledger as values, and one pure judgement of them. Never
here: Perdure's own log (the caller says what became of each order), reading, printing.

The rule, for each order the caller names:

- done: one charge, one reservation and one courier that stand, one email.
- failed: no charge, no email; every reservation released, every courier cancelled.
- desk: a person was asked, for a stated reason: at most one of each, whatever stands.
- unfinished: nobody finished it and nobody was asked: it is lost, whatever stands.

More than one charge of an order is *twice*, however the keys look and whatever became of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

End = Literal["done", "failed", "desk", "unfinished"]
"""What the caller says became of an order."""

Fault = Literal["twice", "lost", "left-over"]
"""What may never happen to an order."""


@dataclass(frozen=True)
class ChargeRow:
    """One charge request that landed."""

    id: str
    order: str
    key: str
    card: str
    amount: str
    at: str


@dataclass(frozen=True)
class ReservationRow:
    """One reservation that landed, and whether it was released since."""

    id: str
    order: str
    key: str
    sku: str
    at: str
    released: bool


@dataclass(frozen=True)
class CourierRow:
    """One courier booking that landed, and whether it was cancelled since; its id tracks it."""

    id: str
    order: str
    key: str
    address: str
    at: str
    cancelled: bool


@dataclass(frozen=True)
class EmailRow:
    """One email, sent once however many requests with its key arrived."""

    id: str
    order: str
    key: str
    charge: str
    at: str
    request_count: int


@dataclass(frozen=True)
class ClosedRow:
    """One key that is refused for ever; kind is charge, reservation or courier."""

    kind: str
    key: str
    at: str


@dataclass(frozen=True)
class RefusalRow:
    """One request that was refused: declined or closed."""

    kind: str
    order: str
    key: str
    reason: str
    at: str


@dataclass(frozen=True)
class Ledger:
    """All rows of the server as of one moment, and how many requests were then in progress."""

    charges: tuple[ChargeRow, ...]
    reservations: tuple[ReservationRow, ...]
    couriers: tuple[CourierRow, ...]
    emails: tuple[EmailRow, ...]
    closed: tuple[ClosedRow, ...]
    refusals: tuple[RefusalRow, ...]
    in_progress: int


@dataclass(frozen=True)
class OrderEnd:
    """What the caller says of one order; a desk entry needs its reason."""

    order: str
    end: End
    reason: str = ""


@dataclass(frozen=True)
class Problem:
    """One broken promise, in words for the person who reads the table."""

    fault: Fault
    what: str


@dataclass(frozen=True)
class Verdict:
    """One order before the judge: what the server has of it, and what is wrong with that."""

    order: str
    end: End | None
    reason: str
    charge_count: int
    released_count: int
    cancelled_count: int
    standing_count: int
    email_count: int
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether every promise was kept for this order."""
        return not self.problems

    @property
    def undone(self) -> bool:
        """Whether something had been booked for this order and nothing of it stands any more."""
        return self.released_count + self.cancelled_count > 0 and not self.standing_count


@dataclass(frozen=True)
class Totals:
    """How many orders met each fault; an order may meet several."""

    twice: int
    lost: int
    left_over: int

    @property
    def good(self) -> bool:
        """Whether nothing was twice, lost or left over."""
        return self == Totals(0, 0, 0)


class LedgerNotQuiet(Exception):
    """The ledger was read while requests were in progress: what still lands was not judged."""

    code = "ledger-not-quiet"

    def __init__(self, in_progress: int) -> None:
        """Carry the number of requests in progress."""
        super().__init__(in_progress)
        self.in_progress = in_progress

    def __str__(self) -> str:
        """Say what to do."""
        return f"{self.in_progress} requests are in progress; wait until the server is quiet"


def judge(ledger: Ledger, orders: Sequence[OrderEnd]) -> list[Verdict]:
    """Return one verdict per named order in the given order, then those nobody named.

    Raises `LedgerNotQuiet` when a request may still land, `ValueError` when an order is named
    twice or stands on the desk without a reason: the caller's mistakes, not verdicts.
    """
    if ledger.in_progress:
        raise LedgerNotQuiet(ledger.in_progress)
    names = [order.order for order in orders]
    if len(set(names)) < len(names):
        raise ValueError("an order is named twice")
    for order in orders:
        if order.end == "desk" and not order.reason.strip():
            raise ValueError(f"order {order.order} is on the desk without a reason")
    strangers = sorted(_orders_seen(ledger) - set(names))
    return [
        *(_verdict(ledger, order.order, order.end, order.reason) for order in orders),
        *(_verdict(ledger, name, None, "nobody ordered this") for name in strangers),
    ]


def totals(verdicts: Iterable[Verdict]) -> Totals:
    """Count the orders that met each fault."""
    faults = [{problem.fault for problem in verdict.problems} for verdict in verdicts]
    return Totals(
        twice=sum("twice" in met for met in faults),
        lost=sum("lost" in met for met in faults),
        left_over=sum("left-over" in met for met in faults),
    )


# How many of each thing may be there when an order has ended so: at least, at most.
ALLOWED: dict[End | None, dict[str, tuple[int, int]]] = {
    "done": {"charge": (1, 1), "reservation": (1, 1), "courier": (1, 1), "email": (1, 1)},
    "failed": {"charge": (0, 0), "reservation": (0, 0), "courier": (0, 0), "email": (0, 0)},
    "desk": {"charge": (0, 1), "reservation": (0, 1), "courier": (0, 1), "email": (0, 1)},
    "unfinished": {"charge": (0, 1), "reservation": (0, 1), "courier": (0, 1), "email": (0, 1)},
    None: {"charge": (0, 0), "reservation": (0, 0), "courier": (0, 0), "email": (0, 0)},
}

# Money and mail can not be taken back: more of them than one is done twice, not left over.
IRREVERSIBLE = ("charge", "email")


def _verdict(ledger: Ledger, order: str, end: End | None, reason: str) -> Verdict:
    reservations = [row for row in ledger.reservations if row.order == order]
    couriers = [row for row in ledger.couriers if row.order == order]
    released_count = sum(row.released for row in reservations)
    cancelled_count = sum(row.cancelled for row in couriers)
    standing = {
        "charge": sum(row.order == order for row in ledger.charges),
        "reservation": len(reservations) - released_count,
        "courier": len(couriers) - cancelled_count,
        "email": sum(row.order == order for row in ledger.emails),
    }
    problems = [
        problem
        for thing, count in standing.items()
        for problem in _problems(thing, count, *ALLOWED[end][thing])
    ]
    if end == "unfinished":
        problems.append(Problem("lost", "the order was neither finished nor put on the desk"))
    return Verdict(
        order=order,
        end=end,
        reason=reason,
        charge_count=standing["charge"],
        released_count=released_count,
        cancelled_count=cancelled_count,
        standing_count=standing["reservation"] + standing["courier"],
        email_count=standing["email"],
        problems=tuple(problems),
    )


def _problems(thing: str, count: int, least: int, most: int) -> Iterable[Problem]:
    """Yield what is wrong with that many of a thing; two charges that may not be are both."""
    if count < least:
        yield Problem("lost", f"no {thing}")
    if count > 1 and thing in IRREVERSIBLE:
        yield Problem("twice", f"{count} times {thing}")
    if count > most and (most == 0 or thing not in IRREVERSIBLE):
        yield Problem("left-over", f"{count} {thing} where at most {most} may stand")


def _orders_seen(ledger: Ledger) -> set[str]:
    rows = (*ledger.charges, *ledger.reservations, *ledger.couriers, *ledger.emails)
    return {row.order for row in rows}
