"""How the tables of an older store become today's: a step per revision, in one transaction.

Alembic's operations do it, and are imported here and nowhere else: by `perdure db upgrade`, when it
finds an older store. An empty database is made by sqlite_schema.py; the engine never upgrades.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from ..errors import SchemaMismatch
from ..sqlite_link import Link
from . import r0001, r0002

Step = Callable[[Operations], None]
STEPS: Mapping[int, Step] = {1: r0001.upgrade, 2: r0002.upgrade}
"""By the revision that a step leads to; each stays as it was when that revision was released."""


def apply(link: Link, path: str, found: int, steps: Mapping[int, Step] = STEPS) -> list[int]:
    """Lead the tables from revision `found` (0: none yet) to the last one; the steps made.

    Runs inside the open transaction of `link`, so a step that fails leaves the store as it was.
    """
    newest = max(steps)
    if not 0 <= found <= newest:
        raise SchemaMismatch(path, f"schema revision {found}", f"one of 0 to {newest}")
    context = MigrationContext.configure(link.core, opts={"transactional_ddl": False})
    operations = Operations(context)
    made = [revision for revision in sorted(steps) if revision > found]
    for revision in made:
        steps[revision](operations)
    link.run("DELETE FROM perdure_schema")
    link.run("INSERT INTO perdure_schema (revision) VALUES (?)", (newest,))
    return made
