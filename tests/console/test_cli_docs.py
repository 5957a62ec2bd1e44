"""`perdure docs serve`: the pages of `docs build`, for a browser of this machine alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main

SHOP = str(Path(__file__).with_name("cli_shop.py"))


class Server:
    """`perdure docs serve` as a process, with a folder of its own for what it makes."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        command = [sys.executable, "-m", "perdure", "docs", "serve", SHOP, "--port", "0"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert self.process.stdout is not None
        self.address: SplitResult = urlsplit(self.process.stdout.readline().strip())

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        assert self.address.hostname is not None
        connection = HTTPConnection(self.address.hostname, self.address.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that listens, and is gone after the test."""
    server = Server(tmp_path)
    yield server
    server.process.kill()
    server.process.communicate()


def test_the_pages_that_build_writes_are_shown(server: Server, tmp_path: Path) -> None:
    """The address is the one line on stdout; every page is the same as on disk, byte by byte."""
    assert server.address.path == "/index.html"
    CliRunner().invoke(main, ["docs", "build", SHOP, "-o", str(tmp_path / "built")])
    names = [path.name for path in (tmp_path / "built").iterdir()]
    assert {"index.html", "buy.html", "approve.svg"} <= set(names)
    for name in names:
        status, text = server.get(f"/{name}")
        assert status == 200
        if name.endswith((".svg", "index.html", "index.md")):  # verdicts tell how long they took
            assert text == (tmp_path / "built" / name).read_text()
    assert "<svg" in server.get("/buy.html")[1]


@pytest.mark.parametrize(
    "path",
    ["/nope.html", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"],
)
def test_nothing_else_is_shown(server: Server, path: str) -> None:
    """No file outside of the folder, however the way to it is written."""
    assert server.get(path)[0] == 404


def test_only_this_machine_is_served(server: Server) -> None:
    """It listens on the loopback address alone."""
    assert server.address.hostname == "127.0.0.1"
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f":{server.address.port:04X}"
    mine = {line.split()[1] for line in listening if line.split()[1].endswith(port)}
    assert {address.partition(":")[0] for address in mine} == {"0100007F"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_asked_to_and_leaves_nothing(
    server: Server, number: signal.Signals
) -> None:
    """Exit 0 and one word; the folder of the pages is gone."""
    assert [p.name.startswith("perdure-docs-") for p in server.temporary.iterdir()] == [True]
    assert server.get("/index.html")[0] == 200
    server.process.send_signal(number)
    said = server.process.communicate(timeout=60)
    assert (server.process.returncode, *said) == (0, "", "stopped\n")
    assert list(server.temporary.iterdir()) == []


def test_a_port_that_is_taken_is_told_with_the_way_out() -> None:
    """Exit 2, and no folder is left behind."""
    before = set(Path(tempfile.gettempdir()).glob("perdure-docs-*"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = CliRunner().invoke(main, ["docs", "serve", SHOP, "--port", port])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cannot listen on port {port}: Address already in use\n  fix  ")
    assert set(Path(tempfile.gettempdir()).glob("perdure-docs-*")) <= before
