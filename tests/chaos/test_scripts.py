"""What goes wrong by name: written down, played again at the same boundaries, made short."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from perdure.chaos.choices import Dice, Replay
from perdure.chaos.faults import Boundary, Edge, Kind
from perdure.chaos.scripts import Mishap, Played, Script, Written, shortened
from perdure.chaos.troubles import Chance, Trouble, Woe

Met = tuple[str, Edge, str]
NATURES = {
    "append": "commit",
    "mail": "read",
    "step charge": "call in time",
    "probe charge": "question",
    "a sleep": "moment",
}


def walk(seed: int, count: int = 400) -> list[Met]:
    """The boundaries of some history."""
    dice = random.Random(seed)
    names = [dice.choice(list(NATURES)) for _ in range(count)]
    return [
        (NATURES[name], dice.choice([Edge.BEFORE, Edge.AFTER]), name)
        for name in names
        if NATURES[name] != "moment"
    ]


def gone(chance: Chance, boundaries: Sequence[Met]) -> list[tuple[int, Woe, int]]:
    """What goes wrong on a walk: where, what, and a choice about it."""
    found: list[tuple[int, Woe, int]] = []
    for number, (nature, edge, name) in enumerate(boundaries):
        woe = chance.meet(nature, edge, name)
        if woe is not None:
            found.append((number, woe, chance.one_of(5)))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_down_is_played_again(seed: int) -> None:
    """The same kinds at the same boundaries, with the same choices, however they were drawn."""
    written = Written(Dice(seed), Kind.HANGS, 6)
    first = gone(written, walk(seed))
    assert 0 < len(first) == len(written.mishaps) <= 6
    played = Played(tuple(written.mishaps))
    assert gone(played, walk(seed)) == first
    assert played.mishaps == written.mishaps and played.fired == written.fired


def test_boundaries_are_numbered_by_port_operation_and_edge() -> None:
    """Whichever process is at them, from 1."""
    written = Written(Replay((1, 1)), None, 6)
    for _ in range(2):
        written.meet("read", Edge.AFTER, "mail")
    written.meet("call", Edge.BEFORE, "step charge")
    assert [m.boundary for m in written.mishaps] == [Boundary("store", "mail", 1, Edge.AFTER)]
    ports = {"message": "client", "inside": "world", "moment": "clock", "commit": "store"}
    for nature, port in ports.items():
        assert written.boundary(nature, Edge.BEFORE, "x").port == port


def test_no_more_goes_wrong_than_is_allowed() -> None:
    """The favoured kind is one of them."""
    for count in (1, 2):
        written = Written(Dice(3), Kind.CRASH, count)
        assert len(gone(written, walk(3))) == written.fired.total() == count


def mishap(number: int, kind: Woe = Kind.CRASH, *details: int) -> Mishap:
    """One of them, before a commit."""
    return Mishap(Boundary("store", "append", number, Edge.BEFORE), kind, details)


def test_a_mishap_waits_for_those_before_it_and_must_fit() -> None:
    """A kind that cannot come at what is there now is not met: a file may be of another program."""
    appends: list[Met] = [("commit", Edge.BEFORE, "append")] * 4
    late = Played((mishap(3), mishap(2)))
    assert [n for n, _, _ in gone(late, appends)] == [2]
    assert late.mishaps == [mishap(3)]
    assert gone(Played((mishap(1, Kind.HANGS),)), appends) == []
    assert gone(Played((mishap(2, Trouble.SLOW, 9),)), appends) == [(1, Trouble.SLOW, 4)]
    assert gone(Played((mishap(2, Trouble.SLOW),)), appends) == [(1, Trouble.SLOW, 0)]


def only(needed: Mishap) -> Script:
    """The shortest script that is found for a failure that needs one mishap, out of five."""
    others = [mishap(n, Trouble.SLOW, 3) for n in range(2, 6)]
    tried: list[Script] = []

    def fails(script: Script) -> Script | None:
        tried.append(script)
        return script if any(m.boundary == needed.boundary for m in script.mishaps) else None

    found = shortened(Script((*others[:2], needed, *others[2:]), 3, 10.0), fails, 2.0)
    assert len(tried) < 40 and len(set(tried)) == len(tried)
    return found


def test_a_script_is_made_short_and_plain() -> None:
    """One mishap, a plain death, one worker, the common pace."""
    assert only(mishap(1, Trouble.PAUSED, 4)) == Script((mishap(1),), 1, 2.0)


def test_two_mishaps_that_need_each_other_stay() -> None:
    """With their kinds, where a death is not the same; what can be dull is."""
    both = (mishap(1, Trouble.PAUSED, 4), mishap(2, Trouble.OUSTED))
    script = Script((*both, mishap(3)), 2, 2.0)

    def fails(script: Script) -> Script | None:
        kinds = {m.kind for m in script.mishaps}
        return script if {Trouble.PAUSED, Trouble.OUSTED} <= kinds else None

    dull = (mishap(1, Trouble.PAUSED, 0), both[1])
    assert shortened(script, fails, 2.0) == Script(dull, 1, 2.0)


def test_what_did_not_happen_is_no_part_of_it() -> None:
    """Where less comes about than is written, and it fails still."""

    def fails(script: Script) -> Script | None:
        if mishap(2) not in script.mishaps:
            return None
        return replace(script, mishaps=tuple(m for m in script.mishaps if m != mishap(3)))

    script = Script((mishap(1), mishap(2), mishap(3)), 2, 2.0)
    assert shortened(script, fails, 2.0).mishaps == (mishap(2),)


def test_making_it_short_ends() -> None:
    """After so many histories, with what was found until then."""
    script = Script(tuple(mishap(n) for n in range(9)), 3, 10.0)
    tried: list[Script] = []

    def fails(script: Script) -> Script | None:
        tried.append(script)
        return None

    assert shortened(script, fails, 2.0, runs_max=7) == script
    assert len(tried) == 7


def test_a_script_is_told_in_a_line() -> None:
    """For those who read only that."""
    assert str(Script((), 1, 2.0)) == "nothing goes wrong"
    told = str(Script((mishap(1), mishap(2, Trouble.SLOW)), 2, 2.0))
    assert told == "2 workers: crash before store.append 1, then store slow before store.append 2"
