"""Verdicts on classic nets, under limits, and with witnesses that anyone can replay."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.model.analysis import PROPERTIES, Answer, Evidence, Report, check
from perdure.model.analysis.shape import is_free_choice, is_workflow_net
from perdure.model.net import Net, Place, PlaceKind, Transition, TransitionKind

from ..compiled import programs
from .mutants import mutant

YES, NO, OPEN = Answer.HOLDS, Answer.VIOLATED, Answer.INCONCLUSIVE
ASKED = ("safe", "option_to_complete", "proper_completion", "quasi_live", "sound")


def net_of(*rows: str) -> Net:
    """A net of rows `name: a b > c d` (`a?` is read); from `i`, ended by `o`."""
    made: list[Transition] = []
    names = {"i", "o"}
    for row in rows:
        name, _, arcs = row.partition(": ")
        left, _, right = arcs.partition(" > ")
        take = tuple(p for p in left.split() if not p.endswith("?"))
        read = tuple(p[:-1] for p in left.split() if p.endswith("?"))
        put = tuple(right.split())
        names |= {*take, *read, *put}
        made.append(Transition(name, TransitionKind.STEP, take, put, read))
    kinds = {"i": PlaceKind.START, "o": PlaceKind.DONE}
    places = tuple(Place(n, kinds.get(n, PlaceKind.BEFORE)) for n in sorted(names))
    return Net("classic", 1, places, tuple(made), initial="i")


CLASSICS: dict[str, tuple[Net, tuple[Answer, ...], bool, bool]] = {
    # Two tasks in parallel, split and joined (van der Aalst 1998): the plain good case.
    "parallel tasks": (
        net_of("split: i > a b", "x: a > c", "y: b > d", "join: c d > o"),
        (YES, YES, YES, YES, YES),
        True,
        True,
    ),
    # A choice joined as if it were parallel: the case waits for ever.
    "choice into a join": (
        net_of("left: i > a", "right: i > b", "join: a b > o"),
        (YES, NO, YES, NO, NO),
        True,
        True,
    ),
    # Parallel tasks joined as if one were enough: a token is left when the case has ended.
    "split into a merge": (
        net_of("split: i > a b", "x: a > o", "y: b > c", "z: c > d", "w: d > o"),
        (NO, OPEN, NO, YES, NO),
        True,
        True,
    ),
    # A loop from which nothing leads out, beside a way that ends.
    "livelock": (
        net_of("go: i > a", "end: i > o", "round: a > b", "back: b > a"),
        (YES, NO, YES, YES, NO),
        False,
        True,
    ),
    # Each round leaves a token more (Karp and Miller 1969: unbounded).
    "unbounded": (
        net_of("begin: i > a", "more: a > a b", "end: a > c", "use: b c > o"),
        (NO, NO, OPEN, YES, NO),
        True,
        True,
    ),
    # Sound but for a task that no run reaches.
    "dead task": (
        net_of("split: i > a b", "join: a b > o", "odd: a c > o", "even: c > c"),
        (YES, YES, YES, NO, NO),
        False,
        False,
    ),
    # Choice and synchronisation mixed (not free-choice), and sound all the same.
    "long dependency": (
        net_of("l: i > a x", "r: i > a y", "m: a > b", "l2: b x > o", "r2: b y > o"),
        (YES, YES, YES, YES, YES),
        True,
        False,
    ),
    # Two users of one resource take turns (mutual exclusion, Reisig 1985), and end.
    "mutual exclusion": (
        net_of(
            "begin: i > a b key",
            "a in: a key > ca",
            "a out: ca > da key",
            "b in: b key > cb",
            "b out: cb > db key",
            "end: da db key > o",
        ),
        (YES, YES, YES, YES, YES),
        True,
        False,
    ),
    # Two philosophers take one fork each in opposite order (Dijkstra 1965): a deadlock.
    "two philosophers": (
        net_of(
            "sit: i > t1 t2 f1 f2",
            "p1 takes 1: t1 f1 > h1",
            "p1 takes 2: h1 f2 > e1",
            "p1 ends: e1 > d1 f1 f2",
            "p2 takes 2: t2 f2 > h2",
            "p2 takes 1: h2 f1 > e2",
            "p2 ends: e2 > d2 f1 f2",
            "rise: d1 d2 f1 f2 > o",
        ),
        (YES, NO, YES, YES, NO),
        True,
        False,
    ),
    # The case may end while a reminder is still out: leftover token.
    "left over reminder": (
        net_of("begin: i > a r", "remind: r > s", "answer: a s > o", "hurry: a > o"),
        (YES, NO, NO, YES, NO),
        True,
        False,
    ),
    # A read arc orders two tasks without taking: `look` needs the flag and leaves it.
    "read arc": (
        net_of("begin: i > a f", "look: a f? > b", "end: b f > o"),
        (YES, YES, YES, YES, YES),
        True,
        False,
    ),
}


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_net_gets_its_verdicts(name: str) -> None:
    """Each property by itself, the class of the net, and the vocabulary of the evidence."""
    net, answers, workflow_net, free_choice = CLASSICS[name]
    report = check(net, properties=ASKED)
    assert tuple(v.verdict for v in report.properties) == answers
    assert is_workflow_net(net) == workflow_net
    assert is_free_choice(net) == free_choice
    for verdict in report.properties:
        decided = verdict.verdict is not OPEN
        assert verdict.evidence is (Evidence.EXPLORED if decided else Evidence.INCONCLUSIVE)
        assert verdict.method == "explicit"
        assert verdict.states
        assert bool(verdict.why) == (verdict.verdict is not YES)
        assert (verdict.witness is not None) == (verdict.verdict is NO)


def test_witnesses_of_classic_nets_say_what_is_wrong() -> None:
    """The shortest run to the fault, and the fault in words."""

    def told(name: str, asked: str) -> tuple[tuple[str, ...], str]:
        run = check(CLASSICS[name][0], properties=[asked])[asked].witness
        assert run is not None
        return run.names, run.says

    names, says = told("choice into a join", "option_to_complete")
    assert names in (("left",), ("right",))
    assert "nothing can fire any more" in says
    names, says = told("two philosophers", "option_to_complete")
    assert sorted(names) == ["p1 takes 1", "p2 takes 2", "sit"]
    names, says = told("livelock", "option_to_complete")
    assert names == ("go",)
    assert "much may still fire" in says
    assert told("left over reminder", "proper_completion") == (
        ("begin", "hurry"),
        "r still holds a token when the case has ended",
    )
    assert told("unbounded", "safe") == (("begin", "more", "more"), "b holds two tokens")
    assert told("dead task", "quasi_live") == ((), "no run fires odd, even")


# --- limits --------------------------------------------------------------------------------------


@cache
def nets() -> list[Net]:
    """Compiled where they are first asked for: every worker collects this file, one runs it."""
    return list(some_nets())


def some_nets() -> Iterator[Net]:
    """Classic nets, compiled ones and damaged ones."""
    for net, *_ in CLASSICS.values():
        yield net
    for number, program in programs(range(25)):
        yield program.net
        r = random.Random(number)
        yield from (mutant(program.net, r) for _ in range(4))


numbers = st.deferred(lambda: st.integers(0, len(nets()) - 1))
WHOLE: dict[int, Report] = {}


def whole(number: int) -> Report:
    """The report without limits."""
    if number not in WHOLE:
        WHOLE[number] = check(nets()[number], properties=PROPERTIES)
    return WHOLE[number]


@given(numbers, st.integers(1, 120))
def test_a_limit_of_states_never_changes_an_answer(number: int, states: int) -> None:
    """Under any limit a property gets the answer of the full search, or inconclusive with why."""
    report = check(nets()[number], properties=PROPERTIES, limit_states=states)
    agree(report, whole(number))


@given(numbers, st.integers(0, 12))
def test_a_limit_of_time_never_changes_an_answer(number: int, questions: int) -> None:
    """The same when time is out after some questions, whenever that is."""
    left = iter(range(questions))
    out = check(nets()[number], properties=PROPERTIES, out_of_time=lambda: next(left, None) is None)
    agree(out, whole(number))


def agree(report: Report, full: Report) -> None:
    for said, true in zip(report.properties, full.properties, strict=True):
        if said.verdict is OPEN:
            assert said.evidence is Evidence.INCONCLUSIVE
            assert said.why
            assert said.witness is None
        else:
            assert said.verdict is true.verdict or true.verdict is OPEN, said.name
            assert said.evidence is not Evidence.INCONCLUSIVE


def test_an_unlimited_search_answers_everything_of_a_safe_net() -> None:
    """Inconclusive is said of unsafe nets only, and never because of a guess."""
    for number in range(len(nets())):
        report = whole(number)
        if report["safe"].verdict is YES:
            assert OPEN not in {v.verdict for v in report.properties}
        else:
            assert report["sound"].verdict is not YES


# --- witnesses -----------------------------------------------------------------------------------


def played(net: Net, names: tuple[str, ...]) -> Counter[str]:
    """Play a witness by the names it shows, with a bag of tokens and nothing of the checker's."""
    bag = Counter({net.initial: 1})
    twins = Counter(t.name for t in net.transitions)
    by_name = {
        t.name if twins[t.name] == 1 else f"{t.name} #{k}": t for k, t in enumerate(net.transitions)
    }
    for name in names:
        t = by_name[name]
        assert all(bag[p] >= 1 for p in (*t.take, *t.read)), f"{name} is not enabled"
        bag.subtract(t.take)
        bag.update(t.put)
    return Counter({p: n for p, n in bag.items() if n})


def test_every_witness_is_a_run_to_the_marking_it_shows() -> None:
    """Played by its printed names alone; and the marking shows the fault it was given for."""
    shown = Counter[str]()
    for number, net in enumerate(nets()):
        for verdict in whole(number).properties:
            run = verdict.witness
            if run is None:
                continue
            bag = played(net, run.names)
            assert bag == Counter(run.marking), verdict.name
            shown[verdict.name] += 1
            if verdict.name == "safe":
                assert max(bag.values()) == 2
            if verdict.name == "proper_completion":
                assert set(bag) & set(net.finals)
                assert bag.total() > 1
    assert set(shown) >= {*ASKED, "undo_complete"}
