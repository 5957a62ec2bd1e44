"""The disk that loses what was not synced: what is durable stays, what is not may go in any way."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from perdure.chaos.disk import SECTOR_BYTES, Did, Disk, Loss, Operation, failures

CREATE, SYNC = Operation(Did.CREATE, "a"), Operation(Did.SYNC, "a")


def write(at: int, data: bytes, name: str = "a") -> Operation:
    """A write."""
    return Operation(Did.WRITE, name, at, data)


def led(*operations: Operation) -> Disk:
    """A disk behind these operations."""
    disk = Disk()
    for operation in operations:
        disk.do(operation)
    return disk


def outcomes(disk: Disk, loss: Loss) -> set[bytes | None]:
    """What can become of the file `a`; None: it is gone."""
    return {disk.lost(loss, Random(seed)).get("a") for seed in range(60)}


def test_what_was_synced_stays_whatever_is_lost() -> None:
    """And a write behind the sync is kept or not."""
    disk = led(CREATE, write(0, b"one"), SYNC, write(0, b"two"))
    assert disk.now() == {"a": b"two"}
    assert outcomes(disk, Loss.ALL) == {b"one"}
    assert outcomes(disk, Loss.TAIL) == outcomes(disk, Loss.SOME) == {b"one", b"two"}
    assert outcomes(disk, Loss.TORN) == {b"tne"}


def test_sectors_of_one_write_are_lost_one_by_one_and_in_any_order() -> None:
    """The second can be there without the first."""
    old, new = b"o" * 2 * SECTOR_BYTES, b"n" * 2 * SECTOR_BYTES
    disk = led(CREATE, write(0, old), SYNC, write(0, new))
    halves = {(kept[:1], kept[-1:]) for kept in outcomes(disk, Loss.SOME) if kept is not None}
    assert halves == {(a, b) for a in (b"o", b"n") for b in (b"o", b"n")}
    (torn,) = outcomes(disk, Loss.TORN)
    assert torn is not None and torn.count(b"n") == SECTOR_BYTES * 3 // 2


def test_a_write_that_begins_inside_a_sector_is_cut_at_its_end() -> None:
    """Sectors are those of the file, not of the write."""
    disk = led(CREATE, write(0, b"o" * 600), SYNC, write(500, b"n" * 50))
    ends = {kept[500:550].count(b"n") for kept in outcomes(disk, Loss.SOME) if kept is not None}
    assert ends == {0, 12, 38, 50}


def test_a_new_file_is_there_only_when_it_was_synced() -> None:
    """Its name is part of the folder."""
    assert outcomes(led(CREATE, write(0, b"x")), Loss.ALL) == {None}
    assert outcomes(led(CREATE, write(0, b"x")), Loss.SOME) == {None, b"", b"x"}
    assert outcomes(led(CREATE, write(0, b"x"), SYNC), Loss.ALL) == {b"x"}


def test_a_deleted_file_may_come_back_until_the_folder_is_synced() -> None:
    """The first sync of another new file takes the deletion with it."""
    gone = (CREATE, write(0, b"x"), SYNC, Operation(Did.DELETE, "a"))
    assert led(*gone).now() == {}
    assert outcomes(led(*gone), Loss.ALL) == {b"x"}
    more = (Operation(Did.CREATE, "b"), Operation(Did.SYNC, "b"))
    assert outcomes(led(*gone, *more), Loss.ALL) == {None}


def test_a_file_of_the_same_name_is_another_file() -> None:
    """What was written to the deleted one does not show in the new one."""
    disk = led(CREATE, write(0, b"long"), SYNC, Operation(Did.DELETE, "a"), CREATE, write(0, b"s"))
    assert disk.now() == {"a": b"s"}
    assert outcomes(disk, Loss.SOME) <= {None, b"long", b"", b"s"}


def test_a_truncation_is_a_change_like_any_other() -> None:
    """Shorter or longer, durable with the next sync."""
    disk = led(CREATE, write(0, b"abc"), SYNC, Operation(Did.TRUNCATE, "a", 1))
    assert outcomes(disk, Loss.SOME) == {b"abc", b"a"}
    disk.do(SYNC)
    assert outcomes(disk, Loss.ALL) == {b"a"}
    disk.do(Operation(Did.TRUNCATE, "a", 3))
    assert disk.now() == {"a": b"a\0\0"}


WRITES = st.builds(write, st.integers(0, 1500), st.binary(min_size=1, max_size=700))
OPERATIONS = st.lists(st.one_of(WRITES, st.just(SYNC)), max_size=8)


@given(OPERATIONS, st.integers(0, 9))
def test_after_a_sync_every_failure_leaves_the_same(operations: list[Operation], seed: int) -> None:
    """Whatever came before: with nothing on its way there is nothing to lose."""
    disk = led(CREATE, *operations, SYNC)
    assert {disk.lost(loss, Random(seed))["a"] for loss in Loss} == {disk.now()["a"]}


@given(OPERATIONS)
def test_every_kind_of_loss_is_played_at_every_boundary(operations: list[Operation]) -> None:
    """And a part of the boundaries is played as it is among all when nothing is drawn."""
    every = [CREATE, *operations]
    found = list(failures(every, 0))
    assert [(f.point, f.loss) for f in found] == [
        (point, loss) for point in range(len(every) + 1) for loss in Loss
    ]
    some = list(failures(every, 0, range(1, 2)))
    assert [(f.point, f.loss) for f in some] == [(1, loss) for loss in Loss]
    assert [f.files for f in some if f.loss is Loss.ALL] == [
        f.files for f in found if (f.point, f.loss) == (1, Loss.ALL)
    ]
