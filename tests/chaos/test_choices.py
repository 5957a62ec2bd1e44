"""Choices: written down, replayed, and made short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.chaos.choices import Dice, Drawn, Replay, Shrinker, Tape, trimmed

numbers = st.lists(st.integers(0, 9), max_size=12)


@given(numbers)
def test_a_list_goes_on_with_zeros(choices: list[int]) -> None:
    """What was cut off its end is dull: the same is chosen with the zeros and without."""
    whole, cut = Replay(choices), Replay(trimmed(choices))
    assert [whole.choose(10) for _ in range(15)] == [cut.choose(10) for _ in range(15)]


def test_the_same_seed_chooses_the_same() -> None:
    """And another one something else; all of what may be chosen is."""
    one, same, other = Dice(1), Dice(1), Dice(2)
    drawn = [one.choose(6) for _ in range(200)]
    assert drawn == [same.choose(6) for _ in range(200)]
    assert drawn != [other.choose(6) for _ in range(200)]
    assert set(drawn) == set(range(6))


def test_what_was_chosen_replays_itself() -> None:
    """Where there is nothing to choose, nothing is written down: so replay stays in step."""
    bounds = (7, 1, 3, 1, 9, 2)
    tape = Tape(Dice("x"))
    first = [tape.choose(below) for below in bounds]
    again = Tape(Replay(tape.choices))
    assert [again.choose(below) for below in bounds] == first
    assert len(tape.taken) == 4 and again.choices == tape.choices


def test_a_choice_too_large_is_cut_down() -> None:
    """After others were cut out before it, a number may be beyond its new bound."""
    assert Replay([8]).choose(3) == 2


def test_somebody_else_may_draw() -> None:
    """Hypothesis, say: it is told the bound."""
    assert Drawn(lambda below: below - 1).choose(5) == 4


def shrunk(choices: list[int], fails: object) -> tuple[int, ...]:
    """The shortest that fails, where a history asks for all of its choices."""
    assert callable(fails)
    return Shrinker(lambda c: c if fails(c) else None).shrink(choices)


def test_what_matters_is_left_and_small() -> None:
    """It fails while a 5 or more comes before a 3: found among twenty others."""

    def fails(choices: tuple[int, ...]) -> bool:
        return any(n >= 5 and 3 in choices[i + 1 :] for i, n in enumerate(choices))

    assert shrunk([1, 9, 0, 4, 8, 2, 2, 7, 3, 1, 1, 3, 9, 9, 0, 4, 6, 2, 8, 1], fails) == (5, 3)


def test_what_fails_without_any_trouble_is_the_empty_list() -> None:
    """It is tried first, so that it costs one history."""
    runs: list[tuple[int, ...]] = []

    def fails(choices: tuple[int, ...]) -> tuple[int, ...]:
        runs.append(choices)
        return choices

    assert Shrinker(fails).shrink([4, 4, 4]) == ()
    assert runs == [()]


def test_what_was_not_asked_for_goes_at_once() -> None:
    """The history says which choices it used: the rest needs no trying."""
    runs: list[tuple[int, ...]] = []

    def fails(choices: tuple[int, ...]) -> tuple[int, ...] | None:
        runs.append(choices)
        return choices[:1] if choices[:1] == (2,) else None

    assert Shrinker(fails).shrink([2, *range(1, 40)]) == (2,)
    assert len(runs) < 12


@pytest.mark.parametrize("runs_max", [0, 1, 5])
def test_it_costs_no_more_than_it_may(runs_max: int) -> None:
    """The best so far is given, at worst what was given."""
    runs: list[tuple[int, ...]] = []

    def fails(choices: tuple[int, ...]) -> tuple[int, ...] | None:
        runs.append(choices)
        return choices if sum(choices) > 20 else None

    best = Shrinker(fails, runs_max).shrink([9, 9, 9, 9])
    assert len(runs) <= runs_max and sum(best) > 20
