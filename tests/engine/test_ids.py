"""What may be an id: whatever can be typed, listed and logged, and nothing else."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from perdure import Engine, UsageError, workflow
from perdure.console.codes import CODES
from perdure.engine.audit import audit
from perdure.engine.client import enqueue
from perdure.engine.ids import CHARACTERS_MAX, UnusableId, checked_id
from perdure.engine.sqlite import SqliteStore
from perdure.model.compiler import compile_workflow


@workflow
async def nothing() -> str:
    """Ends at once."""
    return "done"


PROGRAM = compile_workflow(nothing)
USABLE = [
    "a", "order-17", "2026/03/01 noon", "ünï-☃", "漢字", "😀", "👩\u200d👧", "--reason", "'; drop",
    "a b", ":", "x" * CHARACTERS_MAX, "שלום", "a\u0308",
]  # fmt: skip
UNUSABLE = {
    "": "empty", " ": "blank", "\u3000": "blank", "a\n": "character 2 is a control",
    "\x00": "control", "\x1b[2J": "character 1 is a control", "a\x7f": "control",
    "\x85x": "control", "a\u2028b": "control", "\ud83d": "half a character",
    "x" * (CHARACTERS_MAX + 1): f"{CHARACTERS_MAX + 1} characters",
}  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteStore]:
    """A store of the test's own."""
    store = SqliteStore(f"sqlite:///{tmp_path / 'ids.db'}")
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("id", USABLE)
async def test_an_id_that_people_write_names_its_execution(id: str, tmp_path: Path) -> None:
    """Started under it, found under it, listed as it is, and its history verifies."""
    async with Engine(f"sqlite:///{tmp_path / 'ids.db'}") as engine:
        assert await engine.run(nothing(), id=id) == "done"
        assert await engine.find(nothing, id).result() == "done"
        (row,) = await engine.store.list()
        assert row.key == id
        assert (await audit(engine.store, row)).problems == ()


@pytest.mark.parametrize("id", UNUSABLE, ids=ascii)
async def test_an_id_that_nobody_can_type_is_refused_and_nothing_is_stored(
    id: str, store: SqliteStore
) -> None:
    """By every way in; the message says which character, in letters that any terminal shows."""
    with pytest.raises(UnusableId, match=UNUSABLE[id]) as refused:
        await enqueue(store, PROGRAM, id, {})
    told = str(refused.value)
    assert told.isascii() or "…" in told
    assert told.startswith("PD711 ") and "\n  fix  1 to 512 characters" in told
    assert max(map(len, told.split("\n"))) < 140
    async with Engine(store.path) as engine:
        for way in (engine.start, engine.run):
            with pytest.raises(UnusableId, match=UNUSABLE[id]):
                await way(nothing(), id=id)
        assert await engine.run(nothing(), id="next") == "done"  # the engine goes on
    assert [row.key for row in await store.list()] == ["next"]


@pytest.mark.parametrize("id", [5, b"a", None, 1.5, ["a"]])
def test_an_id_is_text(id: object) -> None:
    """A number would be another id than its digits, so it is not turned into text."""
    with pytest.raises(UnusableId, match=f"no text but {type(id).__name__}"):
        checked_id(id)  # pyright: ignore[reportArgumentType] the mistake is the point


def test_the_mistake_is_the_callers_and_has_a_page() -> None:
    """`except UsageError` takes it; `perdure explain PD711` explains it."""
    assert issubclass(UnusableId, UsageError) and UnusableId.code in CODES


@given(st.text())
def test_what_is_refused_is_what_cannot_be_typed_listed_or_logged(id: str) -> None:
    """Told apart here by another rule: one line, some ink, storable as UTF-8, not endless."""
    one_line = len(f"{id}.".splitlines()) == 1 and not any(
        unicodedata.category(c) == "Cc" for c in id
    )
    try:
        id.encode()
        storable = True
    except UnicodeEncodeError:
        storable = False
    usable = one_line and storable and bool(id.strip()) and len(id) <= CHARACTERS_MAX
    try:
        assert checked_id(id) is id and usable
    except UnusableId:
        assert not usable


async def come_back(ids: set[str], path: Path) -> set[str]:
    """Start an execution under each usable id; the ids that the store then lists."""
    store = SqliteStore(f"sqlite:///{path}")
    await store.open()
    for id in ids:
        with suppress(UnusableId):
            assert await enqueue(store, PROGRAM, id, {})
            found = await store.find(id)
            assert found is not None and found.key == id
    listed = {row.key for row in await store.list(limit=1000)}
    await store.close()
    return listed


@settings(max_examples=25)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40), max_size=6))
@example({"a", "A", "\u00e4", "a\u0308", "a ", " a", "\uff41"})
def test_two_texts_are_two_executions_and_come_back_as_they_were(ids: set[str]) -> None:
    """However alike they look: nothing is normalised, folded or trimmed."""
    with TemporaryDirectory() as folder:
        listed = asyncio.run(come_back(ids, Path(folder) / "ids.db"))
    assert listed == {id for id in ids if id.strip() and not {"\u2028", "\u2029"} & set(id)}
