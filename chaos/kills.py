"""When a real process dies or stands still: moments by name, and lives drawn from a seed, as data.

Which process reaches its moment first is the machine's choice, so a seed repeats what is planned,
not what happens. No process is started or killed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from random import Random

import msgspec


class Moment(StrEnum):
    """Where a process is met by its signal."""

    BEFORE_COMMIT = "before a commit"
    AFTER_COMMIT = "after a commit"
    BEFORE_INTENT = "before an intent commits"
    BEFORE_CALL = "after the intent, before the call"
    BEFORE_OUTCOME = "after the call, before its outcome commits"
    AFTER_CLAIM = "after a claim"
    IN_TRANSACTION = "inside a transactional step"
    ASKED = "after a probe, before its answer commits"
    UNDONE = "after an undo, before it is recorded"
    ANY = "at a random moment"


NAMED = tuple(moment for moment in Moment if moment is not Moment.ANY)
STANDING = tuple(moment for moment in Moment if moment is not Moment.IN_TRANSACTION)
"""Where a process may be stopped: not where it is known to hold the only writer of SQLite."""

_COUNT_MAX = {Moment.BEFORE_COMMIT: 5, Moment.AFTER_COMMIT: 5, Moment.AFTER_CLAIM: 2}
_DELAY_MAX = 0.4  # seconds of work before a random moment
_STOPS = 0.2  # part of the lives that stand still once before they end
_RANDOM = 0.25  # part of the moments that have no name


class Meeting(msgspec.Struct, frozen=True):
    """A moment: the `count`-th time it is reached, or so many seconds after the work began."""

    moment: Moment
    count: int = 1
    delay: float = 0.0


class Fate(msgspec.Struct, frozen=True):
    """What one life meets: SIGSTOP perhaps, SIGKILL in the end."""

    kill: Meeting
    stop: Meeting | None = None


def fates(seed: int, count: int) -> Iterator[Fate]:
    """The fates of so many lives; every named moment comes, when there are lives enough."""
    dice = Random(seed)
    names = list(NAMED)
    dice.shuffle(names)
    for number in range(count):
        moment = None if dice.random() < _RANDOM else names[number % len(names)]
        stop = _meeting(dice, dice.choice(STANDING)) if dice.random() < _STOPS else None
        yield Fate(_meeting(dice, moment or Moment.ANY), stop)


def _meeting(dice: Random, moment: Moment) -> Meeting:
    if moment is Moment.ANY:
        return Meeting(moment, delay=dice.uniform(0, _DELAY_MAX))
    return Meeting(moment, dice.randint(1, _COUNT_MAX.get(moment, 1)))
