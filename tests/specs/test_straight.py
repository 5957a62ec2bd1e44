"""The actions written out as functions do what their terms say, in every state that was tried."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from perdure.chaos.campaign import campaign
from perdure.specs.protocol.guards import GUARDS
from perdure.specs.protocol.plain import Patch, Plain, Play
from perdure.specs.protocol.runs import refute, unreached
from perdure.specs.protocol.straight import TABLES, Entries, Writer, straight, text_of
from perdure.specs.protocol.terms import Logic, Step
from perdure.specs.protocol.whole import ACTIONS

from ..crash.flows import FLOWS

STATES = 150
THINGS: dict[str, list[Any]] = {
    "E": ["e1", "e2"], "S": ["s1", "s2"], "T": ["r1", "r2", "r3"], "F": ["f1", "f2"],
    "G": ["g1", "g2"], "D": ["d1"], "X": ["x1", "x2"], "I": [0, 1, 2, 3, 12, 17],
    "B": [False, True],
}  # fmt: skip


def entries_of(play: Play) -> dict[str, Entries]:
    """All that was ever written, copied."""
    return {name: dict(entries) for name, entries in play.entries.items()}


def disagreement(play: Play, name: str, things: tuple[Any, ...]) -> str:
    """Where the function of an action differs from its terms, here and now; "" where it does not.

    The terms are evaluated one by one, and what they change is put into a copy; so is what the
    function changes, into another one.
    """
    step = play.step(name, *things)
    unmet = next((n for n, need in enumerate(step.needs) if not need.term), None)
    meant, done = entries_of(play), entries_of(play)
    if unmet is None:
        for table, patch in step.changes.items():
            assert isinstance(patch, Patch)
            meant[table].update(patch.entries)
    said = straight(name, play.words.off, done, play.logic.things)(*things)
    if said != unmet:
        return f"{name}{things}: need {said} is not met, and by the terms {unmet}"
    wrong = [table for table in TABLES if meant[table] != done[table]]
    return f"{name}{things}: {wrong}" if wrong else ""


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[tuple[str, bool]]]:
    """Every step that is taken or asked about is compared; how often, by action and outcome."""
    counts = Counter[tuple[str, bool]]()
    wrong: list[str] = []
    take, unmet = Play.take, Play.unmet

    def look(play: Play, name: str, things: tuple[Any, ...]) -> None:
        found = disagreement(play, name, things)
        wrong.extend([found] if found else [])
        counts[name, not unmet(play, name, *things)] += 1

    def taking(play: Play, name: str, *things: Any) -> None:
        look(play, name, things)
        take(play, name, *things)

    def asking(play: Play, name: str, *things: Any) -> list[Any]:
        look(play, name, things)
        return unmet(play, name, *things)

    monkeypatch.setattr(Play, "take", taking)
    monkeypatch.setattr(Play, "unmet", asking)
    yield counts
    assert wrong == []


def test_they_agree_on_every_step_of_random_histories(
    compared: Counter[tuple[str, bool]],
) -> None:
    """What the judge of durable points takes, as it takes it."""
    report = campaign(list(FLOWS.values()), histories=60, seed="straight")
    assert report.wrong == []
    assert compared.total() > 3000
    assert len({name for name, met in compared if met}) > 20


def test_they_agree_on_every_run_with_each_guard_and_without_it(
    compared: Counter[tuple[str, bool]],
) -> None:
    """The runs that reach every action, and those that show that each guard is needed."""
    assert unreached() == []
    for name in GUARDS:
        refute(name)
    assert {name for name, met in compared if met} == ACTIONS.keys()
    assert len({name for name, met in compared if not met}) > 20


@pytest.mark.parametrize("off", [frozenset[str](), *({name} for name in GUARDS)], ids=str)
def test_they_agree_in_states_that_no_run_reaches(off: frozenset[str]) -> None:
    """Tables full of anything: each action is refused for the same need, or changes the same."""
    dice = random.Random(str(sorted(off)))
    outcomes = Counter[bool]()
    for _ in range(STATES if not off else STATES // 10):
        play = Play(off)
        for letter, things in THINGS.items():
            if letter in play.logic.things:
                play.logic.things[letter] += things
        for name, table in TABLES.items():
            for key in product(*[THINGS[letter] for letter in table.domain]):
                if dice.random() < 0.8:
                    play.set(name, key, dice.choice(THINGS[table.range]))
        for name, action in ACTIONS.items():
            things = tuple(dice.choice(THINGS[letter]) for letter in action.sorts)
            assert disagreement(play, name, things) == ""
            outcomes[not play.unmet(name, *things)] += 1
    assert outcomes[True] > 20 and outcomes[False] > 20


def test_a_refused_step_changes_nothing() -> None:
    """The needs stand before the changes, in each of them."""
    for name in ACTIONS:
        lines = [line.strip() for line in text_of(name).splitlines()]
        last_need = max((n for n, line in enumerate(lines) if line.startswith("if not")), default=0)
        first_change = min(
            n for n, line in enumerate(lines) if "_table[" in line or ".update" in line
        )
        assert last_need < first_change, name


def test_what_is_changed_is_not_read_any_more() -> None:
    """All new values are known before the first of them is written."""
    state = Play()
    state.add("E", "e1")
    state.logic.things["S"] += ["s1", "s2"]
    for name, key, value in (("owned", ("e1",), True), ("owner", ("e1",), "s1"),
                             ("tenure", ("e1",), 4), ("registered", ("s1",), True)):  # fmt: skip
        state.set(name, key, value)
    state.take("handover", "s1", "s2")
    assert (state.state.owner("e1"), state.state.tenure("e1")) == ("s2", 5)
    assert state.state.held("s2", "e1") == 5


@pytest.mark.parametrize("logic", [Writer(), Plain()])
def test_an_action_changes_a_table_once(logic: Logic) -> None:
    """Of a change of a change a play would keep the last alone, and the solver both."""
    table = logic.put(Play().state.length, ("e",), 2)
    for twice in (
        lambda: logic.put(table, ("f",), 3),
        lambda: logic.row(table, "e", "E", lambda x: 3),
        lambda: logic.map(table, "E", lambda x: 3),
    ):
        with pytest.raises(TypeError, match="twice"):
            twice()


def test_an_action_cannot_ask_what_a_term_is() -> None:
    """A branch of Python's on a term would be taken once for all steps: it is refused."""
    writer = Writer()
    with pytest.raises(TypeError, match="known only when"):
        bool(writer.table("now")() == 1)
    with pytest.raises(TypeError, match="what was there before"):
        writer.put(writer.table("now"), (), 1)()
    assert writer.all() is True and writer.some() is False


def test_the_module_of_plays_takes_no_step_by_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is lawful is taken by its function alone; terms are asked why it is not."""

    def step(play: Play, name: str, *things: Any) -> Step:
        pytest.fail(f"{name} by terms")

    monkeypatch.setattr(Play, "step", step)
    play = Play()
    play.add("E", "e1")
    play.add("S", "s1")
    play.take("register", "s1")
    assert play.state.registered("s1")
