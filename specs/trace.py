"""A stored log as a run of the proved protocol: for each record the steps of the protocol that it
stands for are taken, with those that must have come before it and leave no record.

What the protocol permits keeps all its promises, for that is what is proved of it (`proofs/`); so
a log that is refused here is one that the proofs do not speak of. One record may stand for several
records of the protocol: a landing that ends a saga is `landed` and `keep`, committed together.

Where nobody looked while the log grew (`watched` is false), the unseen is taken to have happened as
it must have: a call that is told as landed left and landed, a worker that lost an execution had let
it go. Where somebody did (`binding.py`), calls, landings, undos, fences and mail come from outside,
and what is told of a refusal, a probe or an undo needs that answer of its receiver. That the
receiver has closed the attempt for good is still taken from the record, and what a person says is
believed. Who is to be blamed for what is not known here.

Not bound, since no log shows it: which worker an idempotent call came from, when a worker read its
mail, and whether an irreversible step lies in a saga. A saga inside a saga turns, and is left, with
the one around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .asking import ANSWERS, Asking, of_people
from .game import Game, Net
from .protocol.plain import Play
from .protocol.shape import (
    CLOSED,
    COMPENSATABLE,
    DECLINED,
    DOUBT,
    IRREVERSIBLE,
    NOT_CALLED,
    OPEN,
    PLAIN,
    TRANSACTIONAL,
    UNDER_WAY,
)  # fmt: skip
from .unbound import AFTER_THE_END, CANCEL, DESK, Order, Unbound, may_take, must_take

E = "the execution"
_CLASS = {
    "irreversible": IRREVERSIBLE, "compensatable": COMPENSATABLE, "transactional": TRANSACTIONAL,
}  # fmt: skip
_CLOSES = ("refused", "retry", "voided", "undid")
_STARTED, _FINISHED = 0, 11


class _Effect(NamedTuple):
    """One logical occurrence of a call."""

    name: str
    site: str
    saga: str
    stack: str


class Trace:
    """The log of one execution, told to the protocol; raises `Refused`, `Lawless`, `Unbound`."""

    def __init__(self, net: Net, *, watched: bool) -> None:
        self.net, self.watched = net, watched
        self.play = Play()
        self.play.add("E", E)
        self.asking = Asking(self.play, E)
        self.order = Order()
        self.game: Game | None = None
        self._records = 0  # of the protocol, beside the root
        self._effects: dict[str, _Effect] = {}  # site -> what its latest intent is about
        self.intents: dict[str, str] = {}  # effect key -> record of the protocol
        self._of_key: dict[str, _Effect] = {}
        self._latest: dict[str, str] = {}  # effect -> record of its latest intent
        self._causes: dict[str, int] = {}  # effect -> seq of its intent
        self._inside: dict[str, list[_Effect]] = {}  # saga -> its effects
        self._sagas: dict[str, list[str]] = {}  # stack -> its saga, and those handed over to it
        self._timers: dict[str, dict[str, str]] = {}  # place -> site -> timer
        self._unread: dict[str, tuple[int, str]] = {}  # message -> number, channel
        self._taken = 0  # messages
        self._late = set[int]()  # messages that came after the end
        self._writers: dict[int, str] = {}  # tenure -> worker
        self._names = 0

    # --- what happens beside the log --------------------------------------------------------------

    def fenced(self, session: int) -> None:
        """A session was ended by somebody."""
        self.play.take("fence", self._worker(session))

    def claimed(self, session: int, tenure: int) -> None:
        """A session took the execution over."""
        while self.tenure < tenure - 1:  # by somebody who then wrote nothing
            somebody = self._worker(-self.tenure - 1)
            self._claim(somebody)
            self.play.take("release", somebody, E)
        worker = self._worker(session)
        self._claim(worker)
        self._writers[self.tenure] = worker

    def released(self, wake: int | None, now: int) -> None:
        """Its owner let it go, until a moment; one that has come is no sleep, nor is a stall."""
        state = self.play.state
        if not state.owned(E):
            return
        owner = state.owner(E)
        if self.order.stalled or (wake is not None and wake <= now):
            self.play.take("release", owner, E)
            return
        self.play.take("read_mail", owner, E)
        self.play.take("park", owner, E, wake is not None, wake or 0)

    def arrived(self, number: int, channel: str) -> None:
        """A message was accepted; what comes after the end is told to people only."""
        if channel == AFTER_THE_END and self.play.state.ends(self._head):
            self._late.add(number)
            return
        x = self.play.add("X", f"message {number}")
        self.play.set("address", (x,), E)
        self._unread[x] = number, channel
        self._hear()
        self.play.take("send", x)

    def called(self, site: str, key: str) -> None:
        """The request of an intent left, or an idempotent one."""
        if self.net.sites[site]["effect"] == "idempotent":
            self.asking.plain(self.game, site, key)
            return
        if key not in self.intents:
            raise Unbound(f"{site} is called as {key}, and no intent says so")
        self.play.take("call", self.intents[key])

    def undoing(self, site: str, key: str) -> None:
        """An undo left."""
        if key not in self.intents:
            raise Unbound(f"{site} is undone as {key}, and no intent says so")
        self.asking.undo(self._of_key[key].name, key, blind=self._blind(site))

    def landed(self, key: str) -> None:
        """A request had its effect."""
        self.play.take("land", self.intents[key])

    def undone(self, key: str) -> None:
        """An effect was taken back outside, by somebody whose log permits it."""
        effect = self._of_key[key]
        workers = [w for w in self.play.logic.things["S"] if self.play.state.held(w, E)]
        able = [w for w in workers if not self.play.unmet("undo_outside", w, effect.name)]
        self.play.take("undo_outside", (able or workers)[-1], effect.name)

    def hold(self, row: Mapping[str, Any]) -> None:
        """Hold the row of the execution against the state that the records lead to."""
        state = self.play.state
        owner = state.owner(E) if state.owned(E) else "nobody"
        said = "nobody" if row["owner"] is None else f"session {row['owner']}"
        if owner != said:
            raise Unbound(f"{said} has it, and by the records {owner}")
        stalled, ended = row["status"] == "stalled", state.ends(self._head)
        if stalled and not self.order.stalled:
            raise Unbound("it is marked as stalled, and the last record is no stall")
        if (row["status"] in ("done", "failed", "cancelled")) is not ended:
            raise Unbound(f"it is marked as {row['status']}, and the log says otherwise")
        at_rest = not (state.owned(E) or ended or self.order.stalled)
        if at_rest and state.wakes(E) and row["wake_at"] is None:
            raise Unbound("it never wakes, and has something to wake for")

    def compare(self, unread: set[int]) -> None:
        """Hold the inbox that is stored against the one that the records lead to."""
        known = {number for number, _ in self._unread.values()}
        for number in (unread - self._late) ^ known:
            said = "unread" if number in unread else "consumed"
            raise Unbound(f"message {number} is marked as {said}, and the log says otherwise")

    @property
    def tenure(self) -> int:
        """The one in force."""
        return self.play.state.tenure(E)

    # --- the log ----------------------------------------------------------------------------------

    def record(self, row: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """The next record."""
        self.order.follow(row, body)
        if row["tenure"] > self.tenure:
            self.claimed(body.get("s", 0), row["tenure"])
        if "s" in body and self._writers.get(row["tenure"]) != self._worker(body["s"]):
            raise Unbound(f"session {body['s']} writes, and {self._writers[row['tenure']]} has it")
        if row["at"] != self.play.state.now():
            self.play.take("tick", row["at"])
        if row["kind"] == _STARTED:
            self.game = Game(self.net, body["i"], row["at"], body.get("key", ""))
            return
        worker = self._writers[row["tenure"]]
        if self.play.state.seen(worker, E) != self.play.state.mail(E):
            self.play.take("read_mail", worker, E)
        said = 0
        for action, thing in self._steps(row, body, worker):
            self._write(action, worker, thing)
            said += 1
        if not said:
            self._write("other", worker, E)
        self._hear()

    def _write(self, action: str, worker: str, thing: str) -> None:
        self._records += 1
        record = self.play.add("T", f"record {self._records}")
        self.play.take(f"submit_{action}", record, worker, thing)
        self.play.take("apply", record)
        self.play.take("ack", record)

    def _steps(
        self, row: Mapping[str, Any], body: Mapping[str, Any], worker: str
    ) -> Iterator[tuple[str, str]]:
        """What a record says in the words of the protocol, one by one as they are asked for."""
        if body.get("m"):
            yield from self._takes(row, f"message {body['m']}")
        elif must_take(self.net, row):
            raise Unbound("it takes a message and does not say which")
        if row["kind"] == _FINISHED:
            yield "finish", E
            self._ended(body)
        number: int = row["transition"]
        if number >= 0:
            assert self.game is not None
            told, before = self.net.transitions[number], dict(self.game.marking)
            key = self.game.next.get(told["site"], "")
            gone = self.game.fire(number, row["seq"], row["at"], body)
            yield from self._about(told, body, worker, row["seq"], key)
            yield from self._scopes(gone)
            yield from self._waits(told, before)

    def _takes(self, row: Mapping[str, Any], message: str) -> Iterator[tuple[str, str]]:
        if not self.play.state.accepted(message):
            raise Unbound(f"{message} is taken, and never came")
        number, channel = self._unread.pop(message, (0, ""))
        if number and channel not in may_take(self.net, row):
            raise Unbound(f"{message} of {channel!r} is taken by what waits for another")
        yield "consume", message
        self._taken += 1
        self.play.drop("X", message)

    def _ended(self, body: Mapping[str, Any]) -> None:
        """The end is that of the net, and knew every message; evidence may come behind it."""
        assert self.game is not None
        if body["status"] != self.game.end:
            raise Unbound(f"it is told as {body['status']}, and the net is {self.game.end}")
        known = self._taken + body.get("unread", 0)
        for message, (number, channel) in self._unread.items():
            if number > known and channel != AFTER_THE_END:
                raise Unbound(f"it ended without {message}, which had come")

    # --- effects ----------------------------------------------------------------------------------

    def _about(
        self, told: Mapping[str, Any], body: Mapping[str, Any], worker: str, seq: int, key: str
    ) -> Iterator[tuple[str, str]]:
        kind, site = told["kind"], told["site"]
        if kind == "intent":
            yield from self._intent(site, body["k"], seq, key)
        elif kind in ("step", "raises"):
            yield from self._without_intent(site, kind, key)
        elif kind == "crash":
            yield "doubt", self._effects[site].name
            self.asking.doubted.add(self._key(site))
        elif kind in ("landed", "settled"):
            self._learn_landed(worker, self._effects[site])
            yield "landed", self._effects[site].name
            if not self._effects[site].stack:
                self._forget(self._effects.pop(site))
        elif kind in _CLOSES:
            self._learn_closed(worker, self._effects[site], kind)
            self._answered(kind, site, self._key(site), body)
            yield "closed", self._effects[site].name
        elif kind == "undo":
            effect = self._of_key[body["k"]]
            if not body.get("stands"):
                self._learn_undone(worker, effect.name)
                self._answered(kind, site, body["k"], body)
            yield ("stand" if body.get("stands") else "undone"), effect.name
            self.asking.undoable.add(body["k"])

    def _key(self, site: str) -> str:
        """The key of its latest intent."""
        assert self.game is not None
        return self.game.keys[site]

    def _answered(self, kind: str, site: str, key: str, body: Mapping[str, Any]) -> None:
        """What is told was answered so outside, unless a person says it."""
        if self.watched and not of_people(body):
            self.asking.require(*ANSWERS[kind], key, f"{site or key} is told as {kind}")

    def _intent(self, site: str, key: str, seq: int, due: str) -> Iterator[tuple[str, str]]:
        if key in self.intents:
            raise Unbound(f"{key} is the key of two intents")
        if due and key != due:
            raise Unbound(f"{key} is the key of an intent, and {due} was due")
        effect = self._effects.get(site)
        if effect is None or self._phase(effect.name) not in (OPEN, DOUBT, CLOSED):
            effect = self._effects[site] = self._new_effect(site, seq)
        yield "intent", effect.name
        self.intents[key] = self._latest[effect.name] = f"record {self._records}"
        self._of_key[key] = effect

    def _new_effect(self, site: str, seq: int) -> _Effect:
        told = self.net.sites[site]
        stack = told["saga"]
        saga = self._sagas[stack][0] if stack else self._name("saga")
        name = self._name(site)
        kind = _CLASS.get(told["effect"], PLAIN)
        self.play.effect(name, E, saga, kind, probed=not self._blind(site))
        if stack:
            assert self.game is not None
            past = self.game.stacks[stack][-1].past
            for other, intent in self._causes.items():
                if past >> intent & 1:
                    self.play.set("rests", (name, other), True)
            self._causes[name] = seq
        effect = _Effect(name, site, saga, stack)
        self._inside.setdefault(saga, []).append(effect)
        return effect

    def _blind(self, site: str) -> bool:
        """In doubt it is undone without knowing."""
        told = self.net.sites[site]
        return told["undo"] == "unknown" and not told["probe"]

    def _without_intent(self, site: str, kind: str, key: str) -> Iterator[tuple[str, str]]:
        """An outcome is the last that is heard of such a call."""
        told = self.net.sites[site]["effect"]
        transactional = told == "transactional"
        if transactional and kind == "raises":  # nothing was written
            return
        asked = self.asking.outcome(key) if told == "idempotent" else None
        if self.watched and told == "idempotent" and kind == "step" and asked is None:
            raise Unbound(f"{site} is told as done, and was never called as {key}")
        effect = _Effect(asked or self._name(site), site, f"the saga of {asked}", "")
        if asked is None:
            number = TRANSACTIONAL if transactional else PLAIN
            self.play.effect(effect.name, E, effect.saga, number)
        yield ("written" if transactional else "fired"), effect.name
        self._forget(effect)

    def _learn_landed(self, worker: str, effect: _Effect) -> None:
        record, attempt = self._attempt(effect.name)
        if not self.watched:
            self._reached(record)
            if self.play.state.request(record) == UNDER_WAY:
                self.play.take("land", record)
        self.play.take("learn_landed", worker, effect.name, attempt)

    def _learn_closed(self, worker: str, effect: _Effect, kind: str) -> None:
        record, attempt = self._attempt(effect.name)
        if kind == "voided":
            self.play.take("learn_void", worker, effect.name, attempt)
        elif kind == "undid":
            self._learn_undone(worker, effect.name)
        else:
            if not self.watched:
                self._reached(record)
            if self.play.state.request(record) != DECLINED:
                self.play.take("decline", record)
            self.play.take("learn_declined", worker, record)

    def _reached(self, record: str) -> None:
        if self.play.state.request(record) == NOT_CALLED:
            self.play.take("call", record)

    def _learn_undone(self, worker: str, f: str) -> None:
        """Whoever undoes what was undone before finds nothing left to undo, and knows it then."""
        _, attempt = self._attempt(f)
        stands = self.play.state.stands(f, attempt)
        if not (self.watched and stands):
            self.play.take("undo_outside", worker, f)

    def _attempt(self, f: str) -> tuple[str, int]:
        """The record of the latest intent of an effect, and which attempt it is."""
        return self._latest[f], self.play.state.tries(self._head, f)

    @property
    def _head(self) -> str:
        state = self.play.state
        return state.entry(E, state.length(E) - 1)

    def _phase(self, f: str) -> int:
        return self.play.state.phase(self._head, f)

    # --- sagas, timers, mail ----------------------------------------------------------------------

    def _scopes(self, gone: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """What a firing did to sagas, in its order."""
        for told in gone:
            op, stack = told["stack_op"], told["stack"]
            if op == "open":
                self._open(stack)
            elif op == "hand over":
                self._sagas[told["outer_stack"]] += self._sagas.pop(stack)
            elif op == "forget":
                yield from self._left("keep", stack)
            elif told["kind"] == "undone":
                yield from self._left("clear", stack)
            for place in told["put"]:
                if self.net.kinds[place] == "undoing" and place not in told["take"]:
                    for saga in self._sagas[self._stack_of(place)]:
                        yield "turn", saga

    def _open(self, stack: str) -> None:
        saga = self._sagas[stack] = [self.play.add("G", self._name("saga"))]
        self.play.set("saga_home", (saga[0],), E)
        for site, effect in [*self._effects.items()]:
            if effect.stack == stack:
                del self._effects[site]

    def _left(self, action: str, stack: str) -> Iterator[tuple[str, str]]:
        for saga in self._sagas.pop(stack):
            yield action, saga
            self.play.drop("G", saga)
            for effect in self._inside.pop(saga, ()):
                self._forget(effect)

    def _stack_of(self, place: str) -> str:
        return next(t["stack"] for t in self.net.leaving[place] if t["kind"] == "undone")

    def _waits(
        self, told: Mapping[str, Any], before: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        """Timers that were left, and those that are waited for from now on."""
        assert self.game is not None
        marking = self.game.marking
        for place in [p for p in self._timers if marking.get(p) is not before.get(p)]:
            for site, timer in self._timers.pop(place).items():
                due = told["kind"] == "due" and told["site"] == site and place in told["take"]
                yield ("due" if due else "drop"), timer
                self.play.drop("D", timer)
        for place, token in marking.items():
            if token is before.get(place):
                continue
            for way in self.net.leaving[place]:
                if way["kind"] == "due":
                    timer = self._armed(place, way["site"], self.game.moment(way["site"], token))
                    yield "arm", timer

    def _armed(self, place: str, site: str, due: int) -> str:
        timer = self.play.add("D", self._name(site))
        self.play.set("timer_home", (timer,), E)
        self.play.set("due", (timer,), due)
        self._timers.setdefault(place, {})[site] = timer
        return timer

    def _hear(self) -> None:
        """Say of each unread message whether it is waited for; who is stalled hears nothing."""
        if self.game is None or self.order.stalled or not self._unread:
            return
        channels = {
            self.net.sites[way["site"]]["target"]
            for place in self.game.marking
            for way in self.net.leaving[place]
            if way["kind"] == "receive"
        } | {CANCEL, DESK}
        for message, (_, channel) in self._unread.items():
            self.play.set("hears", (self._head, message), channel in channels)

    # --- things -----------------------------------------------------------------------------------

    def _worker(self, session: int) -> str:
        name = f"session {session}" if session > 0 else f"somebody {-session}"
        if name not in self.play.logic.things["S"]:
            self.play.take("register", self.play.add("S", name))
        return name

    def _claim(self, worker: str) -> None:
        state = self.play.state
        if state.owned(E) and not (self.watched or state.fenced(state.owner(E))):
            self.play.take("release", state.owner(E), E)
        self.play.take("claim", worker, E, True)

    def _name(self, of: str) -> str:
        self._names += 1
        return f"{of} #{self._names}"

    def _forget(self, effect: _Effect) -> None:
        """Nothing can happen to it any more: what is asked of all effects is not asked of it."""
        self.play.drop("F", effect.name)
        if not effect.stack:
            self.play.drop("G", effect.saga)
            self._inside.pop(effect.saga, None)
        self._causes.pop(effect.name, None)
