"""`perdure chaos` and `perdure replay` on a small program, as its author types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from perdure.console.cli.main import main

BOOKING = '''
"""Trips that are paid."""

from perdure import effect_key, idempotent, workflow


class Bank:
    """The real one is a network away."""

    def pay(self, trip: str, key: str) -> str:
        raise OSError("no network in a test")


bank = Bank()


@idempotent
async def pay(trip: str) -> str:
    print("paying")
    return bank.pay(trip, KEY)


@workflow
async def book(trip: str) -> str:
    return await pay(trip)
'''
FAKES = '''
"""The bank of a test."""

import booking


def fakes(world):
    """One bank for each history."""

    class Fake(booking.Bank):
        paid = set()

        def pay(self, trip, key):
            if not key or key not in self.paid:
                world.happened("pay", trip)
            self.paid.add(key)
            return f"paid for {trip}"

    booking.bank = Fake()
'''
ROME = ["--input", '{"trip": "Rome"}']


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own, loaded anew by each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    # Files of one size, written in one second, are one file to Python's cache of bytecode.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write("")
    (tmp_path / "doubles.py").write_text(FAKES)
    yield tmp_path
    forget()


def write(key: str) -> None:
    """The program, with what it hands to the bank as key."""
    Path("booking.py").write_text(BOOKING.replace("KEY", key or '""'))
    forget()


def forget() -> None:
    """Let the next verb load the program again, as a new process does."""
    for name in ("booking", "doubles"):
        sys.modules.pop(name, None)


def verb(*words: str, code: int = 0) -> Result:
    """Run a verb to that exit code, without a trace."""
    forget()
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == code, done.output + repr(done.exception)
    assert "Traceback" not in done.output
    return done


def test_a_double_effect_is_told_saved_replayed_and_gone_when_it_is_mended() -> None:
    """The whole way: found, story, file, replay, test, fix, found no more."""
    found = verb("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", code=1)
    assert "book: pay Rome happened 2 times; without the fault it is 1" in found.stdout
    assert "worker 1 dies after pay has landed, before its outcome is durable" in found.stdout
    assert 'booking.py:20  return bank.pay(trip, "")' in found.stdout
    assert "perdure replay book_twice_pay.replay.json" in found.stdout
    file = "book_twice_pay.replay.json"
    again = verb("replay", file, code=1)
    assert "tokens: before pay, running" in again.stdout
    assert again.stdout.rstrip().endswith("pay Rome happened 2 times; without the fault it is 1")
    write("effect_key()")
    mended = verb("replay", file)
    assert "it does no harm any more" in mended.stdout
    held = verb("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py")
    assert "nothing twice, nothing lost, nothing left" in held.stdout


def test_a_saved_failure_becomes_a_test_by_one_command(folder: Path) -> None:
    """It imports workflow and fakes by their modules, and needs no file of ours."""
    verb("chaos", "booking.py", *ROME, "--fakes", "doubles:fakes", code=1)
    text = verb("replay", "booking_twice_pay.replay.json", "--pytest").stdout
    assert "from booking import book\nfrom doubles import fakes\n" in text
    space: dict[str, object] = {}
    exec(compile(text, "test_it.py", "exec"), space)
    test = space["test_booking_twice_pay"]
    assert callable(test)
    with pytest.raises(AssertionError, match="pay Rome happened 2 times"):
        test()


def test_the_answer_for_programs_is_one_document() -> None:
    """What the user prints is not in it; counts, the fault and the file are."""
    words = ("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", "--format", "json")
    done = verb(*words, "--out", "found", code=1)
    document = json.loads(done.stdout)
    assert document["verdict"] == "violated"
    assert document["histories"] == sum(document["ends"].values()) > 50
    (failure,) = document["failures"]
    assert (failure["rule"], failure["step"]) == ("twice", "pay")
    assert failure["faults"] == ["crash after world.step pay 1"]
    again = json.loads(verb("replay", failure["file"], "--format", "json", code=1).stdout)
    assert again["verdict"] == "violated" and again["same_net"]
    assert Path(failure["file"]).parent == Path("found")
    lines = [each["line"] for each in again["happenings"]]
    assert 20 in lines
    write("effect_key()")
    assert json.loads(verb(*words).stdout)["failures"] == []


RANDOM = ("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", "--histories")


def test_random_histories_are_drawn_by_a_seed() -> None:
    """So many; the same seed draws the same; what came is counted, what could come is named."""
    write("effect_key()")
    one = json.loads(verb(*RANDOM, "7", "--seed", "3", "--format", "json").stdout)
    assert (one["histories"], one["seed"], one["verdict"]) == (7, 3, "holds")
    assert sum(one["ends"].values()) == 7 and one["points"] > 7
    assert one["fired"]["crash"] > 0 and "hangs past its timeout" not in one["fired"]
    assert json.loads(verb(*RANDOM, "7", "--seed", "3", "--format", "json").stdout) == one
    few = json.loads(verb(*RANDOM, "7", "--crashes", "1", "--format", "json").stdout)
    assert 0 < sum(few["fired"].values()) <= 7
    shown = verb(*RANDOM, "7", "--seed", "3").stdout
    assert "book: 7 random histories" in shown and "seed 3" in shown
    assert all(f"{count} {kind}" in shown for kind, count in one["fired"].items())


def test_a_failure_of_a_random_history_goes_the_same_way() -> None:
    """Told with its lines, saved as it was made short, replayed, a test; gone when it is mended."""
    found = verb(*RANDOM, "30", code=1)
    assert "book: pay Rome happened 2 times; without the fault it is 1" in found.stdout
    assert "worker 1 dies after pay has landed, before its outcome is durable" in found.stdout
    assert 'booking.py:20  return bank.pay(trip, "")' in found.stdout
    file = "book_twice_pay.replay.json"
    assert f"perdure replay {file}" in found.stdout
    saved = json.loads(Path(file).read_text())
    assert (saved["workers"], len(saved["faults"])) == (1, 1)
    again = verb("replay", file, code=1)
    assert "tokens: before pay, running" in again.stdout
    assert again.stdout.rstrip().endswith("pay Rome happened 2 times; without the fault it is 1")
    test = verb("replay", file, "--pytest").stdout
    space: dict[str, Any] = {}
    exec(compile(test, "test_it.py", "exec"), space)
    with pytest.raises(AssertionError, match="pay Rome happened 2 times"):
        space["test_book_twice_pay"]()
    write("effect_key()")
    assert "it does no harm any more" in verb("replay", file).stdout
    space = {}
    exec(compile(test, "test_it.py", "exec"), space)
    space["test_book_twice_pay"]()
    saved["faults"][0]["operation"] = "step paid"
    Path(file).write_text(json.dumps(saved))
    assert "its faults are not met any more" in verb("replay", file, code=3).stdout


def test_what_never_came_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3, with the kinds, in a campaign that is large enough."""
    monkeypatch.setattr("perdure.chaos.trial.FAIRLY_MANY", 3)
    write("effect_key()")
    told = json.loads(verb(*RANDOM, "3", "--format", "json", code=3).stdout)
    assert told["verdict"] == "inconclusive" and told["never"]
    shown = verb(*RANDOM, "3", code=3).stdout
    assert f"never came, though it could: {'; '.join(told['never'])}" in shown
    assert "\n  fix  more histories" in shown


def test_every_pair_is_played_and_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many runs it will be is said before they are made; all of them are counted."""
    monkeypatch.setattr("perdure.chaos.trial.BOUNDARIES_MAX", 2)
    monkeypatch.setattr("perdure.console.cli.chaos.BOUNDARIES_MAX", 2)
    write("effect_key()")
    words = ("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", "--exhaustive")
    done = verb(*words, "--format", "json")
    by_faults = json.loads(done.stdout)["by_faults"]
    first, second = (line for line in done.stderr.splitlines() if "histories" in line)
    singles, pairs = by_faults["1"], by_faults["2"]
    assert first.startswith(f"book: {singles} histories with one fault, then about ")
    assert second.startswith(f"book: {pairs} histories with two faults, about ")
    assert singles > 30 and pairs >= 4 and by_faults["0"] == 1
    shown = verb(*words).stdout
    assert f"{1 + singles + pairs} histories (1 without a fault, {singles} with one" in shown


def test_the_fakes_of_the_target_itself_are_used() -> None:
    """`def fakes(world)` beside the workflow needs no option."""
    text = FAKES.replace("import booking\n", "").replace("booking.", "")
    text = text.replace("    bank =", "    global bank\n    bank =")
    Path("booking.py").write_text(BOOKING.replace("KEY", '""') + text)
    found = verb("chaos", "booking.py:book", *ROME, code=1)
    assert "pay Rome happened 2 times" in found.stdout
    test = verb("replay", "book_twice_pay.replay.json", "--pytest").stdout
    assert "from booking import book, fakes" in test


def test_bodies_run_only_where_somebody_said_so() -> None:
    """Neither fakes nor --bodies: refused; with --bodies they run, and no further than they may."""
    said = verb("chaos", "booking.py:book", *ROME, code=2).stderr
    assert "PD502 pay is @idempotent" in said and "--bodies" in said
    Path("booking.py").write_text(BOOKING.replace("bank.pay(trip, KEY)", "trip.upper()"))
    assert "nothing twice" in verb("chaos", "booking.py:book", *ROME, "--bodies").stdout
    reach = "__import__('socket').create_connection((trip, 80))"
    Path("booking.py").write_text(BOOKING.replace("bank.pay(trip, KEY)", reach))
    said = verb("chaos", "booking.py:book", *ROME, "--bodies", code=2).stderr
    assert "PD501 pay looks up a host" in said and "booking.py:17" in said


def test_a_fault_that_is_not_met_any_more_is_inconclusive() -> None:
    """The step has another name now: exit 3, neither mended nor there."""
    verb("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", code=1)
    text = Path("booking.py").read_text().replace("await pay(", "await buy(")
    Path("booking.py").write_text(text.replace("async def pay(", "async def buy("))
    done = verb("replay", "book_twice_pay.replay.json", code=3)
    assert "its faults are not met any more" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fakes", "nothing.py"], "there is no file nothing.py"),
        (["--fakes", "doubles.py:other"], "has no function 'other'"),
        (["--fakes", "booking.py"], "has no function 'fakes'"),
        (["--histories", "0"], "0 is not in the range"),
        (["--histories", "9", "--crashes", "7"], "7 is not in the range"),
        (["--crashes", "2"], "of no effect without --histories"),
        (["--exhaustive", "--histories", "9"], "--histories draws at random"),
        (["--kills", "9"], "of no effect without --kill"),
        (["--kill"], "no target"),
        (["--fakes", "doubles.py", "--out", "booking.py/x"], "cannot write"),
    ],
)
def test_words_of_a_trial_that_cannot_be_used(words: list[str], says: str) -> None:
    """Exit 2, what is wrong, and the fix."""
    said = verb("chaos", "booking.py:book", *ROME, *words, code=2).stderr
    assert says in said and "\n  fix  " in said


def test_a_replay_whose_input_fits_no_more_is_refused() -> None:
    """PD506: the parameter has another name now."""
    verb("chaos", "booking.py:book", *ROME, "--fakes", "doubles.py", code=1)
    text = Path("booking.py").read_text()
    head, _, tail = text.partition("async def book(trip: str)")
    body = tail.replace("pay(trip)", "pay(city)")
    Path("booking.py").write_text(head + "async def book(city: str)" + body)
    said = verb("replay", "book_twice_pay.replay.json", code=2).stderr
    assert "PD506 the saved input is none of book any more" in said
