"""The judge of the shop's ledger: twice, lost and left over are found per order."""

from dataclasses import replace

import pytest
from perdure.console.demo.ledger import (
    ChargeRow,
    CourierRow,
    EmailRow,
    End,
    Fault,
    Ledger,
    LedgerNotQuiet,
    OrderEnd,
    ReservationRow,
    Totals,
    judge,
    totals,
)


def history(
    *,
    charges: int = 0,
    reserved: int = 0,
    released: int = 0,
    booked: int = 0,
    cancelled: int = 0,
    emails: int = 0,
    order: str = "o1",
) -> Ledger:
    """Build a ledger of one order; every row has a key of its own."""

    def key(number: int) -> str:
        return f"key-{number}"

    return Ledger(
        charges=tuple(ChargeRow(f"c{n}", order, key(n), "visa", "5", "t") for n in range(charges)),
        reservations=tuple(
            ReservationRow(f"r{n}", order, key(n), "sku", "t", n < released)
            for n in range(reserved)
        ),
        couriers=tuple(
            CourierRow(f"t{n}", order, key(n), "here", "t", n < cancelled) for n in range(booked)
        ),
        emails=tuple(EmailRow(f"m{n}", order, key(n), "c0", "t", 1) for n in range(emails)),
        closed=(),
        refusals=(),
        in_progress=0,
    )


GOOD = history(charges=1, reserved=1, booked=1, emails=1)


def faults(ledger: Ledger, end: End, reason: str = "") -> set[Fault]:
    """Judge a ledger of order o1 alone."""
    (verdict,) = judge(ledger, [OrderEnd("o1", end, reason)])
    assert verdict.good is not bool(verdict.problems)
    return {problem.fault for problem in verdict.problems}


def test_a_done_order_with_one_of_each_is_good() -> None:
    """Exactly one charge, reservation, courier and email; undone earlier attempts do not count."""
    assert faults(GOOD, "done") == set()
    retried = history(charges=1, reserved=2, released=1, booked=3, cancelled=2, emails=1)
    assert faults(retried, "done") == set()


@pytest.mark.parametrize(
    ("ledger", "fault"),
    [
        (history(charges=0, reserved=1, booked=1, emails=1), "lost"),
        (history(charges=1, reserved=0, booked=1, emails=1), "lost"),
        (history(charges=1, reserved=1, released=1, booked=1, emails=1), "lost"),
        (history(charges=1, reserved=1, booked=1, cancelled=1, emails=1), "lost"),
        (history(charges=1, reserved=1, booked=1, emails=0), "lost"),
        (history(charges=2, reserved=1, booked=1, emails=1), "twice"),
        (history(charges=1, reserved=1, booked=1, emails=2), "twice"),
        (history(charges=1, reserved=2, booked=1, emails=1), "left-over"),
        (history(charges=1, reserved=1, booked=2, emails=1), "left-over"),
    ],
)
def test_a_done_order_with_more_or_less_is_found(ledger: Ledger, fault: Fault) -> None:
    """One thing too many or too few, and only that fault is named."""
    assert faults(ledger, "done") == {fault}


def test_a_failed_order_is_good_only_when_nothing_stands() -> None:
    """None of it, or everything undone: both are good, and `undone` tells them apart."""
    nothing, undone = history(), history(reserved=2, released=2, booked=1, cancelled=1)
    assert faults(nothing, "failed") == faults(undone, "failed") == set()
    assert not judge(nothing, [OrderEnd("o1", "failed")])[0].undone
    assert judge(undone, [OrderEnd("o1", "failed")])[0].undone


@pytest.mark.parametrize(
    ("ledger", "found"),
    [
        (history(charges=1), {"left-over"}),
        (history(charges=2), {"left-over", "twice"}),
        (history(reserved=2, released=1), {"left-over"}),
        (history(booked=1), {"left-over"}),
        (history(emails=1), {"left-over"}),
    ],
)
def test_what_stands_of_a_failed_order_is_left_over(ledger: Ledger, found: set[Fault]) -> None:
    """A failed order that keeps money, stock, a courier or mail is not undone."""
    assert faults(ledger, "failed") == found
    assert not (judge(ledger, [OrderEnd("o1", "failed")])[0].undone)


def test_an_order_on_the_desk_is_explained_but_never_charged_twice() -> None:
    """Whatever stands once is explained by the reason; two charges are two charges."""
    for ledger in (history(), history(reserved=1, booked=1), GOOD):
        assert faults(ledger, "desk", "the bank does not say") == set()
    assert faults(history(charges=2), "desk", "the bank does not say") == {"twice"}
    assert faults(history(reserved=2), "desk", "the bank does not say") == {"left-over"}


def test_an_unfinished_order_is_lost() -> None:
    """Even a complete outside does not help: nobody was told."""
    assert faults(history(), "unfinished") == {"lost"}
    assert faults(GOOD, "unfinished") == {"lost"}


def test_charges_are_counted_per_order_and_never_per_key() -> None:
    """The same key for two orders is no double charge; two keys for one order are."""
    first, second = history(charges=1), history(charges=1, order="o2")
    both = replace(first, charges=first.charges + second.charges)
    verdicts = judge(both, [OrderEnd("o1", "desk", "why"), OrderEnd("o2", "desk", "why")])
    assert [verdict.charge_count for verdict in verdicts] == [1, 1]
    assert totals(verdicts).good
    assert len({row.key for row in history(charges=2).charges}) == 2
    assert "twice" in faults(history(charges=2), "done")


def test_rows_of_an_order_nobody_ordered_are_left_over() -> None:
    """An order that the caller does not name is judged too, at the end."""
    verdicts = judge(history(charges=1, order="ghost"), [OrderEnd("o1", "failed")])
    assert [(verdict.order, verdict.end) for verdict in verdicts] == [
        ("o1", "failed"),
        ("ghost", None),
    ]
    assert totals(verdicts) == Totals(twice=0, lost=0, left_over=1)


def test_totals_count_orders() -> None:
    """An order that met a fault several times counts once, and in each fault it met."""
    verdicts = judge(history(charges=3), [OrderEnd("o1", "done"), OrderEnd("o2", "done")])
    assert totals(verdicts) == Totals(twice=1, lost=2, left_over=0)
    assert not totals(verdicts).good
    assert totals(judge(GOOD, [OrderEnd("o1", "done")])).good


def test_a_ledger_with_requests_in_progress_is_not_judged() -> None:
    """What may still land would be judged absent."""
    with pytest.raises(LedgerNotQuiet) as refused:
        judge(replace(GOOD, in_progress=2), [OrderEnd("o1", "done")])
    assert refused.value.in_progress == 2


@pytest.mark.parametrize(
    "orders",
    [
        [OrderEnd("o1", "done"), OrderEnd("o1", "failed")],
        [OrderEnd("o1", "desk", " ")],
    ],
)
def test_the_caller_must_be_clear(orders: list[OrderEnd]) -> None:
    """An order named twice, or on the desk for no reason, is the caller's mistake."""
    with pytest.raises(ValueError, match=r"named twice|without a reason"):
        judge(GOOD, orders)
