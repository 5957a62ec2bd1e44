"""What sync code between two awaits should not touch: a table of dotted names (C29).

The longest name that fits decides; a name with an empty text is harmless although its module is
not. It is a table and nothing else; no call is looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Touch(NamedTuple):
    """What a name does; `lint`: a warning, because it changes nothing outside."""

    does: str
    fix: str
    lint: bool = False


_REPEATS = "make it a step, and say which effect it has: `@idempotent`, `@irreversible`, …"
_LOOKS = "read it in an @observe step"
_NOW = "now()   # the time of the firing, so the log tells why a branch was taken"
_DICE = "draw it in an @observe step, so the log tells why a branch was taken"
_WHERE = "pass it in as an argument, or read it in an @observe step"
_FINE = Touch("", "")

_EFFECTS = """
    builtins.print builtins.input builtins.breakpoint io.open requests urllib.request urllib3
    httpx aiohttp socket ssl subprocess smtplib ftplib imaplib poplib telnetlib xmlrpc http.client
    http.server threading multiprocessing concurrent.futures shutil tempfile webbrowser sqlite3
    psycopg psycopg2 pymysql redis boto3 botocore paramiko os signal fcntl mmap
    pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.mkdir
    pathlib.Path.touch pathlib.Path.rename pathlib.Path.replace pathlib.Path.rmdir
    pathlib.Path.open pathlib.Path.chmod pathlib.Path.symlink_to pathlib.Path.hardlink_to
    """
_READS = """
    os.path.exists os.path.isfile os.path.isdir os.path.getsize os.path.getmtime os.listdir
    os.scandir os.stat os.walk os.getcwd os.path.realpath os.path.abspath pathlib.Path.read_text
    pathlib.Path.read_bytes pathlib.Path.exists pathlib.Path.is_file pathlib.Path.is_dir
    pathlib.Path.stat pathlib.Path.iterdir pathlib.Path.glob pathlib.Path.rglob pathlib.Path.cwd
    pathlib.Path.home pathlib.Path.resolve
    """
_CLOCKS = """
    time datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
    """
_RANDOM = "random secrets uuid.uuid1 uuid.uuid4 os.urandom numpy.random"
_PLACE = """
    os.environ os.getenv os._Environ os.getpid os.getlogin os.uname os.cpu_count platform
    """
_HARMLESS = """
    os.path os.fspath os.fsencode os.fsdecode os.PathLike os.sep time.struct_time time.strptime
    socket.AddressFamily threading.local signal.Signals
    """

OUTSIDE: Mapping[str, Touch] = {
    **dict.fromkeys(_EFFECTS.split(), Touch("reaches outside", _REPEATS)),
    **dict.fromkeys(_READS.split(), Touch("reads what may be another after a restart", _LOOKS)),
    **dict.fromkeys(_CLOCKS.split(), Touch("reads the clock", _NOW, lint=True)),
    **dict.fromkeys(_RANDOM.split(), Touch("rolls dice", _DICE, lint=True)),
    **dict.fromkeys(_PLACE.split(), Touch("reads this machine's settings", _WHERE, lint=True)),
    **dict.fromkeys(_HARMLESS.split(), _FINE),
    "time.sleep": Touch("holds up the whole worker", "await sleep(seconds(3))"),
}
"""By dotted name of a module, class, function or method."""

CODE = frozenset(
    {
        "builtins.eval",
        "builtins.exec",
        "builtins.compile",
        "builtins.globals",
        "builtins.locals",
        "builtins.__import__",
        "importlib.import_module",
    }
)
"""Code and names made at run time, which no net shows (PD108)."""


def touch(name: str) -> Touch | None:
    """What a dotted name does outside; None when nothing is known against it."""
    while name:
        found = OUTSIDE.get(name)
        if found is not None:
            return found if found.does else None
        name = name.rpartition(".")[0]
    return None
