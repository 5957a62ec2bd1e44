"""The story of a failure, and the file that it is saved in: whole, and in the user's lines."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest
from perdure.chaos.errors import TrialRefused
from perdure.chaos.fakes import Place
from perdure.chaos.faults import Boundary, Edge, Fault, Kind
from perdure.chaos.judging import Finding
from perdure.chaos.saved import SavedFault, as_test, read, saved, write
from perdure.chaos.telling import Happening, moment, shown, story, struck, tell
from perdure.chaos.trial import Subject

from . import theirs

CRASH = Fault(Boundary("world", "step charge", 1, Edge.AFTER), Kind.CRASH)
FINDING = Finding("twice", "charge", "charge o-1 happened 2 times", "it is not", "use the key")


def line_of(text: str) -> int:
    """The number of a line of theirs.py."""
    lines = Path(theirs.__file__).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


@cache
def happenings() -> list[Happening]:
    """The story of the double charge."""
    return tell(Subject.of(theirs.buy("o-1"), theirs.fakes), (CRASH,))


def outside() -> list[Happening]:
    """Without the records."""
    return [each for each in happenings() if not each.says.startswith("durable:")]


def test_a_story_has_everything_in_its_order_with_the_users_lines() -> None:
    """Called, done, dead, gone on, called again with the same key, done again."""
    called, body = line_of("receipt = await charge(order)"), line_of("return service.bank.charge(o")
    asleep = line_of("await sleep(days(30))")
    told = [(each.says, each.where.line) for each in outside()]
    assert told == [
        ("worker 1 starts buy", line_of("async def buy(") - 1),
        ("the workflow begins", line_of("async def buy(")),
        ("charge('o-1') is called", called),
        ("in the world: charge o-1", body),
        ("worker 1 dies after charge has landed, before its outcome is durable", called),
        ("worker 2 opens the same database and goes on", 0),
        ("charge('o-1') is called again, with the same effect_key()", called),
        ("in the world: charge o-1", body),
        ("the time has come", asleep),
    ]


def test_a_story_says_where_the_tokens_rest() -> None:
    """After each happening, in the names of the net."""
    by_word = {each.says: each.marking for each in happenings()}
    assert by_word["the workflow begins"] == ("before charge", "running")
    assert by_word["durable: the end, done"] == ("done",)
    assert happenings()[-1].seconds > 30 * 86_400


def test_a_story_is_short_and_ends_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong first; then the lines as they stand in the file; then why and what to do."""
    monkeypatch.chdir(Path(theirs.__file__).parent)
    told = story(Subject.of(theirs.buy("o-1"), theirs.fakes), FINDING, happenings()).splitlines()
    assert told[0] == "buy: charge o-1 happened 2 times"
    where = f"theirs.py:{line_of('receipt = await charge(order)')}"
    assert any(line.strip() == f"{where}  receipt = await charge(order)" for line in told)
    assert told[-3:] == [
        "  why  charge: it is not",
        f"  at   theirs.py:{line_of('async def charge(order') - 1}",
        "  fix  use the key",
    ]
    assert len(told) < 35


def test_a_death_within_a_body_is_told_with_its_line() -> None:
    """The line that was not reached any more."""
    inside = Boundary("world", "inside step look_then_charge", 2, Edge.BEFORE)
    subject = Subject.of(theirs.buy_looking("o-1"), theirs.fakes)
    told = tell(subject, (Fault(inside, Kind.CRASH),))
    death = next(each for each in told if "dies" in each.says)
    assert death.says == "worker 1 dies in the middle of look_then_charge, before this line"
    assert death.where.line == line_of("service.seen.add(order)")


@pytest.mark.parametrize("kind", Kind)
def test_every_fault_has_words(kind: Kind) -> None:
    """At each port; none is told by its name in our code."""
    for port, operation in (("world", "step x"), ("world", "undo x"), ("store", "append"),
                            ("store", "register"), ("clock", "sleep")):  # fmt: skip
        for edge in Edge:
            said = struck(1, Boundary(port, operation, 1, edge), kind)
            assert said and "{" not in said and "Kind" not in said


def test_moments_and_places_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, then days; a path from the working directory, or whole when it lies elsewhere."""
    assert (moment(0.025), moment(30 * 86_400.0)) == ("0.03 s", "30d 0:00:00")
    monkeypatch.chdir(tmp_path)
    assert shown(Place(str(tmp_path / "a" / "b.py"), 7)) == "a/b.py:7"
    assert shown(Place("/elsewhere/b.py", 7)) == "/elsewhere/b.py:7"
    assert shown(Place("", 0)) == ""


# --- the file -------------------------------------------------------------------------------------


def test_what_is_saved_is_read_back_whole(tmp_path: Path) -> None:
    """Under a name that says what it is; the fault is the same fault."""
    one = saved("shop.py:buy", "", {"order": "o-1"}, "d", (CRASH,), FINDING, happenings())
    path = write(one, tmp_path / "new")
    assert path.name == "buy_twice_charge.replay.json"
    assert read(path) == one
    assert [fault.fault() for fault in one.faults] == [CRASH]
    assert [s.says for s in one.story] == [h.says for h in happenings()]
    assert json.loads(path.read_text())["story"][0]["line"] == happenings()[0].where.line


@pytest.mark.parametrize("kind", Kind)
def test_every_fault_can_be_saved(kind: Kind) -> None:
    """By names that this version reads again."""
    fault = Fault(CRASH.boundary, kind)
    assert SavedFault.of(fault).fault() == fault


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """PD506, with the path."""
    path = tmp_path / "x.replay.json"
    path.write_text(text)
    with pytest.raises(TrialRefused, match=r"x\.replay\.json: PD506"):
        read(path)


def test_a_missing_file_and_another_version_are_refused(tmp_path: Path) -> None:
    """And a fault that this version does not know."""
    with pytest.raises(TrialRefused, match="No such file"):
        read(tmp_path / "no.json")
    one = saved("shop.py:buy", "", {}, "d", (CRASH,), FINDING, ())
    strange = msgspec.structs.replace(one.faults[0], kind="bored")
    for other, says in (
        (msgspec.structs.replace(one, format="perdure replay 9"), "another version"),
        (msgspec.structs.replace(one, faults=(strange,)), "bored"),
    ):
        with pytest.raises(TrialRefused, match=says):
            read(write(other, tmp_path))


@pytest.mark.parametrize(
    ("fakes", "imports"),
    [
        (("", "fakes"), ["from shop import buy, fakes"]),
        (("", ""), ["from shop import buy"]),
        (("doubles", "world"), ["from doubles import world", "from shop import buy"]),
    ],
)
def test_a_failure_becomes_a_test(fakes: tuple[str, str], imports: list[str]) -> None:
    """With what it needs imported, in order, and nothing of this machine in it."""
    one = saved("a/shop.py:buy", "", {"order": 'o"1'}, "d", (CRASH,), FINDING, ())
    text = as_test(one, "shop", "buy", fakes)
    lines = text.splitlines()
    ours = "from perdure.chaos.testing import replayed"
    assert [line for line in lines if line.startswith("from ")] == [ours, *imports]
    assert "def test_buy_twice_charge() -> None:" in lines
    assert f"        fakes={fakes[1] or None}," in lines
    compile(text, "test_it.py", "exec")
