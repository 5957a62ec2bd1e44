"""What the demo's steps and its parent say to the shop server, one function per request.

Plain calls with a timeout and never a retry: a second request would be a second charge. Only a
clear refusal has an exception of its own; whatever else comes out (timeout, reset connection,
lost answer) is raised as it is, because nobody here knows what became of the request.
"""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from urllib.parse import urlencode

import msgspec

from .holds import Point
from .ledger import Ledger

HOST = "127.0.0.1"
# A long poll is answered after its own time; the connection waits a little longer.
POLL_MARGIN_SECONDS = 5.0

Json = Mapping[str, object]


class CardDeclined(Exception):
    """The bank refused the card: nothing was charged, and with this card nothing will be."""

    code = "card-declined"

    def __init__(self, order: str) -> None:
        """Carry the order whose card was declined."""
        super().__init__(order)
        self.order = order

    def __str__(self) -> str:
        """Say it for people."""
        return f"the card of order {self.order} was declined"


class KeyClosed(Exception):
    """The shop refused this request because its key was closed; this request did nothing.

    An earlier request with the same key may have landed before the closing.
    """

    code = "key-closed"

    def __init__(self, key: str) -> None:
        """Carry the closed key."""
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        """Say it for people."""
        return f"the key {self.key} was closed before this request"


class UnexpectedAnswer(Exception):
    """The server answered something else than success or a clear refusal: treat it as doubt."""

    code = "unexpected-answer"

    def __init__(self, status: int, body: str) -> None:
        """Carry the HTTP status and the body as it came."""
        super().__init__(status, body)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        """Say it for people."""
        return f"the shop answered {self.status}: {self.body}"


class _Closed(Exception):
    """409, before we know which key to name."""


class _Declined(Exception):
    """402, before we know which order to name."""


@dataclass(frozen=True)
class Held:
    """A request that waits inside the server: the moment to kill who sent it."""

    verb: str
    order: str | None
    key: str | None
    at: Point


@dataclass(frozen=True)
class Shop:
    """The server at a loopback port; safe to share between threads, each call connects anew."""

    port: int
    timeout_seconds: float = 10.0

    def charge(self, order: str, key: str, card: str, amount: Decimal) -> str:
        """Charge the card, again if it was charged before, and return the charge's id.

        Raises `CardDeclined` or `KeyClosed` when this request charged nothing; any other
        exception is doubt.
        """
        body = {"order": order, "key": key, "card": card, "amount": str(amount)}
        try:
            return _text(self._act("/charge", body), "charge")
        except _Declined:
            raise CardDeclined(order) from None

    def close(self, key: str) -> str | None:
        """Make the bank refuse this key for ever, then return what was charged with it."""
        charged = self._act("/close", {"key": key})["charged"]
        return None if charged is None else str(charged)

    def reserve(self, order: str, key: str, sku: str) -> str:
        """Reserve stock once more and return the reservation's id; `KeyClosed` after a release."""
        return _text(self._act("/reserve", {"order": order, "key": key, "sku": sku}), "reservation")

    def release(self, order: str, key: str, reservation: str | None = None) -> None:
        """Release what was reserved under the key or the id, and refuse the key from now on."""
        self._act("/release", {"order": order, "key": key, "reservation": reservation})

    def book_courier(self, order: str, key: str, address: str) -> str:
        """Book a courier once more and return the tracking id; `KeyClosed` after a cancel."""
        body = {"order": order, "key": key, "address": address}
        return _text(self._act("/courier/book", body), "courier")

    def cancel_courier(self, order: str, key: str, tracking: str | None = None) -> None:
        """Cancel what was booked under the key or the id, and refuse the key from now on."""
        self._act("/courier/cancel", {"order": order, "key": key, "courier": tracking})

    def email_receipt(self, order: str, key: str, charge: str) -> None:
        """Send the receipt; the same key again sends nothing more."""
        self._act("/email", {"order": order, "key": key, "charge": charge})

    def ledger(self) -> Ledger:
        """Return all rows that the server has."""
        return msgspec.convert(self._ask("GET", "/ledger"), Ledger)

    def steer(
        self,
        verb: str,
        order: str | None = None,
        *,
        hold: Point | None = None,
        drop: bool = False,
        outlive: bool = False,
        slow_ms: int | None = None,
        times: int = 1,
    ) -> None:
        """Tell the server what to do with the next such requests (see `holds.Rule`)."""
        rule = {"verb": verb, "order": order, "hold": hold, "drop": drop, "outlive": outlive}
        self._ask("POST", "/control", {**rule, "slow_ms": slow_ms, "times": times})

    def wait_held(self, verb: str, order: str | None, timeout_seconds: float) -> Held | None:
        """Return such a request as soon as it is held; None when the time is over."""
        query = {"verb": verb, "timeout_ms": str(int(timeout_seconds * 1000))}
        if order is not None:
            query["order"] = order
        answer = self._poll(f"/control/held?{urlencode(query)}", timeout_seconds)
        return msgspec.convert(answer["held"], Held | None)

    def let_go(self, verb: str, order: str | None = None) -> int:
        """Let the held requests of this kind go on; return how many there were."""
        answer = self._ask("POST", "/control/release", {"verb": verb, "order": order})
        return msgspec.convert(answer["released"], int)

    def wait_quiet(self, timeout_seconds: float) -> bool:
        """Return True as soon as no request is in progress: what will land has landed."""
        query = urlencode({"timeout_ms": int(timeout_seconds * 1000)})
        return self._poll(f"/control/quiet?{query}", timeout_seconds)["quiet"] is True

    def _act(self, path: str, body: Json) -> Json:
        try:
            return self._ask("POST", path, body)
        except _Closed:
            raise KeyClosed(str(body["key"])) from None

    def _poll(self, target: str, timeout_seconds: float) -> Json:
        return self._ask("GET", target, None, timeout_seconds + POLL_MARGIN_SECONDS)

    def _ask(
        self, method: str, target: str, body: Json | None = None, wait_seconds: float | None = None
    ) -> Json:
        """Send one request on a connection of its own and return the object of its answer."""
        sent = None if body is None else json.dumps(body)
        timeout = self.timeout_seconds if wait_seconds is None else wait_seconds
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=timeout)) as connection:
            connection.request(method, target, sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        if response.status == 200:
            return cast("Json", json.loads(text))
        if response.status == 409:
            raise _Closed
        if response.status == 402:
            raise _Declined
        raise UnexpectedAnswer(response.status, text)


def _text(answer: Json, name: str) -> str:
    """Return the id in the answer; an answer without it says nothing, so it is doubt."""
    value = answer.get(name)
    if not isinstance(value, str):
        raise UnexpectedAnswer(200, json.dumps(dict(answer)))
    return value
