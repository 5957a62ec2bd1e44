"""Mutants 5 to 7, 26, 29, 30, 34 and 35: the log in the database. No test lives here."""

from __future__ import annotations

from perdure.engine import loading, schema, sqlite_append
from perdure.engine.sqlite_link import Links

from .fencing import no_fence_in_append
from .mutant import Direct, Mutant, waiting
from .patching import Patches

_APPEND, _FILE = "stores.test_conformance_append", "stores.test_sqlite_file"


def seq_from_max(patches: Patches) -> None:
    """A record gets the number behind the last one, whatever its writer believed."""
    behind = "(SELECT max(seq) + 1 FROM log WHERE execution = ?1)"
    mine = "(SELECT tenure FROM execution WHERE id = ?1 AND owner = ?10 AND tenure = ?3)"
    patches.set(
        sqlite_append,
        "_INSERT_AFTER",
        f"INSERT INTO log VALUES (?1, {behind}, {mine}, ?4, ?5, ?6, ?7, ?8)",
    )
    patches.set(
        sqlite_append,
        "_INSERT_LOG",
        f"INSERT INTO log VALUES (?1, {behind}, ?3, ?4, ?5, ?6, ?7, ?8)",
    )


def upsert(patches: Patches) -> None:
    """On a conflict the later record replaces the one that is there."""
    patches.text(sqlite_append, "_INSERT_LOG", "INSERT INTO", "INSERT OR REPLACE INTO")
    patches.text(sqlite_append, "_INSERT_AFTER", "INSERT INTO", "INSERT OR REPLACE INTO")


def _without_triggers(patches: Patches) -> None:
    patches.item(schema.SQLITE_TRIGGERS, "log_never_changes", None)
    patches.item(schema.SQLITE_TRIGGERS, "log_goes_with_its_execution", None)


def taken_for_written(patches: Patches) -> None:
    """A seq that is there already is taken for the own record, whoever wrote it."""
    seq = "            seq = member.append.records[0].seq\n"
    there = "SELECT 1 FROM log WHERE execution = ? AND seq = ?"
    taken = f"""\
            if link.rows("{there}", (member.id, seq)):
                begin += 1
                continue
"""
    patches.code(sqlite_append, "_insert_firsts", (seq, seq + taken))


def cursor_off_by_one(patches: Patches) -> None:
    """Whoever takes an execution over folds all but the last of its records."""
    folded = "state = fold(program, start, records, value)"
    short = "state = fold(program, start, records[:-1] if records[1:] else records, value)"
    patches.code(loading, "load", (folded, short))


def settings_not_read_back(patches: Patches) -> None:
    """A connection does not look whether its settings were taken."""

    def believe(self: Links, link: object, journal: str) -> None:
        return None

    patches.set(Links, "_read_back", believe)


def replace_passes_triggers(patches: Patches) -> None:
    """OR REPLACE fires no delete triggers, and nobody reads that back."""
    on = 'link.run("PRAGMA recursive_triggers = ON")'
    patches.code(Links, "_connect", (on, 'link.run("PRAGMA recursive_triggers = OFF")'))
    patches.code(
        Links, "_read_back", ('link.rows("PRAGMA recursive_triggers")[0][0] != 1', "False")
    )


REPLACE = "INSERT OR REPLACE INTO log SELECT execution, seq, 9, 9, 9, 9, x'', x'' FROM log"

MUTANTS = [
    Mutant(
        5,
        "seq from max + 1",
        "the database numbers a record; its writer's predecessor is not compared",
        seq_from_max,
        Direct(_APPEND, "test_a_seq_is_written_once"),
    ),
    Mutant(
        6,
        "upsert on conflict",
        "a record at a taken seq replaces the one that is there",
        upsert,
        Direct(_APPEND, "test_a_seq_is_written_once"),
        "the triggers of the log refuse the replacement",
        _without_triggers,
    ),
    Mutant(
        7,
        "unique violation taken as success",
        "a taken seq counts as written, without comparing the record",
        taken_for_written,
        Direct(_APPEND, "test_a_seq_is_written_once"),
        "a fenced session is refused before its record is compared",
        no_fence_in_append,
    ),
    Mutant(
        26,
        "cursor off by one after takeover",
        "a takeover folds all records but the last",
        cursor_off_by_one,
    ),
    Mutant(
        29,
        "weak durability settings accepted",
        "journal mode and synchronous are set and not read back",
        settings_not_read_back,
        Direct(
            _FILE,
            "test_a_setting_that_does_not_take_is_refused",
            {"setting": "synchronous"},
        ),
    ),
    waiting(
        30,
        "migration rewrites old records",
        "moving an execution to a new net changes its log",
        "migrations of running executions",
    ),
    Mutant(
        34,
        "INSERT OR REPLACE past the delete trigger",
        "recursive_triggers is off, and nobody reads that back",
        replace_passes_triggers,
        Direct(_FILE, "test_the_database_itself_refuses", {"statement": REPLACE}),
    ),
    waiting(
        35,
        "tombstone of a key forgotten",
        "a key may be started again after retention",
        "retention",
    ),
]
