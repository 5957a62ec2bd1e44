"""Theorem C3, re-checked on random programs: what the compiler emits is safe and sound.

It holds by induction over the fragments; here it is held against the checker, and the checker
against a search of its own that shares no code with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from perdure.model.analysis import Answer
from perdure.model.analysis.effects import Effects
from perdure.model.analysis.shape import is_workflow_net
from perdure.model.analysis.sound import Soundness
from perdure.model.analysis.structure import flaws
from perdure.model.compiler import draft
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.emit import Emitter
from perdure.model.compiler.findings import CompileError
from perdure.model.net import Net, TransitionKind

from ..compiled import programs, source
from ..differential_runs import load

CHUNKS = 8
PROGRAMS = 2500 if settings.get_current_profile_name() == "nightly" else 130
"""Programs per chunk; the chunks can run beside each other."""
MARKINGS_MAX = 10_000
Change = Callable[[str, list[str], list[str]], list[str] | None]


def wrong(net: Net) -> list[str]:
    """What of the theorem, and of the effect rules, does not hold of a net."""
    sound, effects = Soundness(net), Effects(net)
    verdicts = [
        sound.safe(),
        sound.option_to_complete(),
        sound.proper_completion(),
        sound.quasi_live(),
        effects.irreversible_at_most_once(),
        effects.undo_complete(),
        effects.pivot_last(),
    ]
    found = [f"{v.name}: {v.why}" for v in verdicts if v.verdict is not Answer.HOLDS]
    found += [str(flaw) for flaw in flaws(net)]
    return found + ([] if is_workflow_net(net) else ["no workflow net"])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_compiled_net_is_safe_and_sound(
    chunk: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Safe; it can always end, properly; nothing is dead; no vanishing cycle (C1); effects kept.

    The figures of the largest net are printed.
    """
    largest = nodes = count = 0
    for number, program in programs(range(chunk * PROGRAMS, (chunk + 1) * PROGRAMS)):
        net = program.net
        found = wrong(net)
        assert not found, f"program {number}: {found}\n{source(number).text}"
        largest = max(largest, len(Soundness(net).space.states))
        nodes = max(nodes, len(net.places) + len(net.transitions))
        count += 1
    with capsys.disabled():
        print(f"\n{count} programs: at most {nodes} nodes and {largest} markings")
    assert count > 0.8 * PROGRAMS
    assert largest < MARKINGS_MAX


def by_hand(net: Net) -> tuple[int, set[str], bool, bool]:
    """Markings as sets of names, breadth first: their number, what fires, safe, always able to end.

    Shares nothing with the checker, on purpose.
    """
    start = frozenset([net.initial])
    seen, todo, fires, safe = {start}, deque([start]), set[str](), True
    before: dict[frozenset[str], list[frozenset[str]]] = {}
    while todo:
        at = todo.popleft()
        for t in net.transitions:
            if at >= {*t.take, *t.read}:
                rest = at - {*t.take}
                safe &= not rest & {*t.put}
                after = rest | {*t.put}
                fires.add(f"{t.name} {t.take} {t.put} {t.exit}")
                before.setdefault(after, []).append(at)
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
    ends = [m for m in seen if m & {*net.finals}]
    hopeful, back = set(ends), deque(ends)
    while back:
        for m in before.get(back.popleft(), ()):
            if m not in hopeful:
                hopeful.add(m)
                back.append(m)
    return len(seen), fires, safe, hopeful == seen and all(len(m) == 1 for m in ends)


def test_the_checker_counts_what_a_search_by_hand_counts() -> None:
    """On random programs: the same number of markings, everything fires, safe, able to end."""
    for _, program in programs(range(80)):
        net = program.net
        count, fires, safe, ends = by_hand(net)
        assert count == len(Soundness(net).space.states)
        assert len(fires) == len(net.transitions)
        assert safe
        assert ends


# --- the theorem is about the compiler: broken, it is refuted ------------------------------------


def refuted(numbers: range) -> list[str]:
    """What the first unsound net of these programs, compiled anew, is refuted with."""
    for number in numbers:
        try:
            net = compile_workflow(load(source(number).text, 2_000_000 + number)).net
        except CompileError:
            continue  # a later stage has found it: a variable without a value
        if found := wrong(net):
            return found
    return []


def _nothing(*given: object) -> None:
    """A stage left out."""


def no_rest(patch: pytest.MonkeyPatch) -> None:
    """A loop that would spin gets no resting place."""
    patch.setattr(draft, "_rest", _nothing)


def no_pruning(patch: pytest.MonkeyPatch) -> None:
    """What no token reaches stays."""
    patch.setattr(draft, "_prune", _nothing)


def _transitions(patch: pytest.MonkeyPatch, change: Change) -> None:
    """Let `change` decide what is put, by name; None leaves the transition out."""
    true = Emitter.transition

    def transition(
        self: Emitter, name: str, kind: TransitionKind, take: list[str], put: list[str], **more: Any
    ) -> None:
        puts = change(name, take, put)
        if puts is not None:
            true(self, name, kind, take, puts, **more)

    patch.setattr(Emitter, "transition", transition)


def saga_token_left(patch: pytest.MonkeyPatch) -> None:
    """A saga that is left well keeps its scope token."""
    _transitions(
        patch, lambda n, take, put: [*put, take[1]] if n.startswith("saga ends by") else put
    )


def nothing_too_late(patch: pytest.MonkeyPatch) -> None:
    """The second of two that win is not let go."""
    _transitions(patch, lambda n, take, put: None if n.endswith("too late") else put)


def failing_twice(patch: pytest.MonkeyPatch) -> None:
    """A branch that fails puts its end twice over: once itself, once for another."""
    _transitions(patch, lambda n, take, put: [*put, take[0]] if n.endswith("fails too") else put)


def join_forgets_a_branch(patch: pytest.MonkeyPatch) -> None:
    """`together` goes on without its last branch, whose token stays."""
    true = Emitter.transition

    def transition(self: Emitter, name: str, kind: TransitionKind, take: Any, put: Any) -> None:
        true(self, name, kind, take[:-1] if name.endswith(": join") else take, put)

    def either(
        self: Emitter, name: str, kind: TransitionKind, take: Any, put: Any, **m: Any
    ) -> None:
        (true if m else transition)(self, name, kind, take, put, **m)

    patch.setattr(Emitter, "transition", either)


BROKEN: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    no_rest: "spins inside one firing",
    no_pruning: "no run fires",
    saga_token_left: "holds",
    nothing_too_late: "can never end",
    failing_twice: "can never end",
    join_forgets_a_branch: "holds",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda b: b.__name__)
def test_a_broken_compiler_is_refuted(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault of a fragment is found within 300 programs, and told for what it is."""
    broken(monkeypatch)
    found = refuted(range(300))
    assert any(BROKEN[broken] in says for says in found), found
