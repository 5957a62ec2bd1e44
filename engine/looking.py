"""Where an execution stands, read from the store alone, in the process of whoever asks (rule 58).

Checkpoint and tail are folded; no user code is loaded, nothing is written, and the worker that runs
the execution is not asked: what it holds in memory may be taken back by a crash, and is never seen
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..model.errors import ExecutionCancelled, NoSuchExecution
from ..model.marking import Entry
from ..model.net import Net
from . import bodies, checkpoint
from .bodies import Body
from .definitions import Definition
from .definitions import read as read_definition
from .kernel import State
from .loading import fold, resolve, whole
from .records import Kind, Record
from .store import AttemptRow, EffectRow, ExecutionRow, MessageRow, Store
from .stored import stored


@dataclass(frozen=True)
class View:
    """An execution as stored; `state` is None when its net is not stored here."""

    row: ExecutionRow
    definition: Definition | None
    state: State | None
    attempts: Sequence[AttemptRow]
    effects: Sequence[EffectRow]
    last: Record | None
    told: Body  # what the last record says, its large values in place
    mail: Sequence[MessageRow]  # messages that nobody has taken

    @property
    def places(self) -> Mapping[str, Mapping[str, Any]]:
        """Place -> the variables of the token there, as JSON; of undo stacks the sites."""
        if self.net is None or self.state is None:
            return {}
        return {
            self.net.places[place].name: {n: _plain(v) for n, v in token.frame.items()}
            for place, token in self.state.marking.items()
        }

    @property
    def unread(self) -> Mapping[str, int]:
        """Channel -> how many messages nobody has taken."""
        return Counter(message.channel for message in self.mail)

    @property
    def net(self) -> Net | None:
        """Its net, if stored."""
        return None if self.definition is None else self.definition.net


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [entry.site for entry in cast("tuple[Entry, ...]", value)]
    return value.json()


async def required(store: Store, key: str) -> ExecutionRow:
    """The execution of this id; raises `NoSuchExecution`."""
    row = await store.find(key)
    if row is None:
        raise NoSuchExecution(key)
    return row


async def definition_of(store: Store, row: ExecutionRow) -> Definition | None:
    """The stored definition of the net it runs on."""
    raw = await store.definition(row.net)
    return None if raw is None else read_definition(raw)


async def cancelled(store: Store, key: str) -> ExecutionCancelled:
    """The exception that tells why an execution was cancelled, and what stands."""
    row = await required(store, key)
    log = await store.log(row.id)
    reason = next((bodies.decode(r.body).why for r in log if r.kind is Kind.CANCELLED), "")
    landed = [e.site for e in await store.effects(row.id) if e.outcome in ("landed", "stands")]
    return ExecutionCancelled(key, reason, tuple(landed))


async def view(store: Store, key: str) -> View:
    """Read an execution; raises `NoSuchExecution`."""
    row = await required(store, key)
    definition = await definition_of(store, row)
    state = None
    # With the record of the checkpoint itself: it may be the last one.
    records = await store.log(row.id, row.checkpoint_seq - 1)
    last = records[-1] if records else None
    records = [r for r in records if r.seq > row.checkpoint_seq]
    if definition is not None:
        start = None
        if row.checkpoint is not None:
            start = checkpoint.decode(definition.net, row.checkpoint, stored)
        state = await resolve(store, row.id, fold(definition, start, records, stored), stored)
    mail = [m for m in await store.messages(row.id) if m.consumed_at is None]
    attempts, effects = await store.attempts(row.id), await store.effects(row.id)
    told = Body() if last is None else await whole(store, row.id, bodies.decode(last.body))
    return View(row, definition, state, attempts, effects, last, told, mail)
