"""Where the shop server stops on command: rules, held requests, and who waits for them.

A rule picks requests by verb and order and names one point (before, during or after the act) at
which they wait, or has their answer dropped. Here are no sockets and no records, only waiting.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

Point = Literal["before", "during", "after"]
"""On receipt; between looking and writing; between writing (durable) and answering."""

POINTS: tuple[Point, ...] = get_args(Point)

# A dead client shows only on its socket, so a held request looks there this often.
LOOK_AFTER_CLIENT_SECONDS = 0.01


@dataclass
class Rule:
    """What to do with the next `times` requests of this verb and order (None: any order)."""

    verb: str
    order: str | None
    hold: Point | None = None
    drop: bool = False
    outlive: bool = False
    slow_ms: int | None = None
    times: int = 1

    def matches(self, verb: str, order: str | None) -> bool:
        """Say whether this rule still wants a request like that."""
        return self.times > 0 and self.verb == verb and self.order in (None, order)


@dataclass(eq=False)
class Visit:
    """One request on its way through the shop; in memory only, gone when the server dies."""

    number: int
    verb: str
    order: str | None
    key: str | None
    rule: Rule | None
    held_at: Point | None = None
    released: bool = False


class Holds:
    """The rules and all requests in progress; every method may be called from any thread."""

    def __init__(self, charge_slow_ms: int = 0) -> None:
        """Make each charge slow by that much, twice: before it is written, and after."""
        self._changed = threading.Condition()
        self._rules: list[Rule] = []
        self._visits: dict[int, Visit] = {}
        self._visit_count = 0
        self._charge_slow_ms = charge_slow_ms

    def add(self, rule: Rule) -> None:
        """Apply the rule to requests that arrive from now on; older rules go first."""
        with self._changed:
            self._rules = [each for each in self._rules if each.times > 0] + [rule]

    def enter(self, verb: str, order: str | None, key: str | None) -> Visit:
        """Register a request that has arrived, and use up the first rule that wants it."""
        with self._changed:
            rule = next((each for each in self._rules if each.matches(verb, order)), None)
            if rule is not None:
                rule.times -= 1
            self._visit_count += 1
            visit = Visit(self._visit_count, verb, order, key, rule)
            self._visits[visit.number] = visit
            return visit

    def leave(self, visit: Visit) -> None:
        """Forget a request that was answered, refused or dropped."""
        with self._changed:
            del self._visits[visit.number]
            self._changed.notify_all()

    def pause(self, visit: Visit, point: Point, client_is_gone: Callable[[], bool]) -> None:
        """Be slow here, then wait if a rule says so: until released or the client is gone.

        A rule with `outlive` waits for the release even when nobody is left to be answered:
        so an attempt can be made to land long after its caller died.
        """
        rule = visit.rule
        if point != "before":
            time.sleep(self._slow_ms(visit) / 1000)
        if rule is None or rule.hold != point:
            return
        with self._changed:
            visit.held_at = point
            self._changed.notify_all()
            while not visit.released and (rule.outlive or not client_is_gone()):
                self._changed.wait(LOOK_AFTER_CLIENT_SECONDS)
            visit.held_at = None

    def wait_held(self, verb: str, order: str | None, timeout_seconds: float) -> Visit | None:
        """Return a request of this kind that is held, as soon as there is one; None: too late."""

        def held() -> Visit | None:
            return next(iter(self._held(verb, order)), None)

        with self._changed:
            found = self._changed.wait_for(held, timeout_seconds)
            return None if found is None else replace(found)

    def release(self, verb: str, order: str | None) -> int:
        """Let all requests of this kind that are held now go on; return how many."""
        with self._changed:
            held = self._held(verb, order)
            for visit in held:
                visit.released = True
            self._changed.notify_all()
            return len(held)

    def wait_quiet(self, timeout_seconds: float) -> bool:
        """Return True as soon as no request is in progress, False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._visits, timeout_seconds)

    def in_progress_count(self) -> int:
        """Return how many requests may still write something."""
        with self._changed:
            return len(self._visits)

    def _held(self, verb: str, order: str | None) -> list[Visit]:
        return [
            visit
            for visit in self._visits.values()
            if visit.held_at is not None
            and not visit.released
            and visit.verb == verb
            and order in (None, visit.order)
        ]

    def _slow_ms(self, visit: Visit) -> int:
        if visit.rule is not None and visit.rule.slow_ms is not None:
            return visit.rule.slow_ms
        return self._charge_slow_ms if visit.verb == "charge" else 0
