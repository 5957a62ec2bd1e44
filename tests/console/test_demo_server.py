"""The demo's shop server, as a real process: it never deduplicates, and a closed key stays closed.

The judge of its ledger has its tests in test_demo_ledger.py.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from perdure.console.demo.holds import POINTS, Point
from perdure.console.demo.shop import CardDeclined, KeyClosed, Shop

SERVER = [sys.executable, "-m", "perdure.console.demo.server"]
LONG_SECONDS = 20.0
PRICE = Decimal("19.90")

# A worker that sends one charge and then only waits for its answer, until it is killed.
WORKER = """
import sys
from decimal import Decimal
from perdure.console.demo.shop import Shop
Shop(int(sys.argv[1])).charge("o1", "k1", "visa", Decimal("5"))
"""


@contextmanager
def running(ledger: Path, *options: str) -> Generator[tuple[Shop, "subprocess.Popen[str]"]]:
    """Run a server on a port of its own, and kill it as hard as the machine can."""
    command = [*SERVER, "--ledger", str(ledger), "--port", "0", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Shop(json.loads(process.stdout.readline())["port"]), process
        finally:
            process.kill()


@pytest.fixture
def shop(tmp_path: Path) -> Generator[Shop]:
    """A server with an empty ledger."""
    with running(tmp_path / "shop.db") as (shop, _):
        yield shop


def post(shop: Shop, path: str, body: bytes) -> tuple[int, dict[str, object]]:
    """Send raw bytes, as no client of ours would."""
    with closing(http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)) as connection:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def charge(shop: Shop, order: str = "o1", key: str = "k1", card: str = "visa") -> str:
    """Charge the usual price."""
    return shop.charge(order, key, card, PRICE)


def charge_ids(shop: Shop) -> list[str]:
    """Return the ids of all charges that landed."""
    return [row.id for row in shop.ledger().charges]


def test_every_request_is_another_charge(shop: Shop) -> None:
    """The server never deduplicates: same order, same key, another charge."""
    assert len({charge(shop) for _ in range(3)}) == 3
    rows = shop.ledger().charges
    assert [(row.order, row.key, row.card, row.amount) for row in rows] == [
        ("o1", "k1", "visa", "19.90")
    ] * 3
    assert all(row.at for row in rows)


def test_a_closed_key_answers_whether_it_was_charged_and_is_refused_for_ever(shop: Shop) -> None:
    """Close says what landed before it; afterwards nothing lands, however often one asks."""
    first = charge(shop)
    assert shop.close("k1") == first
    assert shop.close("never-used") is None
    for key in ("k1", "never-used"):
        with pytest.raises(KeyClosed) as refused:
            charge(shop, key=key)
        assert refused.value.key == key
    assert shop.close("k1") == first
    assert shop.close("never-used") is None
    assert charge_ids(shop) == [first]
    assert [row.reason for row in shop.ledger().refusals] == ["closed", "closed"]


def test_close_against_charge_never_says_not_charged_before_a_later_row(shop: Shop) -> None:
    """Racing closes and charges: the answer of every close is what the ledger says in the end."""
    keys = [f"race-{number}" for number in range(40)]
    start = Barrier(8)

    def charged(key: str) -> str | None:
        start.wait()
        try:
            return charge(shop, key=key)
        except KeyClosed:
            return None

    def closed(key: str) -> str | None:
        start.wait()
        return shop.close(key)

    with ThreadPoolExecutor(8) as threads:
        outcomes: set[bool] = set()
        for key in keys:
            charging = [threads.submit(charged, key) for _ in range(4)]
            closing = [threads.submit(closed, key) for _ in range(4)]
            told = {future.result() for future in closing}
            landed = {row.id for row in shop.ledger().charges if row.key == key}
            assert {future.result() for future in charging} - {None} == landed
            assert len(told) == 1
            answer = told.pop()
            assert (answer in landed) if landed else (answer is None)
            outcomes.add(bool(landed))
    # The race was real only if somebody charged; that closing can win is shown with a hold below.
    assert True in outcomes


def test_a_declined_card_is_refused_before_charging(shop: Shop) -> None:
    """A declined card leaves a refusal and no charge."""
    with pytest.raises(CardDeclined) as declined:
        charge(shop, card="declined-4000")
    assert declined.value.order == "o1"
    assert charge_ids(shop) == []
    assert [(row.kind, row.reason) for row in shop.ledger().refusals] == [("charge", "declined")]


@pytest.mark.parametrize("point", POINTS)
def test_a_charge_is_written_between_during_and_after(shop: Shop, point: Point) -> None:
    """A held charge stands at exactly the named point, and goes on when released."""
    shop.steer("charge", "o1", hold=point)
    with ThreadPoolExecutor(1) as threads:
        charging = threads.submit(charge, shop)
        held = shop.wait_held("charge", "o1", LONG_SECONDS)
        assert held is not None
        assert (held.order, held.key, held.at) == ("o1", "k1", point)
        assert len(charge_ids(shop)) == (1 if point == "after" else 0)
        assert shop.ledger().in_progress == 1
        assert not shop.wait_quiet(0)
        assert shop.let_go("charge", "o1") == 1
        assert [charging.result()] == charge_ids(shop)
    assert shop.wait_quiet(LONG_SECONDS)
    assert shop.let_go("charge", "o1") == 0


def test_a_charge_in_progress_is_refused_when_its_key_closes_first(shop: Shop) -> None:
    """Close answers "not charged" while a charge is under way: then that charge never lands."""
    shop.steer("charge", hold="during")
    with ThreadPoolExecutor(1) as threads:
        charging = threads.submit(charge, shop)
        assert shop.wait_held("charge", None, LONG_SECONDS)
        assert shop.close("k1") is None
        assert shop.let_go("charge") == 1
        assert isinstance(charging.exception(), KeyClosed)
    assert charge_ids(shop) == []


def test_a_rule_is_for_its_order_and_its_number_of_requests_only(shop: Shop) -> None:
    """Other orders and later requests pass a rule by."""
    shop.steer("charge", "o1", drop=True, times=2)
    charge(shop, order="o2")
    for _ in range(2):
        with pytest.raises(http.client.RemoteDisconnected):
            charge(shop)
    charge(shop)
    assert [row.order for row in shop.ledger().charges] == ["o2", "o1", "o1", "o1"]


def test_a_dropped_answer_leaves_the_charge(shop: Shop) -> None:
    """The server charged and closed the connection: the client is in doubt, the charge stands."""
    shop.steer("charge", "o1", drop=True)
    with pytest.raises(http.client.RemoteDisconnected):
        charge(shop)
    assert shop.close("k1") == charge_ids(shop)[0]


@pytest.mark.parametrize("point", POINTS)
def test_the_charge_of_a_killed_client_lands(shop: Shop, point: Point) -> None:
    """SIGKILL while the server is charging: nobody hears of the charge, and it stands."""
    shop.steer("charge", "o1", hold=point)
    with subprocess.Popen([sys.executable, "-c", WORKER, str(shop.port)]) as worker:
        assert shop.wait_held("charge", "o1", LONG_SECONDS)
        worker.kill()
    assert worker.returncode == -signal.SIGKILL
    assert shop.wait_quiet(LONG_SECONDS)
    assert len(charge_ids(shop)) == 1


def test_a_charge_can_land_long_after_its_client_died(shop: Shop) -> None:
    """With `outlive` the attempt of a dead worker waits for the release: "not found" is no proof.

    Unless the key was closed in between: then the late attempt is refused.
    """
    for key in ("k1", "k2"):
        shop.steer("charge", "o1", hold="during", outlive=True)
        worker = WORKER.replace("k1", key)
        with subprocess.Popen([sys.executable, "-c", worker, str(shop.port)]) as process:
            assert shop.wait_held("charge", "o1", LONG_SECONDS)
            process.kill()
        assert not shop.wait_quiet(0.05)
        assert not any(row.key == key for row in shop.ledger().charges)
        if key == "k2":
            assert shop.close(key) is None
        assert shop.let_go("charge", "o1") == 1
        assert shop.wait_quiet(LONG_SECONDS)
    assert [row.key for row in shop.ledger().charges] == ["k1"]


def test_a_client_that_gives_up_is_in_doubt_and_its_charge_lands(shop: Shop) -> None:
    """A timeout of the client is no refusal."""
    shop.steer("charge", "o1", hold="during", outlive=True)
    with pytest.raises(TimeoutError):
        charge(Shop(shop.port, timeout_seconds=0.1))
    assert shop.wait_held("charge", "o1", LONG_SECONDS)
    shop.let_go("charge", "o1")
    assert shop.wait_quiet(LONG_SECONDS)
    assert len(charge_ids(shop)) == 1


def test_a_slow_server_is_slow_before_and_after_writing(tmp_path: Path) -> None:
    """With --slow-ms the charge is seen unwritten in progress, then written in progress."""
    with running(tmp_path / "shop.db", "--slow-ms", "300") as (shop, _):
        with ThreadPoolExecutor(1) as threads:
            charging = threads.submit(charge, shop)
            seen: set[tuple[int, int]] = set()
            while not charging.done():
                ledger = shop.ledger()
                seen.add((ledger.in_progress, len(ledger.charges)))
            charging.result()
        assert {(1, 0), (1, 1)} <= seen


Booking = tuple[
    Callable[[Shop, str], str],
    Callable[[Shop, str, str | None], None],
    Callable[[Shop], list[bool]],
]

BOOKINGS: dict[str, Booking] = {
    "stock": (
        lambda shop, key: shop.reserve("o1", key, "sku"),
        lambda shop, key, it: shop.release("o1", key, it),
        lambda shop: [row.released for row in shop.ledger().reservations],
    ),
    "courier": (
        lambda shop, key: shop.book_courier("o1", key, "here"),
        lambda shop, key, it: shop.cancel_courier("o1", key, it),
        lambda shop: [row.cancelled for row in shop.ledger().couriers],
    ),
}


@pytest.mark.parametrize("kind", BOOKINGS)
def test_undoing_twice_is_undoing_once(shop: Shop, kind: str) -> None:
    """Undo with the id, with the key alone, and again: undone, and other bookings stand."""
    book, undo, undone = BOOKINGS[kind]
    first = book(shop, "k1")
    book(shop, "k2")
    book(shop, "k3")
    undo(shop, "k1", first)
    undo(shop, "k1", None)
    undo(shop, "k2", None)
    undo(shop, "k2", None)
    assert undone(shop) == [True, True, False]


@pytest.mark.parametrize("kind", BOOKINGS)
def test_undoing_an_unknown_key_refuses_the_late_booking(shop: Shop, kind: str) -> None:
    """Undo on nothing leaves a tombstone: the paused first attempt does not land afterwards."""
    book, undo, undone = BOOKINGS[kind]
    undo(shop, "late", None)
    with pytest.raises(KeyClosed):
        book(shop, "late")
    assert undone(shop) == []
    book(shop, "new")
    charge(shop, key="late")


def test_an_email_key_sends_once(shop: Shop) -> None:
    """Mail is the idempotent receiver: a repeated key is counted and sends nothing."""
    for key in ("k1", "k1", "k2"):
        shop.email_receipt("o1", key, "charge-1")
    assert [row.request_count for row in shop.ledger().emails] == [2, 1]


def test_the_ledger_outlives_a_killed_server(tmp_path: Path) -> None:
    """What was answered is durable: rows and closed keys are there after SIGKILL and restart."""
    with running(tmp_path / "shop.db") as (shop, process):
        first = charge(shop)
        reservation = shop.reserve("o1", "k1", "sku")
        shop.close("k1")
        shop.release("o1", "k1", reservation)
        shop.book_courier("o1", "k1", "here")
        shop.email_receipt("o1", "k1", first)
        before = shop.ledger()
        process.kill()
    with running(tmp_path / "shop.db") as (shop, _):
        assert shop.ledger() == before
        with pytest.raises(KeyClosed):
            charge(shop)
        assert charge(shop, key="k2") != first


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    """With --end-with-stdin a server whose parent died does not stay behind."""
    with running(tmp_path / "shop.db", "--end-with-stdin") as (_, process):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LONG_SECONDS) == 0


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/charge", b"{", "body"),
        ("/charge", b"[" * 60_000, "body"),
        ("/charge", b"[]", "body"),
        ("/charge", b'{"order":"o","key":"k","card":"c"}', "amount"),
        ("/charge", b'{"order":"o","key":"k","card":"c","amount":"-1"}', "amount"),
        ("/charge", b'{"order":"o","key":"k","card":"c","amount":"NaN"}', "amount"),
        ("/charge", b'{"order":"o","key":"k","card":"c","amount":5}', "amount"),
        ("/charge", b'{"order":"","key":"k","card":"c","amount":"5"}', "order"),
        ("/charge", b'{"order":"\\ud800","key":"k","card":"c","amount":"5"}', "order"),
        ("/charge", b'{"order":"o","key":"k","card":"c","amount":"5","x":"y"}', "x"),
        ("/charge", b" " * 100_000, "Content-Length"),
        ("/close", b"{}", "key"),
        ("/release", b'{"order":"o"}', "key or reservation"),
        ("/control", b'{"verb":"charge","hold":"soon"}', "hold"),
        ("/control", b'{"verb":"pay"}', "verb"),
        ("/control", b'{"verb":"charge","times":0}', "times"),
        ("/control", b'{"verb":"charge","drop":"yes"}', "drop"),
    ],
)
def test_bad_input_is_told_where_and_why_and_does_nothing(
    shop: Shop, path: str, body: bytes, where: str
) -> None:
    """A request that is none gets 400 with where, why and fix; the ledger stays empty."""
    status, answer = post(shop, path, body)
    assert (status, answer["error"], answer["where"]) == (400, "bad-input", where)
    assert answer["why"] and answer["fix"]
    ledger = shop.ledger()
    assert not (ledger.charges or ledger.reservations or ledger.closed or ledger.in_progress)


def test_unknown_paths_and_reservations_are_404(shop: Shop) -> None:
    """What is not there is said not to be there, and closes nothing."""
    assert post(shop, "/refund", b"{}")[0] == 404
    status, answer = post(shop, "/release", b'{"key":"k1","reservation":"reservation-7"}')
    assert (status, answer["error"]) == (404, "unknown")
    assert shop.ledger().closed == ()


@pytest.mark.parametrize("name", ["missing/shop.db", "not-sqlite.db"])
def test_an_unusable_ledger_is_a_clear_error(tmp_path: Path, name: str) -> None:
    """The server refuses a file it can not use with one line and exit code 2."""
    (tmp_path / "not-sqlite.db").write_bytes(os.urandom(4096))
    ended = subprocess.run(
        [*SERVER, "--ledger", str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert name in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
