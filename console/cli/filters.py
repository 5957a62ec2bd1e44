"""Which executions a verb is about: by workflow, version, status, place and age.

Looking and operating share these words, so that `list` shows what `cancel` would touch. Nothing is
shown and nothing is sent here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import click

from ...engine.store import ExecutionRow, Status, Store
from .. import view

F = TypeVar("F", bound=Callable[..., Any])


class Age(click.ParamType[timedelta]):
    """A length of time as people write it: 90s, 15m, 2h, 3d."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it, or say how it is written."""
        found = re.fullmatch(r"(\d{1,9})([smhd])", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no age; write 90s, 15m, 2h or 3d", param, ctx)
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
        return timedelta(**{units[found[2]]: int(found[1])})


class Wanted(NamedTuple):
    """What is asked for; None: anything."""

    workflow: str | None
    version: int | None
    status: str | None
    place: str | None
    older: timedelta | None
    newer: timedelta | None

    @property
    def any(self) -> bool:
        """Whether something is asked for."""
        return any(each is not None for each in self)

    @property
    def in_rows(self) -> bool:
        """Whether more is asked for than the store can select: then every row is looked at."""
        return any(each is not None for each in (self.version, self.place, self.older, self.newer))


_OPTIONS = (
    click.option("--workflow", metavar="NAME", help="Only executions of this workflow."),
    click.option("--version", type=click.IntRange(1), metavar="N", help="Only of this version."),
    click.option("--status", type=click.Choice([s.value for s in Status]), help="Only these."),
    click.option("--place", metavar="NAME", help="Only with a token there, as `show` names it."),
    click.option("--older-than", type=Age(), metavar="AGE", help="Only started before: 90s, 2h."),
    click.option("--newer-than", type=Age(), metavar="AGE", help="Only started since: 15m, 3d."),
)


def with_filters(function: F) -> F:
    """Add the filters; the verb receives `wanted`."""

    def called(**words: Any) -> Any:
        workflow, version, status = (words.pop(n) for n in ("workflow", "version", "status"))
        place, older, newer = (words.pop(n) for n in ("place", "older_than", "newer_than"))
        wanted = Wanted(workflow, version, status, place, older, newer)
        return function(wanted=wanted, **words)

    called.__doc__, called.__name__ = function.__doc__, function.__name__
    called.__dict__.update(vars(function))
    decorated: Any = called
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


async def chosen(store: Store, wanted: Wanted, limit: int | None = None) -> list[ExecutionRow]:
    """The executions that are as wanted, the newest first, at most `limit`."""
    most = 2**31 if limit is None else limit
    some = 2**31 if wanted.in_rows else most
    rows = await store.list(workflow=wanted.workflow, status=wanted.status, limit=some)
    if not wanted.in_rows:
        return rows
    found: list[ExecutionRow] = []
    now = store.now()
    for row in rows:
        age = timedelta(microseconds=now - row.created)
        fits = wanted.version in (None, row.version)
        fits &= wanted.older is None or age > wanted.older
        fits &= wanted.newer is None or age < wanted.newer
        # The marking is read last, being the dearest.
        if fits and (wanted.place is None or await _stands(store, row.key, wanted.place)):
            found.append(row)
            if len(found) == most:
                break
    return found


async def _stands(store: Store, key: str, place: str) -> bool:
    seen = await view.view(store, key)
    if seen.net is None or seen.state is None:
        return False
    return any(seen.net.places[p].name == place for p in seen.state.marking)
