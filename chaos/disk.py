"""A disk that may lose what was not synced: what a power failure can leave behind, as data.

A recorded run is a list of operations; a `Disk` is led through it and says at any point what a
failure there may leave: sectors dropped, kept in another order, or torn. It is harsher than real
ones, which keep whole sectors. Nothing is read or written here, and no database is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple

SECTOR_BYTES = 512


class Did(StrEnum):
    """What was done to a file."""

    CREATE = "create"
    DELETE = "delete"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"


class Operation(NamedTuple):
    """One operation on the file `name`; `at` is the offset of a write, the length of a truncate."""

    did: Did
    name: str
    at: int = 0
    data: bytes = b""


class Loss(StrEnum):
    """What a power failure makes of the operations that were not synced."""

    ALL = "all of it is gone"
    TAIL = "the first of it are kept"
    TORN = "the last sector is torn"
    SOME = "any sectors of it are kept"


class _Pending(NamedTuple):
    """An operation that no sync has made durable; `file` outlives its name, as an inode does."""

    did: Did
    file: int
    name: str
    at: int
    data: bytes


class Disk:
    """Files by name, with what is durable of them and what is still on its way.

    The first sync of a new file makes the folder durable too: SQLite asks for both, and a name is
    lost or kept in the order in which the names were changed.
    """

    def __init__(self) -> None:
        self._contents: dict[int, bytearray] = {}  # durable
        self._folder: dict[str, int] = {}  # durable
        self._names: dict[str, int] = {}  # as programs see them now
        self._pending: list[_Pending] = []
        self._count = 0

    def do(self, operation: Operation) -> None:
        """Lead the disk through one operation of a run."""
        did, name, at, data = operation
        if did is Did.CREATE:
            self._count += 1
            self._names[name] = self._count
        file = self._names[name]
        if did is Did.DELETE:
            del self._names[name]
        if did is Did.SYNC:
            self._sync(file)
        else:
            self._pending.append(_Pending(did, file, name, at, data))

    def _sync(self, file: int) -> None:
        folder = (
            self._folder.get(next((n for n, f in self._names.items() if f == file), "")) != file
        )
        left: list[_Pending] = []
        for pending in self._pending:
            if pending.file == file or (folder and pending.did in (Did.CREATE, Did.DELETE)):
                _apply(self._contents, self._folder, pending)
            else:
                left.append(pending)
        self._pending = left

    def now(self) -> dict[str, bytes]:
        """The files as programs see them: what a crash of a process leaves."""
        contents = {file: bytearray(data) for file, data in self._contents.items()}
        folder = dict(self._folder)
        for pending in self._pending:
            _apply(contents, folder, pending)
        return _named(contents, folder)

    def lost(self, loss: Loss, dice: Random) -> dict[str, bytes]:
        """What a power failure leaves of the files, now."""
        contents = {file: bytearray(data) for file, data in self._contents.items()}
        folder = dict(self._folder)
        for pending in self._kept(loss, dice):
            _apply(contents, folder, pending)
        return _named(contents, folder)

    def _kept(self, loss: Loss, dice: Random) -> Iterator[_Pending]:
        pending = self._pending
        if loss is Loss.ALL:
            return
        if loss is Loss.TAIL:
            yield from pending[: dice.randint(0, len(pending))]
            return
        names = [p for p in pending if p.did in (Did.CREATE, Did.DELETE)]
        if loss is Loss.SOME:
            yield from names[: dice.randint(0, len(names))]
        else:
            yield from names
        pieces = [piece for p in pending if p not in names for piece in _sectors(p)]
        if loss is Loss.SOME:
            yield from (piece for piece in pieces if dice.random() < 0.5)
        elif pieces:
            last = pieces[-1]
            yield from pieces[:-1]
            yield last._replace(data=last.data[: len(last.data) // 2])


def _sectors(pending: _Pending) -> Iterator[_Pending]:
    """A write, sector by sector."""
    at, data = pending.at, pending.data
    if pending.did is not Did.WRITE:
        yield pending
        return
    while data:
        room = SECTOR_BYTES - at % SECTOR_BYTES
        yield pending._replace(at=at, data=data[:room])
        at, data = at + room, data[room:]


def _apply(contents: dict[int, bytearray], folder: dict[str, int], pending: _Pending) -> None:
    did, file, name, at, data = pending
    if did is Did.CREATE:
        folder[name] = file
        contents.setdefault(file, bytearray())
    elif did is Did.DELETE:
        folder.pop(name, None)
    elif did is Did.TRUNCATE:
        content = contents.setdefault(file, bytearray())
        del content[at:]
        content.extend(bytes(at - len(content)))
    else:
        content = contents.setdefault(file, bytearray())
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + len(data)] = data


def _named(contents: dict[int, bytearray], folder: dict[str, int]) -> dict[str, bytes]:
    return {name: bytes(contents.get(file, b"")) for name, file in folder.items()}


class Failure(NamedTuple):
    """A power failure in a run: between which two operations, and what it left."""

    point: int  # so many operations were done
    loss: Loss
    files: dict[str, bytes]


def failures(
    operations: Sequence[Operation], seed: int, points: range | None = None
) -> Iterator[Failure]:
    """Every kind of loss at every boundary between two operations, or at these `points` only."""
    disk, dice = Disk(), Random(seed)
    for point in range(len(operations) + 1):
        if points is None or point in points:
            for loss in Loss:
                yield Failure(point, loss, disk.lost(loss, dice))
        if point < len(operations):
            disk.do(operations[point])
