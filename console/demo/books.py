"""The shop server's own records, durable in its own SQLite file before any answer is given.

Here live the tables of the outside world (charges, bookings, emails, closed keys, refusals) and
the one transaction behind each request. Never here: deduplication of charges or bookings (every
request is another row), waiting, HTTP, and anything of Perdure: the file is evidence against us.
"""

import sqlite3
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

TABLES = """
create table if not exists charge (
    id integer primary key autoincrement, "order" text not null, key text not null,
    card text not null, amount text not null, at text not null) strict;
create table if not exists booking (
    id integer primary key autoincrement, kind text not null, "order" text not null,
    key text not null, what text not null, at text not null, undone_at text) strict;
create table if not exists email (
    id integer primary key autoincrement, "order" text not null, key text not null unique,
    charge text not null, at text not null, request_count integer not null) strict;
create table if not exists closed (
    kind text not null, key text not null, at text not null, primary key (kind, key)) strict;
create table if not exists refusal (
    id integer primary key autoincrement, kind text not null, "order" text not null,
    key text not null, reason text not null, at text not null) strict;
create index if not exists charge_key on charge (key);
create index if not exists booking_key on booking (kind, key);
"""

# What the two kinds of bookings are called where people read them: the thing booked, its undoing.
RESERVATION = "reservation"
COURIER = "courier"

LEDGER = {
    "charges": """select 'charge-' || id as id, "order", key, card, amount, at
        from charge order by id""",
    "reservations": """select 'reservation-' || id as id, "order", key, what as sku, at,
        undone_at is not null as released from booking where kind = 'reservation' order by id""",
    "couriers": """select 'courier-' || id as id, "order", key, what as address, at,
        undone_at is not null as cancelled from booking where kind = 'courier' order by id""",
    "emails": """select 'email-' || id as id, "order", key, charge, at, request_count
        from email order by id""",
    "closed": "select kind, key, at from closed order by at, kind, key",
    "refusals": 'select kind, "order", key, reason, at from refusal order by id',
}
TRUTHS = ("released", "cancelled")

Fields = Mapping[str, str]
"""The checked fields of a request: every required one is there and not empty."""


class Refused(Exception):
    """The shop said no, durably, before anything happened: the reason and its HTTP status."""

    def __init__(self, status: int, reason: str, why: str) -> None:
        """Carry what the client is told."""
        super().__init__(why)
        self.status = status
        self.reason = reason
        self.why = why


class Books:
    """The records of the shop; each method is one transaction, durable when it returns.

    Atomicity between requests comes from SQLite (`BEGIN IMMEDIATE`), so that it also holds
    between two servers on one file; the lock only keeps threads off each other's connection use.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; raise `sqlite3.Error` when it is not ours to use."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(TABLES)

    def charge(self, fields: Fields) -> dict[str, object]:
        """Charge once more, whatever was charged before, unless card or key forbid it."""
        order, key, card = fields["order"], fields["key"], fields["card"]
        with self._transaction() as db:
            refused = _refusal(db, "charge", key)
            if refused is None and card.startswith("declined"):
                refused = Refused(402, "declined", f"the bank declines card {card}")
            row = (order, key, card, fields["amount"], _now())
            if refused is None:
                charge = _insert(
                    db,
                    'insert into charge ("order", key, card, amount, at) values (?, ?, ?, ?, ?)',
                    row,
                )
                return {"charge": f"charge-{charge}", "order": order, "key": key}
            _note_refusal(db, "charge", order, key, refused)
        raise refused

    def close(self, fields: Fields) -> dict[str, object]:
        """Refuse this charge key for ever, and say what was charged with it until now.

        One transaction: a charge with this key is either in the answer or will be refused.
        """
        key = fields["key"]
        with self._transaction() as db:
            _close(db, "charge", key)
            rows = db.execute(
                "select 'charge-' || id as id from charge where key = ? order by id", (key,)
            ).fetchall()
        charges = [str(row["id"]) for row in rows]
        charged = charges[0] if charges else None
        return {"key": key, "closed": True, "charged": charged, "charges": charges}

    def book(self, kind: str, what: str, fields: Fields) -> dict[str, object]:
        """Book once more, unless the key was closed by an earlier undo."""
        order, key = fields["order"], fields["key"]
        with self._transaction() as db:
            refused = _refusal(db, kind, key)
            if refused is None:
                booking = _insert(
                    db,
                    'insert into booking (kind, "order", key, what, at) values (?, ?, ?, ?, ?)',
                    (kind, order, key, fields[what], _now()),
                )
                return {kind: f"{kind}-{booking}", "order": order, "key": key}
            _note_refusal(db, kind, order, key, refused)
        raise refused

    def unbook(self, kind: str, fields: Fields) -> dict[str, object]:
        """Undo what was booked under the key or the id, and close the key for late bookings.

        Doing it again, or doing it for a key nobody ever booked with, is no error.
        """
        named = fields.get(kind, "")
        with self._transaction() as db:
            if named:
                found = db.execute(
                    "select key from booking where kind = ?1 and ?1 || '-' || id = ?2",
                    (kind, named),
                ).fetchone()
                if found is None:
                    raise Refused(404, "unknown", f"there is no {kind} {named}")
                _close(db, kind, str(found["key"]))
            if "key" in fields:
                _close(db, kind, fields["key"])
            rows = db.execute(
                """update booking set undone_at = ?1 where kind = ?2 and undone_at is null
                    and (key = ?3 or kind || '-' || id = ?4)
                    returning kind || '-' || id as id""",
                (_now(), kind, fields.get("key"), named),
            ).fetchall()
        return {"undone": sorted(str(row["id"]) for row in rows)}

    def email(self, fields: Fields) -> dict[str, object]:
        """Send one email per key: the one idempotent receiver of this shop; requests counted."""
        with self._transaction() as db:
            row = db.execute(
                """insert into email ("order", key, charge, at, request_count)
                    values (?, ?, ?, ?, 1)
                    on conflict (key) do update set request_count = request_count + 1
                    returning 'email-' || id as id, request_count""",
                (fields["order"], fields["key"], fields["charge"], _now()),
            ).fetchone()
        return {"email": row["id"], "request_count": row["request_count"]}

    def everything(self) -> dict[str, object]:
        """Return all rows of all tables as of one moment, oldest first."""
        with self._transaction() as db:
            return {
                name: [_readable(row) for row in db.execute(query)]
                for name, query in LEDGER.items()
            }

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Hold the write lock of the file from the first read to the durable end."""
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _insert(db: sqlite3.Connection, statement: str, row: tuple[str, ...]) -> int:
    number = db.execute(statement, row).lastrowid
    if number is None:
        raise sqlite3.DatabaseError("an insert gave no row number")
    return number


def _close(db: sqlite3.Connection, kind: str, key: str) -> None:
    db.execute("insert or ignore into closed (kind, key, at) values (?, ?, ?)", (kind, key, _now()))


def _refusal(db: sqlite3.Connection, kind: str, key: str) -> Refused | None:
    found = db.execute("select at from closed where kind = ? and key = ?", (kind, key)).fetchone()
    if found is None:
        return None
    return Refused(409, "closed", f"key {key} was closed for every {kind} at {found['at']}")


def _note_refusal(
    db: sqlite3.Connection, kind: str, order: str, key: str, refused: Refused
) -> None:
    db.execute(
        'insert into refusal (kind, "order", key, reason, at) values (?, ?, ?, ?, ?)',
        (kind, order, key, refused.reason, _now()),
    )


def _readable(row: sqlite3.Row) -> dict[str, object]:
    """Return the row by column names, SQLite's 0 and 1 as truth values where they mean that."""
    values: dict[str, object] = dict(zip(row.keys(), row, strict=True))
    return values | {name: bool(values[name]) for name in TRUTHS if name in values}
