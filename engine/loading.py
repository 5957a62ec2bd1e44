"""An execution read back: checkpoint and records folded into an instance, and appends taken back.

No user code runs here; a log that is not a run of its net raises and is never guessed around.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

import msgspec

from ..model.marking import wire
from ..model.program import Program
from ..model.values import Value
from . import bodies, kernel
from .bodies import Body
from .checkpoint import cost
from .checkpoint import decode as decode_checkpoint
from .instance import Instance, Tail
from .kept import Make, digests, resolved
from .records import Kind, Record
from .store import Append, Claimed, Store

_INPUTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def values_of(program: Program) -> Callable[[str, str, bytes], Value]:
    """Make frame values of stored bytes: by the variable's codec, else by what the site brings."""

    def value(variable: str, site: str, raw: bytes) -> Value:
        codec = program.codecs.get(variable) or program.results.get(site)
        if codec is None:  # a message that no variable is bound to
            codec = program.channels[program.net.site[site].target]
        return Value.of(codec, raw)

    return value


async def became(store: Store, instance: Instance, mine: Container[int]) -> int:
    """The execution that a creation in flight has become, among those of the session; 0: none.

    The key may be that of another that the session owns: claimed, and the answer never came.
    """
    flying = instance.flying  # it may be answered while we read
    row = await store.find(instance.key) if flying is not None else None
    if flying is None or row is None or row.id not in mine:
        return 0
    first = (await store.log(row.id))[0]
    return row.id if first.hash == flying.records[0].hash else 0


def fold(
    program: kernel.HasNet,
    state: kernel.State | None,
    records: list[Record],
    value: Callable[[str, str, bytes], Any],
) -> kernel.State:
    """The state after the records; `state` is that of the checkpoint before them, if any."""
    wiring = wire(program.net)
    for record in records:
        body = bodies.decode(record.body)
        if record.kind is Kind.STARTED:
            inputs = _INPUTS.decode(bytes(body.i))
            frame = {name: value(name, "", bytes(raw)) for name, raw in inputs.items()}
            state = kernel.begin(program, frame, record.at)
        else:
            assert state is not None
            state = kernel.fold(
                wiring, state, record.transition, body, record.seq, record.at, value
            )
    assert state is not None
    return state


async def payloads(store: Store, execution: int, wanted: Iterable[str]) -> dict[str, bytes]:
    """The payloads of these digests; `LookupError` names one that is not there."""
    found: dict[str, bytes] = {}
    for digest in wanted:
        raw = await store.payload(execution, bytes.fromhex(digest))
        if raw is None:
            raise LookupError(f"the payload {digest} of execution {execution} is not stored")
        found[digest] = raw
    return found


async def resolve(store: Store, execution: int, state: kernel.State, value: Make) -> kernel.State:
    """The state with the large values that are still in its marking."""
    wanted = digests(state.marking)
    if not wanted:
        return state
    found = await payloads(store, execution, wanted)
    return msgspec.structs.replace(state, marking=resolved(state.marking, found, value))


async def whole(store: Store, execution: int, body: Body) -> Body:
    """A stored body with its large values in place."""
    if not body.x:
        return body
    return bodies.fill(body, await payloads(store, execution, body.x.values()))


def load(program: Program, claimed: Claimed, session: int) -> Instance:
    """The instance of a claimed execution, before anything of it goes on."""
    row, records = claimed.row, claimed.records
    value = values_of(program)
    start = None
    if row.checkpoint is not None:
        start = decode_checkpoint(program.net, row.checkpoint, value)
    kept = set(digests(start.marking)) if start is not None else set[str]()
    for record in records:
        kept |= bodies.references(record.body)
    state = fold(program, start, records, value)
    last = records[-1].seq if records else row.checkpoint_seq
    return Instance(
        program=program,
        key=row.key,
        id=row.id,
        tenure=row.tenure,
        session=session,
        state=state,
        seq=last + 1,
        head=claimed.head,
        at=claimed.at,
        durable=last,
        tail=Tail.behind(records, cost(row.checkpoint) if row.checkpoint else 0),
        first=last + 1,
        kept=kept,
        mail=[m for m in claimed.messages if m.consumed_at is None],
        mail_seen=row.mail,
        attempts={a.site: a for a in claimed.attempts},
    )


def take_back(instance: Instance, append: Append) -> None:
    """Put an append that was not written back in front of what is pending.

    Its release is forgotten; a `finished` record is taken off, to be written anew with the mail.
    """
    later = instance.pending
    append.change = None
    if append.records and append.records[-1].kind in (Kind.FINISHED, Kind.STALLED):
        last = append.records.pop()
        instance.seq = last.seq
        instance.head = append.records[-1].hash if append.records else append.previous
        instance.tail.shrink(last.body)
        if bodies.decode(last.body).s:  # it was the first of its tenure: the next one names it
            instance.named = False
    if later is not None:
        append.consumed += later.consumed
        append.effects += later.effects
        append.payloads |= later.payloads
        append.count(later.attempts, later.attempts_done)
    instance.pending = append
