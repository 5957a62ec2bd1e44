"""Where an execution stands, read from the store alone, in the process of whoever asks (rule 58).

Checkpoint and tail are folded; no user code is loaded, nothing is written, and the worker that runs
the execution is not asked: what it holds in memory may be taken back by a crash, and is never seen
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..model.errors import NoSuchExecution
from ..model.net import Net
from . import checkpoint
from .definitions import Definition
from .definitions import read as read_definition
from .kernel import State
from .loading import fold
from .records import Record
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
    mail: Sequence[MessageRow]  # messages that nobody has taken

    @property
    def unread(self) -> Mapping[str, int]:
        """Channel -> how many messages nobody has taken."""
        return Counter(message.channel for message in self.mail)

    @property
    def net(self) -> Net | None:
        """Its net, if stored."""
        return None if self.definition is None else self.definition.net


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


async def view(store: Store, key: str) -> View:
    """Read an execution; raises `NoSuchExecution`."""
    row = await required(store, key)
    definition = await definition_of(store, row)
    state = None
    records = await store.log(row.id, row.checkpoint_seq)
    if definition is not None:
        start = None
        if row.checkpoint is not None:
            start = checkpoint.decode(definition.net, row.checkpoint, stored)
        state = fold(definition, start, records, stored)
    last = records[-1] if records else None
    mail = [m for m in await store.messages(row.id) if m.consumed_at is None]
    attempts, effects = await store.attempts(row.id), await store.effects(row.id)
    return View(row, definition, state, attempts, effects, last, mail)
