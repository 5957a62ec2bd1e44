"""Rule 69: what earlier versions wrote is read and audited by today's code, for ever.

The files in `fixtures` were written once, by the version whose format they bear, and are never
written again. When the format changes, the version before it adds its file; none is taken away.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.engine import schema
from perdure.engine.audit import Audited, audit
from perdure.engine.bodies import decode, encode
from perdure.engine.records import FORMAT, NO_TRANSITION, Kind, chain, genesis
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Status

from .example_logs import STATUS, dump, example, load

FIXTURES = Path(__file__).with_name("fixtures")
WRITTEN = {"format-1": "c717a6097b74ca8c523acbdc115b4916"}
"""Each file that was ever written, and the digest of what it holds."""


def sql_of(name: str) -> str:
    """What a fixture holds."""
    return gzip.decompress((FIXTURES / f"{name}.sql.gz").read_bytes()).decode()


@pytest.fixture(scope="module", params=WRITTEN)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as that version left it, with its schema led to today's."""
    folder = tmp_path_factory.mktemp("old")
    path = load(sql_of(request.param), folder / f"{request.param}.db")
    told = CliRunner().invoke(main, ["db", "upgrade", "--db", str(path)])
    assert told.exit_code == 0, told.output
    return path


def golden(path: Path) -> list[dict[str, Any]]:
    """What the version that wrote a fixture said of it."""
    return json.loads((FIXTURES / f"{path.stem}.json").read_text())


def test_no_fixture_was_changed_or_taken_away() -> None:
    """They are evidence: the files there are are those that were written, byte for byte."""
    found = {
        path.name.removesuffix(".sql.gz"): blake2b(
            sql_of(path.name.removesuffix(".sql.gz")).encode(), digest_size=16
        ).hexdigest()
        for path in FIXTURES.glob("*.sql.gz")
    }
    assert found == WRITTEN
    assert f"format-{FORMAT}" in WRITTEN, "a new format brings its file"


def audited(path: Path) -> dict[str, Audited]:
    """The judgement of every history in a file."""

    async def look() -> list[Audited]:
        store = SqliteStore(path, create=False)
        await store.open()
        try:
            return [await audit(store, row) for row in await store.list()]
        finally:
            await store.close()

    return {found.key: found for found in asyncio.run(look())}


def test_every_old_history_is_lawful_today(old: Path) -> None:
    """Chain, firings of the stored net, messages, ledger, payloads and checkpoint: no problem."""
    found = audited(old)
    assert {key: each.problems for key, each in found.items()} == dict.fromkeys(found, ())
    assert len(found) == len(golden(old))


def test_an_old_history_is_told_today_as_it_was_told_then(old: Path) -> None:
    """Status, words, values, effects and marking, through the verbs that people use."""
    for told in golden(old):
        assert summary(old, told["id"]) == told


def document(path: Path, *words: str) -> Any:
    """What a verb of the command line answers."""
    told = CliRunner().invoke(main, [*words, "--db", str(path), "--format", "json"])
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def summary(path: Path, key: str) -> dict[str, Any]:
    """An execution as the command line tells it."""
    shown, log = document(path, "show", key), document(path, "log", key)
    effects = document(path, "effects", key)
    value = shown.get("value")
    return {
        "id": key,
        "workflow": shown["workflow"],
        "status": shown["status"],
        "value": value if len(str(value)) < 100 else len(str(value)),
        "words": " ".join(record["word"] for record in log),
        "effects": [[e["site"], e["outcome"], e["decided_by"]] for e in effects],
        "marking": [token["place"] for token in shown["marking"]],
    }


def test_the_state_after_every_old_record_can_be_looked_at(old: Path) -> None:
    """Folding stops at each record in turn; the last marking is the one that `show` tells."""
    for told in golden(old):
        found: Any = None
        for seq in range(len(told["words"].split())):
            found = document(old, "log", told["id"], "--at", str(seq))
            assert len(found["records"]) == seq + 1 and found["marking"]
        assert [token["place"] for token in found["marking"]] == told["marking"]


def test_old_bodies_are_hashed_as_they_are_stored(old: Path) -> None:
    """Never encoded again for checking: a body whose bytes another encoder writes otherwise is the
    same to the chain, which knows nothing of what it says."""
    with sqlite3.connect(old) as db:
        rows = db.execute(
            "select execution, seq, tenure, kind, transition, at, body, hash from log "
            "order by execution, seq"
        ).fetchall()
        starts = {
            id: genesis(*rest)
            for id, *rest in db.execute(
                "select id, key, workflow, net, input_digest from execution"
            ).fetchall()
        }
    db.close()
    for execution, seq, tenure, kind, transition, at, body, hash in rows:
        previous = starts[execution]
        starts[execution] = chain(previous, seq, tenure, kind, transition, at, body)
        assert starts[execution] == hash
        assert decode(encode(decode(body))) == decode(body)


def test_a_record_is_chained_to_these_bytes_and_no_others() -> None:
    """The recipe, by known answers: another one would break every log there is."""
    start = genesis("order-1", "fulfil_order", "ab" * 16, b"\x01" * 16)
    first = chain(start, 0, 1, Kind.STARTED, NO_TRANSITION, 1_800_000_000_000_000, b'{"s":1}')
    second = chain(first, 1, 2, Kind.FIRED, 7, 1_800_000_000_000_001, b"{}")
    told = [start.hex(), first.hex(), second.hex()]
    assert told == [
        "1eae36655648f35e318869e831e33ce0",
        "ad24d78fe965760ab5d52c73024d55b7",
        "9620ecbf4cdb06ae970335ef6f07f26b",
    ]


def test_the_examples_of_today_are_those_of_the_newest_fixture(tmp_path: Path) -> None:
    """The fixture of the format in force shows what this version writes: the same histories with
    the same words. When this fails, the format has changed: a new number, and a new file."""
    path = load(dump(example()), tmp_path / f"format-{FORMAT}.db")
    assert [summary(path, key) for key in STATUS] == golden(path)
    with sqlite3.connect(path) as db:
        assert db.execute("select revision from perdure_schema").fetchall() == [(schema.REVISION,)]
        assert {Status(s) for (s,) in db.execute("select status from execution")} == set(Status)
    db.close()
