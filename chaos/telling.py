"""The story of one history, for the author of the workflow: what happened, at which line of theirs.

A told history is an ordinary one that notes what it sees on the way; it decides nothing. What is
wrong with it is judged elsewhere (`judging.py`).
"""

from __future__ import annotations

import json
import linecache
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ..model.language.bodies import where_is
from ..model.net import Net, Span, TransitionKind
from ..specs.game import Game
from ..specs.game import Net as Stored
from ..specs.oracle import Rows
from .bodies import Bodies, Performed
from .choices import Replay
from .fakes import Place
from .faults import Boundary, Edge, Kind
from .history import Flow, History
from .judging import Finding
from .outside import Outside
from .scripts import Script
from .trial import Cause, Faults, Stage, Subject
from .troubles import Trouble, Woe
from .wild_trial import Draw, TheirHistory, Wild, wild

_NOWHERE = Place("", 0)
_STARTED, _FINISHED, _CLAIMED, _STALLED = 0, 11, 12, 13


class Happening(NamedTuple):
    """One thing that happened: when, what, at which line, and where the tokens rest then."""

    seconds: float
    says: str
    where: Place
    marking: tuple[str, ...]


class Teller:
    """Notes what happens in a history of a subject; `passed` tells the seconds since its start."""

    def __init__(self, subject: Subject, bodies: Outside, passed: Callable[[], float]) -> None:
        assert isinstance(bodies, Bodies)
        self.subject, self.net = subject, subject.program.net
        self.happenings: list[Happening] = []
        self._bodies, self._passed = bodies, passed
        self._game: Game | None = None
        self._record_count = 0
        self._keys: Counter[str] = Counter()
        bodies.noted, bodies.arrived = self._happened, self._arrived

    def tell(self, says: str, where: Place = _NOWHERE) -> None:
        """Something happens."""
        marking = () if self._game is None else tuple(sorted(self._game.marking))
        self.happenings.append(Happening(self._passed(), says, where, marking))

    def begins(self, process: int) -> None:
        """A worker begins."""
        if process == 1:
            self.tell(f"worker 1 starts {self.subject.name}", _place(self.subject.where))
        else:
            self.tell(f"worker {process} opens the same database and goes on")

    def _happened(self, name: str, where: Place) -> None:
        self.tell(f"in the world: {name}", where)

    def _arrived(self, request: Performed) -> None:
        told, step = request.told, request.invocation.step
        where = _line(self.net.site[told.site].span)
        if told.role == "probe":
            self.tell(f"the probe of {step.name} is asked what became of it", where)
        elif told.role == "undo":
            self.tell(f"the undo of {step.name} is called", where)
        else:
            self._keys[told.key] += 1
            again = self._keys[told.key] > 1
            with_key = " again, with the same effect_key()" if again else ""
            shown = ", ".join(_short(value) for value in request.invocation.arguments)
            self.tell(f"{step.name}({shown}) is called{with_key}", where)

    def struck(self, process: int, boundary: Boundary, kind: Woe) -> None:
        """Something goes wrong for a worker."""
        role, _, name = boundary.operation.partition(" ")
        site = self.net.site.get(name) if boundary.port == "world" else None
        where = _NOWHERE if site is None else _line(site.span)
        if role == "inside":
            where = self._bodies.at
        self.tell(struck(process, boundary, kind), where)

    def records(self, log: Sequence[Mapping[str, Any]], definition: bytes | str) -> None:
        """Records of the execution are durable; those that are new are told."""
        for row in log[self._record_count :]:
            self._record_count += 1
            body: dict[str, Any] = json.loads(row["body"])
            kind, number = row["kind"], row["transition"]
            if kind == _STARTED:
                self._game = Game(Stored(json.loads(definition)["net"]), body["i"], row["at"])
            elif kind not in (_FINISHED, _CLAIMED, _STALLED) and number >= 0:
                assert self._game is not None
                self._game.fire(number, row["seq"], row["at"], body)
            self.tell(*recorded(self.net, kind, number, body))


class Told(History):
    """A history of single faults that notes everything that happens in it."""

    def __init__(self, subject: Subject, flow: Flow, path: Path, faults: Faults) -> None:
        super().__init__(flow, path, *faults)
        self._process_count = 0
        self.teller = Teller(subject, self.outside, lambda: self.time.passed)
        self.gate.met = lambda boundary, kind: self.teller.struck(
            self._process_count, boundary, kind
        )

    def _begin(self) -> None:
        self._process_count += 1
        self.teller.begins(self._process_count)
        super()._begin()

    def judge(self, point: str) -> None:
        """Judge it as ever, and tell the records that are new."""
        super().judge(point)
        rows = [dict(row) for row in self._eye.execute("SELECT * FROM log ORDER BY seq")]
        if rows:
            found = self._eye.execute("SELECT body FROM definition").fetchone()[0]
            self.teller.records(rows, found)


_UNTOLD = ("BROKEN", "DEFECT", "everything has settled")  # what is wrong is said elsewhere


class WildTold(TheirHistory):
    """A random history that notes everything that happens in it."""

    def __init__(self, subject: Subject, one: Wild, script: Script) -> None:
        super().__init__(one.flow, one.database, Draw(Replay(()), script=script), told=True)
        (outside,) = self._outsides.values()
        self.teller = Teller(subject, outside, lambda: self.time.passed)

    def tell(self, what: str) -> None:
        """Write down what happens."""
        if not what.startswith(_UNTOLD):
            self.teller.tell(what)

    def begins(self, number: int, machine: int) -> None:
        """Write down that a worker begins."""
        self.teller.begins(number)

    def struck(self, number: int, woe: Woe, where: str) -> None:
        """Write down what goes wrong for a worker."""
        last = next(one for one in reversed(self.script.mishaps) if one.kind == woe)
        self.teller.struck(number, last.boundary, woe)

    def _tell_records(self, rows: Rows) -> None:
        if rows["log"]:
            self.teller.records(rows["log"], rows["definition"][0]["body"])


_RECORDS = {
    TransitionKind.BEGIN: "the workflow begins",
    TransitionKind.STEP: "durable: the outcome of {0}",
    TransitionKind.RAISES: "durable: {0} failed for good",
    TransitionKind.INTENT: "durable: the intent to call {0}",
    TransitionKind.LANDED: "durable: {0} has landed",
    TransitionKind.REFUSED: "durable: {0} was refused",
    TransitionKind.CRASH: "{0} is in doubt: nobody knows whether it landed",
    TransitionKind.SETTLED: "durable: {0} has landed, by its probe, late evidence or a person",
    TransitionKind.VOIDED: "durable: {0} has not landed, and its key is closed",
    TransitionKind.UNDID: "durable: {0} was undone, whatever it was",
    TransitionKind.UNDO: "durable: an undo",
    TransitionKind.DUE: "the time has come",
    TransitionKind.RECEIVE: "a message is taken",
}


def recorded(net: Net, kind: int, number: int, body: dict[str, Any]) -> tuple[str, Place]:
    """A record in words, and its line."""
    beside = {
        _STARTED: "durable: the execution is started",
        _FINISHED: f"durable: the end, {body.get('status', '')}",
        _CLAIMED: "it is claimed by another worker",
        _STALLED: "it stalls",
    }
    if kind in beside:
        return beside[kind], _NOWHERE
    if number < 0:
        return "a message that changes nothing", _NOWHERE
    told = net.transitions[number]
    site = net.site[told.site] if told.site else None
    says = _RECORDS.get(told.kind, f"durable: {told.name}").format(told.site)
    return says, _line(told.span if site is None else site.span)


_SIDES = {
    ("step", Edge.BEFORE): "before {0} is called",
    ("step", Edge.AFTER): "after {0} has landed, before its outcome is durable",
    ("probe", Edge.BEFORE): "before the probe of {0} is asked",
    ("probe", Edge.AFTER): "after the probe of {0} has answered",
    ("undo", Edge.BEFORE): "before the undo of {0} is called",
    ("undo", Edge.AFTER): "after the undo of {0}, before it is durable",
}
_KINDS: Mapping[Woe, str] = {
    Kind.CRASH: "worker {0} dies {1}",
    Kind.CRASH_SENT: "worker {0} dies {1}, and the request is on its way all the same",
    Kind.STOPPED: "worker {0} stands still {1}, and wakes when another has taken over",
    Kind.ASLEEP: "worker {0} stands still {1}, and wakes when all is over",
    Kind.NOT_COMMITTED: "worker {0} gets no answer {1}: nothing was committed",
    Kind.COMMITTED: "worker {0} gets no answer {1}: it was committed",
    Kind.RAISES: "the connection fails {1}",
    Kind.LANDS_AND_RAISES: "the answer is lost {1}",
    Kind.HANGS: "the call hangs {1}, is given up, and lands later",
    Kind.CANCELLED: "somebody cancels the execution {1}",
    Trouble.SLOW: "the store is slow for worker {0} {1}",
    Trouble.BUSY: "somebody else holds the write lock {1}",
    Trouble.UNAVAILABLE: "worker {0} cannot reach the store {1}",
    Trouble.LANDS_LATE: "worker {0} gets no answer {1}: it is committed later, if it still can be",
    Trouble.PAUSED: "worker {0} stands still {1}, and goes on after a while",
    Trouble.OUSTED: "worker {0} lives, and another takes its executions {1}",
    Trouble.WALL_JUMP: "the wall clock jumps {1}",
    Trouble.MONOTONIC_JUMP: "worker {0} has slept without knowing {1}: its lease runs out",
    Trouble.DELIVERED_LATE: "the request is delayed {1}",
    Trouble.BEATS_LOST: "the heartbeats of worker {0} are lost for a while",
    Trouble.PROBE_IN_DOUBT: "the probe cannot tell {1}",
    Trouble.PROBE_LATE: "the answer of the probe is delayed {1}",
    Trouble.MESSAGE_TWICE: "a message is sent twice",
    Trouble.MESSAGE_LATE: "a message is delayed",
}


def struck(process: int, boundary: Boundary, kind: Woe) -> str:
    """What goes wrong, in words."""
    return _KINDS[kind].format(process, _side(boundary))


_OPERATIONS = {
    "append": "a commit of records",
    "claim": "a claim",
    "handover": "a change of its session",
    "step commit": "the commit of a transactional step",
    "transaction": "the begin of a transactional step",
    "register": "it registers",
    "start": "the start is durable",
}


def _side(boundary: Boundary) -> str:
    role, _, site = boundary.operation.partition(" ")
    if boundary.port == "world" and role == "inside":
        return f"in the middle of {site.partition(' ')[2]}, before this line"
    if boundary.port == "world":
        return _SIDES[role, boundary.edge].format(site)
    if boundary.port == "store":
        what = _OPERATIONS.get(boundary.operation, f"its {boundary.operation!r} of the store")
        return f"{boundary.edge} {what}"
    return "while it waits"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _place(text: str) -> Place:
    file, _, line = text.rpartition(":")
    return Place(file, int(line)) if file else _NOWHERE


def _line(span: Span | None) -> Place:
    return _NOWHERE if span is None else Place(span.file, span.line)


def shown(place: Place) -> str:
    """The place as a person types it: from the working directory."""
    path = Path(place.file)
    if place.file and path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path.as_posix()}:{place.line}" if place.file else ""


def tell(subject: Subject, cause: Cause) -> list[Happening]:
    """Play one history once more, and tell it."""
    if isinstance(cause, Script):
        with wild(subject) as one:
            history = WildTold(subject, one, cause)
            subject.seen(history.run())
            return history.teller.happenings
    told: list[Told] = []

    def make(flow: Flow, path: Path) -> History:
        told.append(Told(subject, flow, path, cause))
        return told[0]

    with Stage(subject) as stage:
        stage.told(make)
    return told[0].teller.happenings


def story(subject: Subject, finding: Finding, happenings: Sequence[Happening]) -> str:
    """A failure as a short story: what is wrong, what led to it line by line, why, and the fix."""
    lines = [f"{subject.name}: {finding.says}", ""]
    lines += (f"  {shown_at(each)}" for each in happenings)
    step = next((s for s in subject.steps() if s.name == finding.step), None)
    where = shown(_place(where_is(step.fn))) if step is not None else ""
    lines += ["", f"  why  {finding.step + ': ' if finding.step else ''}{finding.why}"]
    lines += [f"  at   {where}"] if where else []
    return "\n".join([*lines, f"  fix  {finding.fix}"])


def shown_at(each: Happening) -> str:
    """A happening with its moment, and below it the line of the user's that it is about."""
    line = linecache.getline(each.where.file, each.where.line).strip() if each.where.file else ""
    where = shown(each.where)
    head = f"{moment(each.seconds):>9}  {each.says}"
    return f"{head}\n{'':13}{where}  {line}" if where else head


def moment(seconds: float) -> str:
    """Simulated time since the start, short."""
    if seconds < 3600:
        return f"{seconds:.2f} s"
    return str(timedelta(seconds=round(seconds))).replace(" days, ", "d ").replace(" day, ", "d ")
