"""The checker on small nets made by hand: sound ones, and ones with a planted fault each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from perdure.model.analysis import Answer, Evidence, Report, check
from perdure.model.analysis.control import Control, NotAFiring, replay
from perdure.model.analysis.explicit import Limits, explore
from perdure.model.analysis.structure import flaws
from perdure.model.net import (
    Net,
    Place,
    PlaceKind,
    Site,
    SiteKind,
    Span,
    StackOp,
    Transition,
    TransitionKind,
)

P, T = PlaceKind, TransitionKind


def line(number: int) -> Span:
    """A span over one line of an imagined source file."""
    return Span("shop.py", number, 4, number, 30)


@dataclass
class Draft:
    """Builds a workflow net as the compiler does, with a frame of BEGIN, CANCEL and ends around."""

    first: str
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    transitions: list[Transition] = field(default_factory=list[Transition])
    sites: list[Site] = field(default_factory=list[Site])
    stacks: tuple[str, ...] = ()
    lines: count[int] = field(default_factory=lambda: count(10))

    def __post_init__(self) -> None:
        for name, kind in (
            ("start", P.START),
            ("running", P.SCOPE),
            ("cancelling", P.ENDING),
            ("done", P.DONE),
            ("failed", P.FAILED),
            ("cancelled", P.CANCELLED),
            ("ends done", P.VANISHING),
            ("ends failed", P.VANISHING),
            ("ends cancelled", P.VANISHING),
        ):
            self.place(name, kind)
        self.fire("begin", T.BEGIN, "start", f"running, {self.first}")
        self.fire("cancel", T.CANCEL, "running", "cancelling")
        for end in ("done", "failed"):
            self.fire(f"{end}, live", T.EXIT, f"ends {end}, running", end)
            self.fire(f"{end}, cancelling", T.EXIT, f"ends {end}, cancelling", end)
        self.fire("ends", T.EXIT, "ends cancelled, cancelling", "cancelled")

    def place(self, name: str, kind: PlaceKind, frame: tuple[str, ...] = ()) -> None:
        self.places.setdefault(name, Place(name, kind, frame))

    def fire(
        self,
        name: str,
        kind: TransitionKind,
        take: str,
        put: str,
        read: str = "",
        site: str = "",
        op: StackOp | None = None,
        stack: str = "",
        span: Span | None = None,
    ) -> None:
        """Add a transition; place names are separated by commas, unknown ones are vanishing."""
        takes, puts, reads = (tuple(filter(None, text.split(", "))) for text in (take, put, read))
        for each in (*takes, *puts, *reads):
            self.place(each, P.VANISHING)
        self.transitions.append(
            Transition(
                name, kind, takes, puts, reads, site=site, stack_op=op, stack=stack, span=span
            )
        )

    def step(self, name: str, to: str, fails: str = "", saga: str = "", drain: str = "") -> None:
        """An idempotent step; `fails` is where its exception goes, `drain` where a cancel goes."""
        at = f"before {name}"
        self.places[at] = Place(at, P.BEFORE, (), name)
        self.sites.append(
            Site(
                name,
                SiteKind.STEP,
                f"shop:{name}",
                "idempotent",
                saga=saga,
                span=line(next(self.lines)),
            )
        )
        self.fire(name, T.STEP, at, to, site=name)
        if fails:
            self.fire(f"{name} raises", T.RAISES, at, fails, site=name)
        if drain:
            self.fire(f"{name} drains", T.DRAIN, at, drain, "cancelling", site=name)

    def intent(
        self,
        name: str,
        effect: str,
        to: str,
        fails: str = "",
        saga: str = "",
        drain: str = "",
        undo: str = "",
        probe: bool = True,
    ) -> None:
        """A step with an intent, its doubt and its outcomes; in a saga it pushes on the stack."""
        before, during, doubt, after = (
            f"{word} {name}" for word in ("before", "during", "in doubt", "after")
        )
        for at, kind in (
            (before, P.BEFORE),
            (during, P.DURING),
            (doubt, P.DOUBT),
            (after, P.AFTER),
        ):
            self.places[at] = Place(at, kind, (), name)
        self.sites.append(
            Site(
                name,
                SiteKind.STEP,
                f"shop:{name}",
                effect,
                undo=undo,
                probe=probe,
                saga=saga if undo else "",
                span=line(next(self.lines)),
            )
        )
        scope = ", in saga" if saga and undo else ""

        def arc(says: str, kind: TransitionKind, take: str, put: str, op: StackOp) -> None:
            used = op if scope else None
            stack = saga if scope else ""
            self.fire(f"{name} {says}", kind, take + scope, put + scope, "", name, used, stack)

        arc("intent", T.INTENT, before, during, StackOp.PUSH)
        arc("landed", T.LANDED, during, after, StackOp.COMPLETE)
        self.fire(f"{name} crash", T.CRASH, during, doubt, site=name)
        arc("settled", T.SETTLED, doubt, after, StackOp.COMPLETE)
        arc("voided", T.VOIDED, doubt, before, StackOp.DROP)
        self.fire(f"{name} goes on", T.GO_ON, after, to, site=name)
        if fails:
            arc("refused", T.REFUSED, during, fails, StackOp.DROP)
        if drain:
            self.fire(f"{name} drains", T.DRAIN, before, drain, "cancelling", site=name)

    def saga(self, first: str, undoes: tuple[str, ...], then: str) -> None:
        """`enter` begins a saga; `leave well`, `leave badly` and `leave cancelled` leave it."""
        stack = "$undo"
        self.place("in saga", P.SCOPE, (stack,))
        self.fire("enter", T.EXIT, "enter", f"in saga, {first}", "", "", StackOp.OPEN, stack)
        self.fire("leaves", T.EXIT, "leave well, in saga", then, "", "", StackOp.FORGET, stack)
        for way, at, to in (
            ("badly", "undoing saga", "ends failed"),
            ("cancelled", "undoing saga, cancelled".replace(",", ""), "ends cancelled"),
        ):
            self.place(at, P.UNDOING, (stack,))
            self.fire(f"fails {way}", T.EXIT, f"leave {way}, in saga", at, span=line(9))
            for site in undoes:
                self.fire(f"undo {site} {way}", T.UNDO, at, at, "", site, StackOp.POP, stack)
            self.fire(f"undone {way}", T.UNDONE, at, to, stack=stack)

    def net(self) -> Net:
        return Net(
            "shop", 1, tuple(self.places.values()), tuple(self.transitions), tuple(self.sites)
        )


def hello() -> Draft:
    draft = Draft("before greet")
    draft.step("greet", "ends done", "ends failed", drain="ends cancelled")
    return draft


def order(*, after_pivot: str = "endless", undo: str = "unknown") -> Draft:
    """A saga: reserve, charge (the pivot), then ship, which may fail for good or not."""
    draft = Draft("enter")
    fails = "leave badly"
    draft.saga("before reserve", ("reserve",) if undo else (), "ends done")
    draft.intent(
        "reserve", "compensatable", "before charge", fails, "$undo", "leave cancelled", undo
    )
    draft.intent("charge", "irreversible", "before ship", fails, "$undo", "leave cancelled")
    draft.step("ship", "leave well", "" if after_pivot == "endless" else fails, "$undo")
    return draft


def join() -> Draft:
    """Two steps at once; the first failure turns the fork to ending; a cancel cascades inwards."""
    draft = Draft("fork")
    for name, kind in (
        ("in together", P.SCOPE),
        ("ending together", P.ENDING),
        ("together raised", P.ENDING),
        ("together cancelled", P.ENDING),
    ):
        draft.place(name, kind)
    draft.fire("fork", T.EXIT, "fork", "in together, before a, before b")
    ended: list[str] = []
    for name in ("a", "b"):
        end, raised = f"{name} ended", f"{name} raised"
        ended.append(end)
        draft.place(end, P.BRANCH)
        draft.place(raised, P.BRANCH)
        draft.step(name, end, raised)
        draft.fire(f"{name} gives up", T.DRAIN, f"before {name}", end, "ending together")
        draft.fire(
            f"{name} fails",
            T.FAILS,
            f"{raised}, in together",
            f"{end}, ending together, together raised",
        )
        draft.fire(f"{name} fails too", T.FAILS_TOO, raised, end, "ending together")
    draft.fire(
        "cascade", T.CASCADE, "in together", "ending together, together cancelled", "cancelling"
    )
    all_ended = ", ".join(ended)
    draft.fire("join", T.JOIN, f"in together, {all_ended}", "ends done")
    for why, to in (("raised", "failed"), ("cancelled", "cancelled")):
        take = f"ending together, together {why}, {all_ended}"
        draft.fire(f"join {why}", T.JOIN, take, f"ends {to}")
    return draft


def race(*, loser: str = "") -> Draft:
    """`first` of a timer and a message at one place, in a loop; `loser` adds a race of steps."""
    draft = Draft("loop")
    draft.place("first tick, stop".replace(",", ""), P.WAITING)
    draft.fire("again", T.EXIT, "loop", "first tick stop")
    draft.fire("tick", T.DUE, "first tick stop", "loop")
    draft.fire(
        "stop", T.RECEIVE, "first tick stop", "ends done" if not loser else f"before {loser}"
    )
    draft.fire("drain", T.DRAIN, "first tick stop", "ends cancelled", "cancelling")
    draft.fire("gives up", T.DUE, "first tick stop", "ends failed")
    if loser:
        draft.place("won", P.BRANCH)
        draft.intent(loser, "irreversible", "won")
        draft.fire("wins", T.WINS, "won", "ends done")
    return draft


SOUND = {"hello": hello, "order": order, "join": join, "race": race}


@pytest.mark.parametrize("name", SOUND)
def test_nets_of_the_compiled_class_are_sound_safe_and_effect_safe(name: str) -> None:
    """Each hand-made net of the compiled class holds every default property, by exploration."""
    net = SOUND[name]().net()
    report = check(net)
    assert report.verdict is Answer.HOLDS, [v.why for v in report.properties]
    assert all(v.evidence is Evidence.EXPLORED for v in report.properties)
    assert not flaws(net)
    assert report.net_class.workflow_net
    assert report.net_class.safe


def violated(net: Net, name: str) -> Report:
    """Check one property, and that its witness is a run of the net to the marking it claims."""
    report = check(net, properties=[name])
    verdict = report[name]
    assert verdict.verdict is Answer.VIOLATED
    assert verdict.witness is not None
    assert replay(net, verdict.witness.firings) == verdict.witness.marking
    assert len(verdict.witness.names) == len(verdict.witness.firings)
    return report


def test_a_dead_transition_is_named() -> None:
    """A transition behind a place that is never fed makes the net unsound, and is named."""
    draft = hello()
    draft.fire("ghost", T.EXIT, "nowhere", "ends done")
    report = violated(draft.net(), "quasi_live")
    assert "ghost" in report["quasi_live"].why
    assert check(draft.net(), properties=["sound"]).verdict is Answer.VIOLATED
    assert any(f.rule == "a second source" for f in flaws(draft.net()))


def test_a_lock_is_found_with_the_shortest_run_to_it() -> None:
    """A step that leads to a place nobody takes from can not end."""
    draft = hello()
    draft.place("lock", P.WAITING)
    draft.fire("locks", T.RAISES, "before greet", "lock", site="greet")
    report = violated(draft.net(), "option_to_complete")
    run = report["option_to_complete"].witness
    assert run is not None
    assert run.names == ("begin", "locks")
    assert "lock" in run.marking


def test_a_livelock_is_found_though_something_can_always_fire() -> None:
    """A loop without a way out violates the option to complete."""
    draft = Draft("before poll")
    draft.step("poll", "before poll")
    report = violated(draft.net(), "option_to_complete")
    assert "never end from here (much may" in report["option_to_complete"].why


def test_a_left_over_token_is_found_at_the_end() -> None:
    """A token that stays behind when the case has ended violates proper completion."""
    draft = hello()
    draft.place("waste", P.BRANCH)
    draft.fire("litters", T.STEP, "before greet", "ends done, waste", site="greet")
    report = violated(draft.net(), "proper_completion")
    assert "waste still holds a token" in report["proper_completion"].why


def test_an_unsafe_net_is_found_and_the_rest_is_not_guessed() -> None:
    """Two tokens in one place are shown by a counted replay; what lies behind is inconclusive."""
    draft = hello()
    draft.place("inbox", P.WAITING)
    draft.fire("more", T.RECEIVE, "before greet", "before greet, inbox")
    report = violated(draft.net(), "safe")
    run = report["safe"].witness
    assert run is not None
    assert run.marking["inbox"] == 2
    completion = check(draft.net(), properties=["quasi_live"])["quasi_live"]
    assert completion.verdict in (Answer.HOLDS, Answer.INCONCLUSIVE)


def test_a_step_that_may_fail_after_the_pivot_is_pd301() -> None:
    """The finding names the pivot and the failing step, and tells the run along the lines."""
    net = order(after_pivot="bounded").net()
    report = check(net)
    assert report["pivot_last"].verdict is Answer.VIOLATED
    [found] = [f for f in report.findings if f.code == "PD301"]
    assert found.sites == ("charge", "ship")
    assert found.span == net.site["ship"].span
    assert found.related == (net.site["charge"].span,)
    assert found.witness is not None
    told = [str(stop) for stop in found.witness.walk]
    assert "line 11: `charge` lands" in told
    assert "line 12: `ship` fails for good" in told
    assert "undoing saga" in found.witness.marking
    assert replay(net, found.witness.firings) == found.witness.marking


def test_every_step_after_the_pivot_gets_its_own_pd301() -> None:
    """Two steps that may fail after the pivot are two findings at once."""
    draft = order(after_pivot="bounded")
    draft.fire("ship packs", T.STEP, "before ship", "before pack", site="ship")
    draft.step("pack", "leave well", "leave badly", "$undo")
    found = [f for f in check(draft.net()).findings if f.code == "PD301"]
    assert {f.sites[1] for f in found} == {"ship", "pack"}


def test_an_explicit_raise_after_the_pivot_is_pd301() -> None:
    """A `raise` in the author's code fails the saga as a step does."""
    draft = order()
    draft.fire("if too late", T.EXIT, "decide", "leave badly", span=line(13))
    draft.fire("ship checks", T.STEP, "before ship", "decide", site="ship")
    [found] = [f for f in check(draft.net()).findings if f.code == "PD301"]
    assert "raised after `charge`" in found.message


def test_a_failure_that_is_handled_inside_the_saga_is_no_failure_of_it() -> None:
    """Where the exception of a step is caught, the saga is left well, and nothing is found."""
    draft = order()
    draft.fire("ship raises", T.RAISES, "before ship", "leave well", site="ship")
    assert not check(draft.net()).findings


def test_a_cancel_that_drains_after_the_pivot_is_pd301() -> None:
    """A drain behind the pivot (a compiler's mistake: it must be shielded) is found as well."""
    draft = order()
    draft.fire("ship drains", T.DRAIN, "before ship", "leave cancelled", "cancelling", "ship")
    [found] = [f for f in check(draft.net()).findings if f.code == "PD301"]
    assert "cancelling may undo" in found.message


def test_a_saga_step_without_undo_is_pd302_and_its_doubt_pd306() -> None:
    """What cannot be undone does not belong in a saga; a doubt without a way out is warned of."""
    draft = order(undo="")
    draft.sites[0] = replace(draft.sites[0], probe=False)
    codes = [f.code for f in check(draft.net()).findings]
    assert codes == ["PD302", "PD306"]
    assert "nothing can undo it" in violated(draft.net(), "undo_complete")["undo_complete"].why
    draft = order(undo="result")
    assert not check(draft.net()).findings


def test_irreversible_steps_without_a_probe_are_counted_in_one_pd402() -> None:
    """One warning per workflow says how many decisions a crash may cost."""
    draft = order()
    draft.sites[1] = replace(draft.sites[1], probe=False)
    report = check(draft.net())
    [found] = report.findings
    assert (found.code, str(found.severity)) == ("PD402", "warning")
    assert found.message.startswith("1 irreversible step has no probe")
    assert report.verdict is Answer.HOLDS


def test_an_irreversible_branch_of_a_race_is_pd307() -> None:
    """The winner's place fed directly by an irreversible step is refused."""
    assert "PD307" in [f.code for f in check(race(loser="charge").net()).findings]


def test_a_retried_irreversible_step_is_pd401() -> None:
    """RETRY at an irreversible site is refused, although a refusal did not land."""
    draft = order()
    draft.fire("charge retry", T.RETRY, "during charge", "before charge", site="charge")
    assert "PD401" in [f.code for f in check(draft.net()).findings]


@pytest.mark.parametrize(
    ("take", "put", "says"),
    [
        ("during charge", "before charge", "called again"),
        ("in doubt charge", "before charge", "called again"),
        ("after charge", "before charge", "called again"),
        ("after charge", "in doubt charge", "lands a second time"),
        ("before charge", "in doubt charge", "without an intent"),
    ],
)
def test_a_second_call_or_landing_of_an_irreversible_step_is_found(
    take: str, put: str, says: str
) -> None:
    """Each way around the intent's protocol, planted as a crash, is refuted with a run."""
    draft = order()
    draft.fire("planted", T.CRASH, take, put, site="charge")
    report = violated(draft.net(), "irreversible_at_most_once")
    assert says in report["irreversible_at_most_once"].why


def test_an_irreversible_step_in_a_loop_is_a_new_occurrence_each_time() -> None:
    """Going round a loop calls the step again, lawfully."""
    draft = Draft("before charge")
    draft.intent("charge", "irreversible", "loop")
    draft.fire("again", T.EXIT, "loop", "before charge")
    draft.fire("enough", T.EXIT, "loop", "ends done")
    assert check(draft.net())["irreversible_at_most_once"].verdict is Answer.HOLDS


@pytest.mark.parametrize(
    ("kind", "take", "put"),
    [
        (T.RAISES, "before ship, in saga", "ends failed"),
        (T.EXIT, "undoing saga", "ends failed"),
    ],
)
def test_a_way_out_of_a_saga_past_its_undo_is_found(
    kind: TransitionKind, take: str, put: str
) -> None:
    """A saga left sideways, or an undoing cut short, violates `undo_complete`."""
    draft = order()
    draft.fire("sideways", kind, take, put)
    violated(draft.net(), "undo_complete")


def test_an_undo_forgotten_by_the_compiler_is_found() -> None:
    """A compensatable step whose undo has no transition violates `undo_complete`."""
    draft = order()
    draft.transitions = [t for t in draft.transitions if t.kind is not T.UNDO]
    assert "undoes `reserve`" in violated(draft.net(), "undo_complete")["undo_complete"].why


def test_a_wrong_witness_can_not_be_made() -> None:
    """Replay refuses a run that the net does not have, and says where."""
    net = hello().net()
    begin = next(k for k, t in enumerate(net.transitions) if t.kind is T.BEGIN)
    with pytest.raises(NotAFiring) as refused:
        replay(net, [begin, begin])
    assert (refused.value.position, refused.value.missing) == (1, "start")


def test_every_path_of_the_search_replays_to_its_state() -> None:
    """Masks and counted tokens agree on every reachable marking, under both rules."""
    for make in SOUND.values():
        net = make().net()
        plain, atomic = (explore(Control(net, atomic=flag), Limits()) for flag in (False, True))
        for space in (plain, atomic):
            for number, state in enumerate(space.states):
                assert replay(net, space.path(number)) == dict(
                    sorted(space.control.marking(state).items())
                )
        assert set(atomic.states) <= set(plain.states)


def test_a_cycle_of_vanishing_places_is_a_structural_flaw() -> None:
    """A loop with no resting place would spin inside one firing."""
    draft = hello()
    draft.fire("spin", T.EXIT, "round", "round 2")
    draft.fire("spin back", T.EXIT, "round 2", "round")
    draft.fire("into", T.STEP, "before greet", "round")
    assert any(f.rule == "spins inside one firing" for f in flaws(draft.net()))
    assert check(draft.net(), properties=["structure"]).verdict is Answer.VIOLATED
