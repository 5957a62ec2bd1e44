"""The net a workflow compiles to: places, transitions, call sites; a frozen value with a digest.

Theory. The net is a *safe* place/transition net with block structure: scopes (the workflow itself,
a saga, a fork) are tokens beside the body's token, and their colour (live, ending) is unfolded into
places, so the net that runs is the net that is checked. A place is *tangible* (a token may rest
there over a commit) or *vanishing* (passed inside one firing: glue, choices, loop heads). A
**firing** starts with one transition that leaves tangible places and goes on through vanishing
places until no token stands on one.

Nothing here knows how a workflow is written, and nothing here fires: see `marking.py` for the step
relation, `program.py` for the net together with the user's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import networkx as nx


class PlaceKind(StrEnum):
    """What a token that rests in a place is doing."""

    START = "start"  # nothing has happened yet
    BEFORE = "before"  # a call may start; classes without an intent stay here while it runs
    DURING = "during"  # an intent is durable, the call may be running
    DOUBT = "in doubt"  # an intent without an outcome: probe, else desk
    AFTER = "after"  # the outcome is durable, the code behind it has not run
    WAITING = "waiting"  # for a message or a moment, or the first of several
    SCOPE = "in"  # the live token of a scope, beside the body's tokens
    ENDING = "ending"  # the same scope once it is being left; and the token that says why
    BRANCH = "branch"  # a branch of a fork that has ended, raised or won
    UNDOING = "undoing"  # the undo stack is being worked off, last first
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    VANISHING = "vanishing"  # never marked between two firings


FINAL = frozenset({PlaceKind.DONE, PlaceKind.FAILED, PlaceKind.CANCELLED})


class TransitionKind(StrEnum):
    """What makes a transition fire; `AUTO` ones fire as soon as they are enabled."""

    BEGIN = "begin"  # start -> scope token and first place of the body
    STEP = "step"  # outcome of a call without an intent: before -> next
    RAISES = "raises"  # the call failed for good: before -> where the exception goes
    INTENT = "intent"  # before -> during; the call may start once this is durable
    LANDED = "landed"  # during -> after, with the result
    REFUSED = "refused"  # during -> where the exception goes: a declared refusal did not land
    RETRY = "retry"  # during -> before: refused, and attempts are left
    CRASH = "crash"  # during -> in doubt
    SETTLED = "settled"  # in doubt -> after: a probe, late evidence or a person knows the result
    VOIDED = "voided"  # in doubt -> before: the receiver refuses the old key from now on
    UNDID = "undid"  # in doubt -> before: an unknown attempt was undone
    GO_ON = "go on"  # after -> next
    RECEIVE = "receive"  # waiting -> next, takes one message of the site's channel
    DUE = "due"  # waiting -> next, the site's moment has passed
    CANCEL = "cancel"  # the scope of the workflow turns to ending, takes the cancel message
    DRAIN = "drain"  # a body token of an ending scope leaves: reads `ending`
    CASCADE = "cascade"  # an inner scope turns to ending because an outer one did
    FAILS = "fails"  # first branch that raised: the fork turns to ending
    FAILS_TOO = "fails too"  # a later branch that raised: a note of the first error
    WINS = "wins"  # first branch of a race that finished: the fork turns to ending
    TOO_LATE = "too late"  # a later one
    JOIN = "join"  # all branches have ended
    UNDO = "undo"  # undoing -> undoing: the top entry of the stack was undone
    UNDONE = "undone"  # undoing -> on; only when the stack is empty
    EXIT = "exit"  # leaves a vanishing place by the numbered exit of its glue


AUTO = frozenset(
    {
        TransitionKind.BEGIN,
        TransitionKind.GO_ON,
        TransitionKind.DRAIN,
        TransitionKind.CASCADE,
        TransitionKind.FAILS,
        TransitionKind.FAILS_TOO,
        TransitionKind.WINS,
        TransitionKind.TOO_LATE,
        TransitionKind.JOIN,
        TransitionKind.UNDONE,
    }
)


class StackOp(StrEnum):
    """What a transition does to the undo stack of a saga (variable `Transition.stack`)."""

    OPEN = "open"  # an empty stack: the saga is entered
    PUSH = "push"  # an intent of a compensatable step: entry (site, arguments, key), no result yet
    COMPLETE = "complete"  # its result is known
    DROP = "drop"  # the attempt did not land: the entry of this site and branch goes
    POP = "pop"  # the top entry was undone
    HAND_OVER = "hand over"  # the saga is left well: entries go to the enclosing saga's stack
    FORGET = "forget"  # the saga is left well and there is no enclosing one


class SiteKind(StrEnum):
    """What is called at a call site."""

    STEP = "step"
    TIMER = "timer"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Where in the user's file something comes from; lines from 1, columns from 0."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place. `frame` are the variables alive in a token that rests here, sorted."""

    name: str
    kind: PlaceKind
    frame: tuple[str, ...] = ()
    site: str = ""
    span: Span | None = None
    block: int = -1  # the node of the block tree it is drawn at

    @property
    def tangible(self) -> bool:
        return self.kind is not PlaceKind.VANISHING


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition: takes a token from each place of `take`, needs one in each of `read`.

    `exit` numbers the glue exit it stands for (kind EXIT with glue), the contender in `first` of
    waits (of two that are ready, the lower goes first), or the branch whose error becomes a note of
    the first (FAILS_TOO that takes both), else -1. `binds` is the variable that
    receives the result, the message or the exception.
    """

    name: str
    kind: TransitionKind
    take: tuple[str, ...]
    put: tuple[str, ...]
    read: tuple[str, ...] = ()
    exit: int = -1
    binds: str = ""
    site: str = ""
    stack_op: StackOp | None = None
    stack: str = ""  # the undo-stack variable concerned
    outer_stack: str = ""  # HAND_OVER: where the entries go
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """One call in the source: which step, timer or signal, and where its arguments rest in the
    frame.
    """

    name: str  # unique, readable: "charge_card", "charge_card 2"; part of effect keys
    kind: SiteKind
    target: (
        str  # step: module:qualname; signal: channel; timer: "sleep", "sleep_until", "after", "at"
    )
    effect: str = ""  # step: the effect class
    arguments: tuple[tuple[str, str], ...] = ()  # (parameter, variable)
    endless: bool = False  # step: Retry(attempts=None), so it cannot fail for good
    refuses: bool = False  # step: declares `refused=`
    probe: bool = False
    undo: str = ""  # "", "result" or "unknown" (the undo also takes None and the arguments)
    saga: str = ""  # the undo-stack variable of the innermost saga around it, if any
    span: Span | None = None


@dataclass(frozen=True)
class Net:
    """A compiled workflow without the user's code; identified by its digest.

    Transitions are kept in an order of their own, whatever order they are given in: a log names
    them by number, so nets of one digest must number them alike. Places and sites keep theirs.
    """

    name: str
    version: int
    places: tuple[Place, ...]
    transitions: tuple[Transition, ...]
    sites: tuple[Site, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict[str, str])  # variable -> type, in words
    classes: Mapping[str, str] = field(default_factory=dict[str, str])  # class -> its fields
    glue: Mapping[str, str] = field(default_factory=dict[str, str])  # vanishing place -> digest
    initial: str = "start"

    def __post_init__(self) -> None:
        object.__setattr__(self, "transitions", tuple(sorted(self.transitions, key=_in_order)))
        for name in (
            "types",
            "classes",
            "glue",
        ):  # a caller's dict may change; what is in here may not
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def place(self) -> dict[str, int]:
        """Index of each place by name."""
        return {p.name: i for i, p in enumerate(self.places)}

    @cached_property
    def site(self) -> dict[str, Site]:
        """Each call site by name."""
        return {s.name: s for s in self.sites}

    @cached_property
    def finals(self) -> tuple[str, ...]:
        """Names of the places that end an execution."""
        return tuple(p.name for p in self.places if p.kind in FINAL)

    @cached_property
    def digest(self) -> str:
        """BLAKE2b over what decides behaviour: structure, frames, types, sites, glue.

        In order, since a log tells transitions by number. What only people read is left out:
        spans, and the names of what never rests, which show conditions as they are written.
        """
        vanishing = {p.name for p in self.places if p.kind is PlaceKind.VANISHING}
        met = dict.fromkeys(n for t in self.transitions for n in (*t.take, *t.put))
        hidden = {name: f"~{i}" for i, name in enumerate(n for n in met if n in vanishing)}
        body = {
            "name": self.name,
            "places": sorted((_bare(p, hidden) for p in self.places), key=_name),
            "transitions": [_bare(t, hidden) for t in self.transitions],
            "sites": sorted((_bare(s, hidden) for s in self.sites), key=_name),
            "types": dict(self.types),
            "classes": dict(self.classes),
            "glue": {hidden.get(name, name): text for name, text in self.glue.items()},
            "initial": self.initial,
        }
        raw = msgspec.json.encode(body, order="deterministic")
        return blake2b(raw, digest_size=16).hexdigest()

    def graph(self) -> nx.DiGraph[str]:
        """A bipartite networkx graph: nodes `p:NAME` and `t:INDEX`, each with `bipartite`, `kind`
        and `label`; a place with the `types` of its tokens, a transition with its `site`.

        Read arcs are edges with `read=True`. networkx is imported here, on first use.
        """
        from .graph import bipartite

        return bipartite(
            [(p.name, str(p.kind), self.token_types(p)) for p in self.places],
            [(t.name, str(t.kind), t.site, t.take, t.put, t.read) for t in self.transitions],
        )

    def token_types(self, place: Place) -> dict[str, str]:
        """The type of each variable in a token that rests in `place`, in words."""
        return {variable: self.types.get(variable, "undo stack") for variable in place.frame}


def _in_order(t: Transition) -> tuple[object, ...]:
    """By the place it leaves, then by exit: that order counts. And all that the digest looks at."""
    stack = (t.stack_op or "", t.stack, t.outer_stack)
    return (t.take, t.exit, t.name, t.put, t.read, t.kind, t.binds, t.site, stack)


def _bare(part: Place | Transition | Site, hidden: Mapping[str, str]) -> dict[str, object]:
    """A part without what does not decide behaviour; names of vanishing places are replaced."""
    row = asdict(part)
    for name in ("span", "block"):
        row.pop(name, None)
    for name in ("take", "put", "read"):
        if name in row:
            row[name] = [hidden.get(place, place) for place in row[name]]
    name = hidden.get(part.name, part.name)
    if isinstance(part, Transition) and part.take and part.take[0] in hidden:
        place = part.take[0]  # its ways out are named after it
        name = name.replace(f"{place}: ", f"{hidden[place]}: ")
    row["name"] = name
    return row


def _name(row: Mapping[str, object]) -> str:
    return str(row["name"])
