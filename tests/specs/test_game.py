"""The oracle's token game on nets small enough to be checked by eye."""

from __future__ import annotations

from typing import Any

import pytest
from perdure.specs.game import Entry, Game, Lawless, Net, popped


def place(name: str, kind: str = "waiting", *frame: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "frame": list(frame)}


def transition(name: str, take: str, put: str, **more: Any) -> dict[str, Any]:
    """Places are given as words."""
    told: dict[str, Any] = {
        "kind": "step",
        "read": [],
        "exit": -1,
        "binds": "",
        "site": "",
        "stack_op": None,
    }
    told |= {"stack": "", "outer_stack": ""}
    return {**told, "name": name, "take": take.split(), "put": put.split(), **more}


def game(places: list[dict[str, Any]], transitions: list[dict[str, Any]]) -> Game:
    """The token lies in `start` with x = 1, put by record 0 at time 0."""
    net = {"places": [place("start", "start", "x"), *places], "transitions": transitions}
    return Game(Net({**net, "sites": [], "initial": "start"}), {"x": 1}, 0)


def test_a_token_carries_what_its_place_keeps_and_what_the_record_brings() -> None:
    """Variables travel by the frames of the places; a result is bound; a delta comes last."""
    play = game(
        [place("end", "done", "x", "y", "z")],
        [transition("t", "start", "end", binds="y")],
    )
    play.fire(0, 1, 50, {"r": "result", "d": {"z": "glue"}})
    token = play.marking["end"]
    assert token.frame == {"x": 1, "y": "result", "z": "glue"}
    assert (token.past, token.at, play.end) == (0b11, 50, "done")


def test_glue_that_changed_the_result_has_the_last_word() -> None:
    """The delta of a record holds over the result that the same record brings."""
    play = game([place("end", "done", "y")], [transition("t", "start", "end", binds="y")])
    play.fire(0, 1, 50, {"r": [1], "d": {"y": [1, 2]}})
    assert play.marking["end"].frame == {"y": [1, 2]}


def test_a_choice_goes_the_way_that_is_recorded() -> None:
    """Of two exits of a vanishing place the record names one."""

    def choosing(body: dict[str, Any]) -> Game:
        play = game(
            [place("choice", "vanishing"), place("left"), place("right")],
            [
                transition("t", "start", "choice"),
                transition("l", "choice", "left", kind="exit", exit=0),
                transition("r", "choice", "right", kind="exit", exit=1),
            ],
        )
        play.fire(0, 1, 0, body)
        return play

    assert set(choosing({"p": [1]}).marking) == {"right"}
    for wrong in ({}, {"p": [2]}, {"p": [0, 0]}):
        with pytest.raises(Lawless):
            choosing(wrong)


BRANCHES = [
    transition("fork", "start", "scope a b"),
    transition("go a", "a", "a2"),
    transition("go b", "b", "b2", read=["a2"]),
    transition("join", "scope a2 b2", "end"),
]


def test_branches_know_nothing_of_each_other_until_they_join() -> None:
    """The causal past of a branch holds what it came from, not what lies beside it in the log."""
    places = [place(name) for name in ("a", "b", "a2", "b2", "end")]
    play = game([*places, place("scope", "in")], BRANCHES)
    play.fire(0, 1, 0, {})
    play.fire(1, 2, 0, {})
    play.fire(2, 3, 0, {})
    assert play.marking["a2"].past == 0b0111
    assert play.marking["b2"].past == 0b1011
    play.fire(3, 4, 0, {})
    assert play.marking["end"].past == 0b11111


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (1, "takes a token"),
        (2, "takes a token"),
        (9, "no transition"),
        (-1, "no transition"),
    ],
)
def test_what_is_not_enabled_is_lawless(number: int, says: str) -> None:
    """No token where one is taken, or no such transition."""
    play = game([place(name) for name in ("a", "b", "a2", "b2", "end", "scope")], BRANCHES)
    with pytest.raises(Lawless, match=says):
        play.fire(number, 1, 0, {})


def test_a_read_needs_its_token_and_a_place_holds_one() -> None:
    """A read arc without a token, and a second token in a safe place, are lawless."""
    play = game([place(name) for name in ("a", "b", "a2", "b2", "end", "scope")], BRANCHES)
    play.fire(0, 1, 0, {})
    with pytest.raises(Lawless, match="reads"):
        play.fire(2, 2, 0, {})
    play = game([], [transition("twice", "start", "start start")])
    with pytest.raises(Lawless, match="second token"):
        play.fire(0, 1, 0, {})


def test_a_stack_forgets_on_success_and_hands_over_outwards() -> None:
    """What an inner saga did goes to the outer one; what the outermost did is forgotten."""
    play = game(
        [],
        [
            transition("open", "start", "start", stack_op="open", stack="in"),
            transition(
                "do", "start", "start", kind="intent", site="s", stack_op="push", stack="in"
            ),
            transition(
                "leave", "start", "start", stack_op="hand over", stack="in", outer_stack="o"
            ),
            transition("end", "start", "start", stack_op="forget", stack="o"),
        ],
    )
    for number, key in ((0, ""), (1, "k1"), (1, "k2"), (2, "")):
        play.fire(number, len(play.stacks) + 1, 0, {"k": key} if key else {})
    assert [entry.key for entry in play.stacks["o"]] == ["k1", "k2"]
    assert play.stacks["in"] == []
    play.fire(3, 9, 0, {})
    assert play.forgotten == {"k1", "k2"}


def test_parallel_effects_may_be_undone_in_either_order() -> None:
    """Causal order is meaning, the order of parallel branches in the log is accident (rule 45)."""
    first, beside = Entry("first", 1, 0b1), Entry("beside", 2, 0b1)
    assert popped([first, beside], "first") == [beside]
    assert popped([first, beside], "beside") == [first]


def test_what_rests_on_an_effect_is_undone_before_it() -> None:
    """The later effect has the earlier one's intent in its causal past."""
    first, behind = Entry("first", 1, 0b1), Entry("behind", 3, 0b1011)
    assert popped([first, behind], "behind") == [first]
    with pytest.raises(Lawless, match="before"):
        popped([first, behind], "first")


def test_only_what_was_done_can_be_undone() -> None:
    """A key that is not on the stack, or no longer."""
    with pytest.raises(Lawless, match="not among"):
        popped([Entry("first", 1, 0b1)], "other")
