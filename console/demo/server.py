"""The world outside: bank, stock, courier and mail as one HTTP server in a process of its own.

    python -m perdure.console.demo.server --ledger FILE --port 0 [--slow-ms N]

Prints one JSON line with its port when it is ready. It never deduplicates: every charge request
that reaches it is another charge, unless its key was closed. Standard library only, and nothing of
Perdure: it must be able to testify against it. Loopback only, no authentication: a demo.
"""

import argparse
import contextlib
import json
import select
import socket
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from .books import Books, Refused
from .holds import Holds
from .lifeline import end_with_stdin
from .verbs import (
    VERB_BY_PATH,
    BadInput,
    Verb,
    check_fields,
    check_order,
    check_rule,
    check_timeout_seconds,
    check_verb_name,
    parse_object,
)

LOOPBACK = "127.0.0.1"
BODY_BYTES_MAX = 64 * 1024
# A client that opens a connection and says nothing must not keep its thread for ever.
READ_TIMEOUT_SECONDS = 60

Answer = tuple[int, Mapping[str, object]]
"""The HTTP status and the JSON object of an answer."""


class UnknownPath(Exception):
    """The path names nothing here."""


@dataclass(frozen=True)
class Outside:
    """All that the handlers share: the durable records and the waiting room."""

    books: Books
    holds: Holds


class ShopServer(ThreadingHTTPServer):
    """One thread per connection; held requests die with the process, as in a real outage."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, outside: Outside) -> None:
        """Bind to the loopback port; 0 lets the system choose one."""

        def handle(request: socket.socket, client: tuple[str, int], server: ShopServer) -> Handler:
            return Handler(outside, request, client, server)

        super().__init__((LOOPBACK, port), handle)


class Handler(BaseHTTPRequestHandler):
    """One request per connection: so the end of the connection is the end of the client."""

    timeout = READ_TIMEOUT_SECONDS

    def __init__(
        self, outside: Outside, request: socket.socket, client: tuple[str, int], server: ShopServer
    ) -> None:
        """Answer the request that stands on this connection (the base class does all here)."""
        self._outside = outside
        super().__init__(request, client, server)

    def handle(self) -> None:
        """Read and answer the request; what was done for a dead client stays done."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer a look at the ledger or a long poll."""
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        self._answer_checked(lambda: _look(self._outside, url.path, query))

    def do_POST(self) -> None:
        """Do what a verb says, or take a control rule."""
        path = urlsplit(self.path).path
        verb = VERB_BY_PATH.get(path)
        if verb is None:
            self._answer_checked(lambda: _control(self._outside, path, self._body()))
        else:
            self._answer_checked(lambda: self._perform(verb))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stdout carries one line, and the ledger is the log."""

    def _perform(self, verb: Verb) -> Answer | None:
        """Pass the three points around the act; None: the answer shall be lost."""
        fields = check_fields(verb, self._body())
        holds = self._outside.holds
        visit = holds.enter(verb.name, fields.get("order"), fields.get("key"))
        try:
            holds.pause(visit, "before", self._client_is_gone)
            holds.pause(visit, "during", self._client_is_gone)
            answer = verb.act(self._outside.books, fields)
            holds.pause(visit, "after", self._client_is_gone)
        finally:
            holds.leave(visit)
        return None if visit.rule is not None and visit.rule.drop else (200, answer)

    def _body(self) -> dict[str, object]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > BODY_BYTES_MAX:
            why = f"the length {length[:20]!r} is missing or too large"
            raise BadInput("Content-Length", why, f"send at most {BODY_BYTES_MAX} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise BadInput("body", "it ended early", "send as many bytes as announced")
        return parse_object(body)

    def _answer_checked(self, act: Callable[[], Answer | None]) -> None:
        """Run the act; send its answer, or its refusal as a JSON error, or nothing at all."""
        try:
            answer = act()
        except Refused as refused:
            answer = refused.status, {"error": refused.reason, "why": refused.why}
        except BadInput as bad:
            error = {"error": "bad-input", "where": bad.where, "why": bad.why, "fix": bad.fix}
            answer = 400, error
        except UnknownPath as unknown:
            answer = 404, {"error": "unknown-path", "why": f"nothing is at {unknown}"}
        except sqlite3.Error as error:
            # Nothing was committed that we know of, and we do not know more than that.
            answer = 500, {"error": "ledger", "why": str(error)}
        if answer is not None:
            self._send(*answer)

    def _send(self, status: int, answer: Mapping[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _client_is_gone(self) -> bool:
        """Look whether the other end of the connection was closed, without reading from it."""
        # A socket with a timeout waits in recv even when told not to, hence the poll.
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        try:
            return bool(poll.poll(0)) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True


def _look(outside: Outside, path: str, query: Mapping[str, str]) -> Answer:
    """Answer a GET; the two long polls answer 200 also when their time is over."""
    holds = outside.holds
    if path == "/ledger":
        # Counted first: what is no longer in progress by then is in the rows.
        in_progress = holds.in_progress_count()
        return 200, {**outside.books.everything(), "in_progress": in_progress}
    timeout_seconds = check_timeout_seconds(query.get("timeout_ms"))
    if path == "/control/held":
        verb, order = check_verb_name(query.get("verb")), check_order(query.get("order"))
        visit = holds.wait_held(verb, order, timeout_seconds)
        if visit is None:
            return 200, {"held": None}
        held = {"verb": visit.verb, "order": visit.order, "key": visit.key, "at": visit.held_at}
        return 200, {"held": held}
    if path == "/control/quiet":
        return 200, {"quiet": holds.wait_quiet(timeout_seconds)}
    raise UnknownPath(f"GET {path}")


def _control(outside: Outside, path: str, body: Mapping[str, object]) -> Answer:
    """Take a rule, or let held requests go on."""
    if path == "/control":
        outside.holds.add(check_rule(body))
        return 200, {"accepted": True}
    if path == "/control/release":
        verb, order = check_verb_name(body.get("verb")), check_order(body.get("order"))
        return 200, {"released": outside.holds.release(verb, order)}
    raise UnknownPath(f"POST {path}")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m perdure.console.demo.server", description="The outside world of the demo."
    )
    parser.add_argument("--ledger", type=Path, required=True, help="the server's SQLite file")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0: any free one")
    parser.add_argument("--slow-ms", type=int, default=0, help="delay of a charge, paid twice")
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when stdin closes (parent gone)"
    )
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error(f"--port {arguments.port}: a port is 0 to 65535")
    if not 0 <= arguments.slow_ms <= 60_000:
        parser.error(f"--slow-ms {arguments.slow_ms}: give 0 to 60000 milliseconds")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until killed; 2 when the ledger or the port can not be used."""
    arguments = _arguments(argv)
    try:
        books = Books(arguments.ledger)
    except sqlite3.Error as error:
        why = f"the ledger {arguments.ledger} can not be used: {error}"
        print(f"{why}; name a new file in a folder that exists", file=sys.stderr)
        return 2
    try:
        server = ShopServer(arguments.port, Outside(books, Holds(arguments.slow_ms)))
    except OSError as error:
        print(f"port {arguments.port} can not be used: {error}; try --port 0", file=sys.stderr)
        return 2
    if arguments.end_with_stdin:
        end_with_stdin()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
