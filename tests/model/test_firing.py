"""One step relation: enabled, fire, replay and the checker's masks agree; nothing is mutated."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.model.analysis.control import Control
from perdure.model.compiler.compile import compile_workflow
from perdure.model.firing import Fired, GlueStuck, fire_with_glue, replay
from perdure.model.language.waits import Elapsed, first
from perdure.model.language.workflows import workflow
from perdure.model.marking import (
    RESULT,
    IllegalFiring,
    Marking,
    Moment,
    Token,
    Wiring,
    candidates,
    enabled,
    fire,
    wire,
)
from perdure.model.net import Net, Place, PlaceKind, StackOp, Transition, TransitionKind
from perdure.model.program import Program

from .compiled import compiled, programs
from .differential_world import Bad, Booking, Item, Worse, note, word

PROGRAMS = range(120)
FIRINGS = 80
RUNS = range(6)
K = TransitionKind


# --- random runs of random programs ------------------------------------------------------------


def brings(program: Program, transition: int, r: random.Random) -> dict[str, Any]:
    """What the world may bring along with a firing: a result, an error, a message, a moment."""
    t = program.net.transitions[transition]
    if t.kind in (K.RAISES, K.REFUSED):
        return {t.binds: program.codecs[t.binds].seal(r.choice([Bad("no"), Worse("w", 1)]))}
    site = program.net.site.get(t.site)
    if t.kind is K.RECEIVE:
        assert site is not None
        value: Any = Item(r.randint(0, 9)) if site.target == "note" else "w"
        codec = program.codecs[t.binds] if t.binds else program.channels[site.target]
        return {t.binds: codec.seal(value)} if t.binds else {}
    if t.kind is K.DUE:
        assert site is not None
        gives = Elapsed() if site.target in ("after", "at") else None
        return {t.binds: program.codecs[t.binds].seal(gives)} if t.binds else {}
    if t.kind in (K.STEP, K.LANDED, K.SETTLED):
        assert site is not None
        codec = program.codecs[t.binds] if t.binds else program.results[site.name]
        samples: dict[str, Any] = {"say": "ss", "charge": "c1", "book": Booking(1, 2)}
        value = samples.get(site.target.rpartition(":")[2], r.randint(0, 9))
        return {t.binds or RESULT: codec.seal(value)}
    return {}


def frozen(marking: Marking) -> Marking:
    """The same marking, in which every attempt to change something raises."""
    return MappingProxyType(
        {p: msgspec.structs.replace(t, frame=MappingProxyType(t.frame)) for p, t in marking.items()}
    )


def start(program: Program) -> Marking:
    """One token in `start`."""
    frame = {v: program.codecs[v].seal(3) for v in program.inputs}
    return {program.net.place[program.net.initial]: Token(frame, 0, 0)}


def rank(net: Net, transition: int, r: random.Random) -> float:
    """What fires first: anything, but a cancel seldom, so that runs become long."""
    return r.random() + (net.transitions[transition].kind is K.CANCEL) * (r.random() < 0.95)


class Went(tuple[Marking, int, dict[str, Any], Moment, Fired]):
    """One firing of a run: the marking before, the transition, what it brought, and the rest."""


def run(program: Program, r: random.Random) -> Iterator[Went]:
    """A random run: any enabled transition at any time, also those no engine would choose."""
    wiring, marking = wire(program.net), start(program)
    for seq in range(1, FIRINGS):
        able = sorted(candidates(wiring, marking), key=lambda k: rank(program.net, k, r))
        for transition in able:
            brought = brings(program, transition, r)
            moment = Moment(seq, seq * 10, f"k{seq}")
            try:
                fired = fire_with_glue(program, frozen(marking), transition, brought, moment)
            except GlueStuck:
                continue  # an accident: the token does not move
            except IllegalFiring:
                assert program.net.transitions[transition].stack_op is StackOp.POP
                continue  # not the last entry
            yield Went((marking, transition, brought, moment, fired))
            marking = fired.marking
            break
        else:
            return


@pytest.mark.parametrize("number", range(0, len(PROGRAMS), 10))
def test_a_record_replays_to_the_marking_that_was_fired(number: int) -> None:
    """Firing with the user's glue, and folding its path and changes, give one marking.

    Every marking given is one that cannot be changed: firing makes a new one.
    """
    firings = 0
    for each, program in programs(range(number, number + 10)):
        wiring, r = wire(program.net), random.Random(each)
        several = chain(*(run(program, r) for _ in RUNS))
        for marking, transition, brought, moment, fired in several:
            read = {**brought, **fired.delta}
            again = replay(wiring, frozen(marking), transition, read, moment, fired.path)
            assert again == fired.marking
            assert {p: t.seq for p, t in again.items()} == {
                p: t.seq for p, t in fired.marking.items()
            }
            firings += 1
    assert firings > 100


def test_runs_reach_every_kind_of_firing() -> None:
    """The runs above are not vacuous: each kind of transition fires in some."""
    kinds = {
        program.net.transitions[transition].kind
        for each, program in programs(PROGRAMS)
        for dice in [random.Random(each)]
        for _, transition, _, _, _ in chain(*(run(program, dice) for _ in RUNS))
    }
    # An exit is no firing of its own; no step of these programs repeats a refusal.
    assert set(K) - kinds == {K.EXIT, K.RETRY}


@given(st.integers(0, len(PROGRAMS) - 1), st.randoms(use_true_random=False))
def test_a_transition_fires_exactly_where_it_is_enabled(number: int, r: random.Random) -> None:
    """On a random run, at each marking, for each transition; a refusal changes nothing."""
    program = compiled(number)
    if program is None:
        return
    wiring = wire(program.net)
    for marking, *_ in run(program, r):
        before = frozen(marking)
        for k, t in enumerate(program.net.transitions):
            try:
                fire_with_glue(program, before, k, brings(program, k, r), Moment(1, 1, "k"))
            except GlueStuck:
                assert enabled(wiring, before, k)
            except IllegalFiring:
                assert not enabled(wiring, before, k) or t.stack_op is StackOp.POP
            else:
                assert enabled(wiring, before, k)
            assert before == marking


def test_a_record_of_another_path_is_refused() -> None:
    """Exits too many, too few, or of a number that the place does not have."""
    refused = 0
    for each, program in programs(range(30)):
        wiring, r = wire(program.net), random.Random(each)
        several = chain(*(run(program, r) for _ in RUNS))
        for marking, transition, brought, moment, fired in several:
            if not fired.path:
                continue
            read = {**brought, **fired.delta}
            for path in (fired.path[:-1], (*fired.path, 0), (*fired.path[:-1], 99)):
                with pytest.raises(IllegalFiring):
                    replay(wiring, frozen(marking), transition, read, moment, path)
                refused += 1
    assert refused > 100


def test_a_firing_cannot_begin_where_no_token_rests() -> None:
    """An exit of glue is the end of a firing, never a firing: a forged record is refused."""
    for _, program in programs(range(10)):
        wiring = wire(program.net)
        for marking, *_ in run(program, random.Random(1)):
            for k, t in enumerate(program.net.transitions):
                if t.kind is K.EXIT:
                    with pytest.raises(IllegalFiring):
                        replay(wiring, marking, k, {}, Moment(1, 1), ())


# --- random nets ---------------------------------------------------------------------------------


@st.composite
def random_nets(draw: st.DrawFn) -> Net:
    """Small nets with read arcs, resting places and passed ones; a firing always comes to rest."""
    tangible = [f"p{i}" for i in range(draw(st.integers(1, 4)))]
    passed = [f"v{i}" for i in range(draw(st.integers(0, 2)))]
    some = st.lists(st.sampled_from(tangible), unique=True, max_size=2)
    made: list[Transition] = []
    for k in range(draw(st.integers(1, 7))):
        source = draw(st.sampled_from([*tangible, *passed]))
        further = passed[passed.index(source) + 1 :] if source in passed else passed
        take = dict.fromkeys([source, *draw(some)])
        put = list(dict.fromkeys(draw(some)))
        if further and draw(st.booleans()):
            put.append(draw(st.sampled_from(further)))
        kind = K.EXIT if source in passed else K.STEP
        read = tuple(draw(some))
        made.append(Transition(f"t{k}", kind, tuple(take), tuple(put), read, exit=k))
    places = [Place(p, PlaceKind.BEFORE) for p in tangible]
    places += [Place(v, PlaceKind.VANISHING) for v in passed]
    return Net("random", 1, tuple(places), tuple(made), initial="p0")


def firings(wiring: Wiring, marking: Marking, first: int) -> Iterator[frozenset[int] | None]:
    """Where one firing may lead: a set of places for each way on, None for one that is refused."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        way = todo.pop()
        left, asked = list(way), list[int]()

        def decide(
            place: int, env: dict[str, Any], left: list[int] = left, asked: list[int] = asked
        ) -> int:
            if left:
                return left.pop(0)
            asked.append(place)
            raise IllegalFiring("", "which way?")

        try:
            yield frozenset(fire(wiring, marking, first, {}, Moment(1, 1), decide))
        except IllegalFiring:
            if asked:
                exits = [wiring.net.transitions[t].exit for t in wiring.leaving[asked[0]]]
                todo += [(*way, number) for number in exits]
            else:
                yield None


def reached(net: Net) -> set[frozenset[int]]:
    """All markings of a net by `fire` alone."""
    wiring = wire(net)
    seen = {frozenset([net.place[net.initial]])}
    todo = list(seen)
    while todo:
        at = todo.pop()
        marking = {p: Token({}, 0, 0) for p in at}
        for k in candidates(wiring, marking):
            for after in firings(wiring, marking, k):
                if after is not None and after not in seen:
                    seen.add(after)
                    todo.append(after)
    return seen


def reached_by_masks(net: Net) -> set[frozenset[int]]:
    """The same by the masks of the checker, under the rule that a firing is walked to its end."""
    control = Control(net, atomic=True)
    passed = control.of(p.name for p in net.places if not p.tangible)
    seen, todo = {control.initial}, [control.initial]
    while todo:
        for _, after in control.successors(todo.pop())[0]:
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return {
        frozenset(i for i in range(len(net.places)) if state >> i & 1)
        for state in seen
        if not state & passed
    }


@given(random_nets())
def test_fire_and_the_checkers_masks_reach_the_same_markings_of_random_nets(net: Net) -> None:
    """Sound or not, safe or not: the step relation of the engine is the one that is explored."""
    assert reached(net) == reached_by_masks(net)


@given(random_nets())
def test_what_fires_is_what_is_enabled_in_random_nets(net: Net) -> None:
    """At every reachable marking; a firing needs an enabled transition, and only refuses else."""
    wiring = wire(net)
    for at in reached(net):
        marking: Mapping[int, Token] = {p: Token({}, 0, 0) for p in at}
        able = set(candidates(wiring, marking))
        for k in range(len(net.transitions)):
            assert (k in able) == enabled(wiring, marking, k)
            if k not in able:
                assert set(firings(wiring, marking, k)) == {None}


def test_fire_and_the_checkers_masks_reach_the_same_markings_of_compiled_nets() -> None:
    """Stacks and values forgotten, on random programs."""
    for _, program in programs(range(25)):
        net = program.net
        plain = Net(
            net.name,
            net.version,
            tuple(Place(p.name, p.kind) for p in net.places),
            tuple(
                Transition(t.name, t.kind, t.take, t.put, t.read, exit=k)
                for k, t in enumerate(net.transitions)
            ),
        )
        assert reached(plain) == reached_by_masks(net)


# --- which of two goes first -----------------------------------------------------------------


def test_contenders_of_a_race_of_waits_keep_the_authors_order() -> None:
    """Of two that are ready the first argument wins: its transition has the lower number.

    Programs that differ in that order alone are different programs, with different digests.
    """
    one, two = (compile_workflow(flow).net for flow in (note_first, word_first))
    for net, order in ((one, ["note", "word"]), (two, ["word", "note"])):
        assert [t.site for t in net.transitions if t.kind is K.RECEIVE] == order
    assert one.digest != replace(two, name=one.name).digest


@workflow
async def note_first() -> None:
    await first(note.wait(), word.wait())


@workflow
async def word_first() -> None:
    await first(word.wait(), note.wait())
