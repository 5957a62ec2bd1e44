"""Moments of the log and of timers: microseconds since 1970 and aware datetimes. Pure arithmetic.

No clock is read here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..model.marking import Token
from ..model.net import Site

_TIMERS_OF_MOMENTS = frozenset({"at", "sleep_until"})


def due(site: Site, token: Token) -> int:
    """When a timer falls due: the moment given, or the span after the token came to rest."""
    given = token.frame[site.arguments[0][1]].get()
    if site.target in _TIMERS_OF_MOMENTS:
        moment: datetime = given
        return _microseconds(moment - _EPOCH)
    return token.at + max(0, _microseconds(given))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _microseconds(span: timedelta) -> int:
    return span // _MICROSECOND
