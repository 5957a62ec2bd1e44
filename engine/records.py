"""The kinds of log records as data, their canonical bytes and the hash chain.

A record says what is durable at its own boundary and nothing more. Its bytes are made once, hashed
as stored, and never encoded again for checking. No database and no net is known here.

    genesis  = BLAKE2b("perdure log 1" | key | workflow | net digest | input digest)
    hash(n)  = BLAKE2b(hash(n-1) | header(n) | body(n)),   hash(-1) = genesis
    header   = format version, seq, tenure, kind, transition, at; fixed width, big endian
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

FORMAT = 1
HASH_BYTES = 16
NO_TRANSITION = -1
_HEADER = struct.Struct(">BIIBiq")
FIXED_BYTES = _HEADER.size + HASH_BYTES
"""What a record takes beside its body, at the least."""


class Kind(IntEnum):
    """What a record makes true. The names are the words of log, API and docs."""

    STARTED = 0  # the execution exists with this input
    INTENT = 1  # we are about to call
    FIRED = 2  # the outcome is ours
    CONSUMED = 3  # this message was taken
    EMITTED = 4  # the event will be delivered
    DELIVERED = 5  # the receiver acknowledged it
    IN_DOUBT = 6  # an intent whose outcome nobody here knows
    DECIDED = 7  # by a probe, by late evidence or by a person
    UNDONE = 8  # a committed effect was undone
    CANCELLED = 9  # the wish to cancel was taken
    MIGRATED = 10  # the execution goes on on another net
    FINISHED = 11  # nothing more will happen
    CLAIMED = 12  # a session took the execution over: first record of a tenure
    STALLED = 13  # it cannot go on by itself; nothing was undone

    @property
    def word(self) -> str:
        """The word people read: `in-doubt`, `fired`, ..."""
        return self.name.lower().replace("_", "-")


class Record(NamedTuple):
    """One row of a log: `seq` without gaps from 0, `at` in microseconds since 1970 (UTC)."""

    seq: int
    tenure: int
    kind: Kind
    transition: int  # index in the net, NO_TRANSITION where no transition fires
    at: int
    body: bytes
    hash: bytes


def genesis(key: str, workflow: str, net: str, input_digest: bytes) -> bytes:
    """The hash before the first record; binds what the execution is."""
    state = blake2b(b"perdure log 1", digest_size=HASH_BYTES)
    for part in (key.encode(), workflow.encode(), net.encode(), input_digest):
        state.update(struct.pack(">I", len(part)))
        state.update(part)
    return state.digest()


def chain(
    previous: bytes, seq: int, tenure: int, kind: int, transition: int, at: int, body: bytes
) -> bytes:
    """The hash of a record, from the hash before it and the bytes as stored."""
    header = _HEADER.pack(FORMAT, seq, tenure, kind, transition, at)
    return blake2b(previous + header + body, digest_size=HASH_BYTES).digest()


def broken(start: bytes, records: Iterable[Record]) -> str | None:
    """Say what is wrong with a chain (a gap, a changed or swapped record); None if it is whole."""
    previous, expected, tenure, at = start, 0, 0, 0
    for record in records:
        try:
            found = chain(previous, *record[:-1])
        except (struct.error, TypeError):
            return f"record {record.seq} holds what no record can hold"
        if record.seq != expected:
            return f"record {expected} is missing: {record.seq} follows {expected - 1}"
        if record.tenure < tenure:
            return f"record {record.seq} has tenure {record.tenure}, below {tenure} before it"
        if record.at < at:
            return f"record {record.seq} is older than the one before it"
        if found != record.hash:
            return f"record {record.seq} does not have the content it was chained with"
        previous, expected, tenure, at = record.hash, expected + 1, record.tenure, record.at
    return None
