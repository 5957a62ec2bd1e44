"""Revisions of the schema: Alembic's tables are the engine's; a step is whole or nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.operations import Operations
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.engine import revisions, schema, sqlite_schema
from perdure.engine.errors import SchemaMismatch
from perdure.engine.sqlite import SqliteStore
from perdure.engine.sqlite_link import Link, Links
from sqlalchemy import Column, Integer

SHOP = str(Path(__file__).parent.parent / "console" / "cli_shop.py")


def laid_out(path: Path) -> set[tuple[str, ...]]:
    """Everything that SQLite knows of the tables, as it was written."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
        return {tuple(row) for row in rows}


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    """The connection of a store to a database without tables."""
    links = Links(str(tmp_path / "empty.db"), "FULL", None, asyncio.sleep)
    yield links.link("writer")
    links.dispose()


def made_by_the_engine(path: Path) -> Path:
    """A store that the engine itself made."""

    async def make() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.close()

    asyncio.run(make())
    return path


def test_the_schema_of_the_steps_is_the_schema_the_engine_makes(link: Link, tmp_path: Path) -> None:
    """Table by table, index by index, trigger by trigger, to the letter; the engine opens it."""
    assert revisions.apply(link, "here", 0) == list(range(1, schema.REVISION + 1))
    stepped = tmp_path / "empty.db"
    assert laid_out(stepped) == laid_out(made_by_the_engine(tmp_path / "made.db"))
    assert len(laid_out(stepped)) > 20
    sqlite_schema.check(link, "here")
    assert sqlite_schema.revision(link) == schema.REVISION


def test_there_is_a_step_for_every_revision_up_to_ours() -> None:
    """Whoever raises REVISION writes the step that leads there."""
    assert sorted(revisions.STEPS) == list(range(1, schema.REVISION + 1))


@pytest.mark.parametrize("found", [-1, schema.REVISION + 1, 99])
def test_no_step_leads_from_a_revision_we_do_not_know(found: int, link: Link) -> None:
    """Newer tables are never touched by an older perdure."""
    with pytest.raises(SchemaMismatch, match=f"revision {found}"):
        revisions.apply(link, "here", found)
    assert link.rows("SELECT * FROM sqlite_master") == []


def _second(op: Operations) -> None:
    op.add_column("execution", Column("priority", Integer))


def _failing(op: Operations) -> None:
    op.add_column("execution", Column("priority", Integer))
    raise OSError("the disk is full")


@pytest.fixture
def next_revision(monkeypatch: pytest.MonkeyPatch) -> dict[int, revisions.Step]:
    """A perdure of tomorrow, whose tables have a column more."""
    steps = {**revisions.STEPS, schema.REVISION + 1: _second}
    monkeypatch.setattr(revisions, "STEPS", steps)
    monkeypatch.setattr(revisions.apply, "__defaults__", (steps,))
    monkeypatch.setattr(sqlite_schema, "REVISION", schema.REVISION + 1)
    monkeypatch.setattr(schema, "REVISION", schema.REVISION + 1)
    return steps


def perdure(*arguments: str, code: int = 0) -> str:
    """A verb that must end with `code`; what it says."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    assert "Traceback" not in done.output
    return done.output


def test_an_older_store_is_refused_until_it_is_upgraded_and_keeps_what_it_held(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Exit 4 with the way out; then one step, and the old execution is found with its result."""
    path = tmp_path / "old.db"
    db = ["--db", f"sqlite:///{path}"]
    run = ["run", f"{SHOP}:buy", "--input", '{"name": "Ada"}', "--id", "one", *db]
    perdure(*run)
    before = laid_out(path)
    request.getfixturevalue("next_revision")
    assert "perdure db upgrade" in perdure("list", *db, code=4)
    assert "PD802" in perdure("db", "current", *db, code=4)
    assert laid_out(path) == before
    told = json.loads(perdure("db", "upgrade", *db, "--format", "json"))
    assert told == {"path": str(path), "revision": schema.REVISION, "steps": [schema.REVISION]}
    added = laid_out(path) - before
    assert [name for _, name, _, _ in added] == ["execution"]
    assert json.loads(perdure("db", "upgrade", *db, "--format", "json"))["steps"] == []
    with closing(sqlite3.connect(path)) as stored:
        assert stored.execute("SELECT key, priority FROM execution").fetchall() == [("one", None)]
    assert "Hello, Ada!" in perdure("show", "one", *db)
    assert "every firing legal" in perdure("audit", *db)


def test_a_step_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What a step did before it failed is rolled back, and the revision is still the old one."""
    path = made_by_the_engine(tmp_path / "old.db")
    before = laid_out(path)
    steps: dict[int, revisions.Step] = request.getfixturevalue("next_revision")
    steps[schema.REVISION] = _failing
    done = CliRunner().invoke(main, ["db", "upgrade", "--db", f"sqlite:///{path}"])
    assert isinstance(done.exception, OSError)
    assert laid_out(path) == before
    with closing(sqlite3.connect(path)) as stored:
        revision = stored.execute("SELECT revision FROM perdure_schema").fetchall()
    assert revision == [(schema.REVISION - 1,)]


def test_a_newer_store_is_refused_and_an_upgrade_does_not_make_it_older(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The other direction: today's perdure meets a store of tomorrow."""
    path = made_by_the_engine(tmp_path / "new.db")
    newer = schema.REVISION + 1
    with closing(sqlite3.connect(path)) as stored, stored:
        stored.execute("UPDATE perdure_schema SET revision = ?", (newer,))
    for verb in (["list"], ["db", "upgrade"], ["run", f"{SHOP}:buy", "--input", '{"name": "A"}']):
        said = perdure(*verb, "--db", f"sqlite:///{path}", code=4)
        assert f"revision {newer}, which is newer" in said
        assert "the perdure it was made with" in said


def test_only_an_upgrade_of_an_older_store_loads_alembic(tmp_path: Path) -> None:
    """It is an extra: running, looking and making a new store do without."""
    program = (
        "import sys; sys.modules['alembic'] = None\n"
        "from perdure.console.cli.main import main\n"
        f"db = ['--db', 'sqlite:///{tmp_path / 'x.db'}']\n"
        "for verb in (['db', 'upgrade'], ['list'], ['db', 'current'], ['audit'],\n"
        f"        ['run', {SHOP + ':buy'!r}, '--input', '{{\"name\": \"Ada\"}}']):\n"
        "    assert not main([*verb, *db], standalone_mode=False), verb\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
