"""What is remembered of sets of marked places is what the net says of each marking.

The reference here is read from the net, transition by transition; nothing is remembered in it, and
no engine runs.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import msgspec
import pytest
from perdure import compensatable, together, workflow
from perdure.engine import kernel
from perdure.engine.bodies import Body
from perdure.engine.resting import WANTING, rest
from perdure.engine.status import Status
from perdure.model.compiler import compile_workflow
from perdure.model.language.workflows import Workflow
from perdure.model.marking import IllegalFiring, Marking, Token, wire
from perdure.model.net import AUTO, FINAL, Net, PlaceKind, Transition, TransitionKind

from ..crash.flows import failing_saga, parallel, reminders, sequence
from ..model.histories import visited

K = TransitionKind
FLOWS = [sequence, parallel, failing_saga, reminders]
NAMES = [flow.name for flow in FLOWS]


@cache
def markings(flow: Workflow[..., Any]) -> tuple[Marking, ...]:
    """Markings of the flow with crashes and cancels, each set of places once."""
    net = compile_workflow(flow).net
    found = {tuple(m): m for m, _ in visited(net, cancel=True, crash=True)}
    return tuple(found.values())


def may_fire(net: Net, marking: Marking, transition: Transition) -> bool:
    """Every place it takes from or reads holds a token."""
    return all(net.place[name] in marking for name in (*transition.take, *transition.read))


def by_itself(net: Net, marking: Marking, durable: int) -> list[int]:
    """The transitions that need nothing from outside, by the net alone."""
    found: list[int] = []
    for number, t in enumerate(net.transitions):
        if t.kind not in AUTO or not may_fire(net, marking, t):
            continue
        token = marking[net.place[t.take[0]]]
        held = t.kind is K.GO_ON and token.seq > durable
        if not held and not (t.kind is K.UNDONE and token.frame[t.stack]):
            found.append(number)
    return found


def fresh(marking: Marking, seq: int) -> Marking:
    """The same tokens, put there by the record `seq`."""
    return {p: msgspec.structs.replace(token, seq=seq) for p, token in marking.items()}


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_what_fires_by_itself_is_what_the_net_enables(flow: Workflow[..., Any]) -> None:
    """One of the enabled automatic transitions is told, and none only if there is none."""
    net = compile_workflow(flow).net
    told = 0
    for marking in markings(flow):
        for durable in (0, 9):  # an outcome at seq 5 is not durable yet, or is
            state = kernel.State(fresh(marking, 5), {}, {})
            number = kernel.next_auto(wire(net), state, durable)
            expected = by_itself(net, state.marking, durable)
            assert (number in expected) if expected else (number is None)
            told += number is not None
    assert told


@compensatable
async def book(n: int) -> int:
    return n


@book.undo
async def unbook(n: int) -> None:
    return None


@compensatable
async def hire(n: int) -> int:
    return n


@hire.undo
async def dismiss(n: int) -> None:
    return None


@workflow
async def both(n: int) -> int:
    one, other = await together(book(n), hire(n))
    return one + other


def test_an_outcome_that_is_not_durable_yet_holds_back_no_other() -> None:
    """Of two branches whose calls have ended, the one whose outcome is durable goes on."""
    net = compile_workflow(both).net
    for late, ready in (("book", "hire"), ("hire", "book")):
        came = {"running": 0, "in together book, hire": 1, f"after {late}": 9, f"after {ready}": 4}
        tokens = {net.place[name]: Token({}, seq, 0) for name, seq in came.items()}
        state = kernel.State(tokens, {}, {})
        number = kernel.next_auto(wire(net), state, 5)
        assert number is not None and net.transitions[number].name == f"{ready} goes on"
        assert kernel.next_auto(wire(net), state, 3) is None


def test_a_saga_that_still_undoes_holds_back_no_other_branch() -> None:
    """It is undone when its stack is empty; what has ended beside it goes on meanwhile."""
    net = compile_workflow(failing_saga).net
    undone = [t for t in net.transitions if t.kind is K.UNDONE]
    for t, on in product(undone, [t for t in net.transitions if t.kind is K.GO_ON]):
        beside = {net.place[name]: Token({}, 0, 0) for name in (*t.read, *on.take, *on.read)}
        for stack, first in (((None,), on), ((), t)):  # tokens in the order in which they came
            tokens = {net.place[t.take[0]]: Token({t.stack: stack}, 0, 0), **beside}
            number = kernel.next_auto(wire(net), kernel.State(tokens, {}, {}), 5)
            assert number is not None and net.transitions[number] == first
    assert undone


@pytest.mark.parametrize("flow", [parallel, reminders], ids=["parallel", "reminders"])
def test_drains_and_joins_come_before_everything_else(flow: Workflow[..., Any]) -> None:
    """What ends a branch is not kept waiting by what begins one, wherever their tokens stand."""
    net = compile_workflow(flow).net
    wiring, first = wire(net), {K.DRAIN, K.JOIN}
    autos = [n for n, t in enumerate(net.transitions) if t.kind in AUTO]
    early = [n for n in autos if net.transitions[n].kind in first]
    late = [n for n in autos if net.transitions[n].kind not in first]
    assert early
    assert late
    for one, other in product(early, late):
        places = tuple(dict.fromkeys((*wiring.needs[other], *wiring.needs[one])))
        told = rest(wiring, places).autos
        assert {one, other} <= {auto.transition for auto in told}
        assert told[0].kind in first


def test_what_waits_for_durability_is_not_fired_before() -> None:
    """`go on` behind a landed effect fires at the seq that is durable, not one earlier."""
    net = compile_workflow(sequence).net
    after = [n for n, t in enumerate(net.transitions) if t.kind is K.GO_ON]
    assert after
    for number in after:
        (place,) = (net.place[name] for name in net.transitions[number].take)
        others = [net.place[name] for name in net.transitions[number].read]
        marking = {p: Token({}, 5, 0) for p in (place, *others)}
        state = kernel.State(marking, {}, {})
        assert kernel.next_auto(wire(net), state, 4) is None
        assert kernel.next_auto(wire(net), state, 5) == number


def test_wishes_come_in_the_order_in_which_their_tokens_came_to_rest() -> None:
    """Whatever the order of the marking; of two at one moment the earlier place is first."""
    program = compile_workflow(parallel)
    kinds = [place.kind for place in program.net.places]
    wiring, told = wire(program.net), 0
    frame = dict.fromkeys((v for place in program.net.places for v in place.frame), None)
    for marking in markings(parallel):
        pair = [
            place
            for place in rest(wiring, tuple(marking)).wanting
            if kinds[place] is not PlaceKind.DOUBT and (place, K.INTENT) not in wiring.by_kind
        ]
        if len(pair) != 2:
            continue
        for seqs in ((3, 4), (4, 3), (4, 4)):
            tokens = {p: Token(frame, seq, 0) for p, seq in zip(pair, seqs, strict=True)}
            expected = sorted(pair, key=lambda place: (tokens[place].seq, place))
            for places in (pair, pair[::-1]):
                state = kernel.State({p: tokens[p] for p in places}, {}, {})
                wants = kernel.wants(program, state, "origin")
                assert [want.place for want in wants] == expected
                told += 1
    assert told


def test_a_number_beyond_the_net_is_no_firing() -> None:
    """The first number that the net has no transition for, and one below the first."""
    program = compile_workflow(sequence)
    wiring, state = wire(program.net), kernel.begin(program, {}, 0)
    for number in (len(program.net.transitions), -2):
        with pytest.raises(IllegalFiring, match="no such transition"):
            kernel.fold(wiring, state, number, Body(), 1, 0, _never)


def _never(variable: str, site: str, raw: bytes) -> Any:
    raise AssertionError("nothing is to be read")


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_intents_are_those_of_the_marked_places(flow: Workflow[..., Any]) -> None:
    """Each marked place with an intent asks for it; a site whose turn comes later is left out."""
    net = compile_workflow(flow).net
    for marking in markings(flow):
        state = kernel.State(marking, {}, {})
        asked = {
            number
            for number, t in enumerate(net.transitions)
            if t.kind is K.INTENT and net.place[t.take[0]] in marking
        }
        assert set(rest(wire(net), tuple(marking)).intents) == asked
        chosen = kernel.next_intent(wire(net), state)
        assert (chosen in asked) if asked else (chosen is None)
        sites = {net.transitions[number].site for number in asked}
        assert kernel.next_intent(wire(net), state, sites) is None


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_the_end_is_told_by_the_final_place(flow: Workflow[..., Any]) -> None:
    """An execution has ended just when a final place is marked, and its name is the status."""
    net = compile_workflow(flow).net
    ends = set[Status]()
    for marking in markings(flow):
        final = [net.places[p].kind for p in marking if net.places[p].kind in FINAL]
        status = kernel.final_status(wire(net), kernel.State(marking, {}, {}))
        assert status == (Status(final[0].value) if final else None)
        ends |= {status} if status else set()
    assert Status.DONE in ends


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_what_is_wanted_and_awaited_is_told_by_the_kinds_of_places(
    flow: Workflow[..., Any],
) -> None:
    """Places that ask, wait, or hold an outcome back are found by their kind alone."""
    net = compile_workflow(flow).net
    for marking in markings(flow):
        kinds = [net.places[p].kind for p in marking]
        told = rest(wire(net), tuple(marking))
        assert [net.places[p].kind for p in told.wanting] == [k for k in kinds if k in WANTING]
        assert told.waits == (PlaceKind.WAITING in kinds)
        assert told.after == (PlaceKind.AFTER in kinds)
        assert told.still == (not told.autos and not told.intents and not told.waits)


def test_two_nets_with_the_same_places_are_not_confused() -> None:
    """What is remembered of one net is never told of another, however alike their numbers are."""
    nets = [compile_workflow(flow).net for flow in FLOWS]
    for net in nets:
        for place, told in enumerate(net.places):
            seen = rest(wire(net), (place,))
            assert (seen.final is not None) == (told.kind in FINAL)
            assert bool(seen.wanting) == (told.kind in WANTING)
