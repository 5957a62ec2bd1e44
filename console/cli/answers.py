"""What every verb shares: exit codes, `--format`, `--db`, errors without a stack trace.

Machines read one JSON document on stdout; people read text there. Nothing else is written to
stdout, by nobody. What a verb says is not known here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from ...engine.errors import remedy
from ...model.errors import (
    ExecutionConflict,
    ExecutionError,
    ExecutionFinished,
    PerdureError,
    PlatformError,
    UsageError,
)

DONE, DOES_NOT_HOLD, UNUSABLE, INCONCLUSIVE, NO_STORE = range(5)
INTERRUPTED = 130  # what shells say of a Ctrl-C
TERMINATED = 143  # and of a SIGTERM
# What is installed by which extra; each is imported only by the verb that needs it.
EXTRAS = {
    "rich": "rich",
    "networkx": "graph",
    "alembic": "migrate",
    "z3": "z3",
    "hypothesis": "test",
}
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
DEFAULT_DB = "sqlite:///perdure.db"
_FORMAT = "perdure.format"


class Terminated(Exception):
    """The process was asked to end, and has put away what it held."""


class Refusal(click.ClickException):
    """A mistake told as what, why, fix; ends the verb with its exit code."""

    def __init__(self, what: str, fix: str, *, code: str = "", exit: int = UNUSABLE) -> None:
        super().__init__(what + (f"\n  fix  {fix}" if fix else ""))
        self.code, self.exit = code, exit

    def show(self, file: Any = None) -> None:
        """Say it on stderr."""
        tell_failure(self.code, self.message)


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that is not ours to answer for; None: let it crash."""
    if isinstance(error, PlatformError):
        return NO_STORE
    if isinstance(error, (ExecutionFinished, ExecutionConflict, ExecutionError)):
        return DOES_NOT_HOLD
    if isinstance(error, UsageError):
        return UNUSABLE
    return None


@contextmanager
def failing(ctx: click.Context) -> Generator[None]:
    """Turn errors of ours, of the database and of click into a message and an exit code."""
    try:
        yield
    except PerdureError as error:
        code = exit_code(error)
        if code is None:
            raise
        tell_failure(error.code, str(error))
        ctx.exit(code)
    except Refusal as error:
        error.show()
        ctx.exit(error.exit)
    except click.UsageError as error:
        tell_failure("", told_usage(error))
        ctx.exit(UNUSABLE)
    except (KeyboardInterrupt, click.Abort):
        note("interrupted")
        ctx.exit(INTERRUPTED)
    except Terminated:
        note("terminated")
        ctx.exit(TERMINATED)
    except BrokenPipeError:
        _forget_stdout()  # whoever read us has seen enough
        ctx.exit(DONE)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        fix = f"pip install 'perdure[{extra}]'"
        tell_failure("", f"this needs {error.name}, which is not installed\n  fix  {fix}")
        ctx.exit(UNUSABLE)
    except Exception as error:
        if not _of_database(error):
            raise
        what = str(getattr(error, "orig", None) or error)
        fix = remedy(what)
        tell_failure("PD801", f"PD801 the store cannot be used: {what}\n  fix  {fix}")
        ctx.exit(NO_STORE)


def told_usage(error: click.UsageError) -> str:
    """What is wrong with the words of a command, and how it is called."""
    ctx = error.ctx
    lines = [error.format_message()]
    if ctx is not None:
        lines.append(f"  fix  {ctx.get_usage().removeprefix('Usage: ')}")
        lines.append(f"  more {ctx.command_path} --help")
    return "\n".join(lines)


def _of_database(error: Exception) -> bool:
    """Whether the driver or SQLAlchemy says it; neither is imported for the question."""
    roots = {c.__module__.split(".")[0] + "." + c.__name__ for c in type(error).__mro__}
    return bool(roots & {"sqlite3.DatabaseError", "sqlalchemy.SQLAlchemyError"})


def tell_failure(code: str, message: str) -> None:
    """Say what went wrong: on stderr, and as the JSON document where one was asked for."""
    click.echo(message, err=True)
    ctx = click.get_current_context(silent=True)
    if ctx is not None and ctx.find_root().meta.get(_FORMAT) == "json":
        say(told_json({"error": {"code": code, "message": message}}))


def with_format(*formats: str) -> Callable[[F], F]:
    """Add `--format`; the verb receives `format`."""
    choices = formats or ("text", "json")

    def remember(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
        ctx.find_root().meta[_FORMAT] = value
        return value

    return click.option(
        "--format",
        "format",
        type=click.Choice(choices),
        default=choices[0],
        is_eager=True,
        callback=remember,
        help="For people, or for programs (one document on stdout).",
    )


def with_db(function: F) -> F:
    """Add `--db`; the verb receives `db`."""
    return click.option(
        "--db",
        envvar="PERDURE_DB",
        default=DEFAULT_DB,
        show_default=f"$PERDURE_DB or {DEFAULT_DB}",
        metavar="URL",
        help="The store, as SQLAlchemy URL.",
    )(function)


def answer(format: str, document: object, text: str) -> None:
    """Write the answer to stdout: the document for programs, the text for people."""
    if format == "json":
        say(told_json(document, indent=2))
    elif text:
        say(text)


def say(text: str, *, nl: bool = True) -> None:
    """Write to stdout; what cannot be written there is told as a mistake, with its reason."""
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_stdout()
        fix = "free the disk, or send it to another file"
        raise Refusal(f"cannot write the answer: {error.strerror}", fix) from error


def _forget_stdout() -> None:
    """What is left in the buffer of stdout must not fail once more when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def told_json(document: object, indent: int | None = None) -> str:
    """A document as JSON that whatever stdout is encoded in can carry."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return json.dumps(document, ensure_ascii=encoding != "utf8", indent=indent)


def note(text: str) -> None:
    """A line about progress, on stderr."""
    click.echo(text, err=True)


def watched(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items one by one, with a progress bar where someone watches and there are several."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=doing, file=sys.stderr) as bar:
        yield from bar


def installed_version() -> str:
    """The version of the wheel; a checkout that is run in place has none."""
    from importlib.metadata import PackageNotFoundError, version  # a tenth of a verb's start

    try:
        return version("perdure")
    except PackageNotFoundError:
        return "of this checkout"


def finish(code: int) -> None:
    """End the verb with an exit code."""
    click.get_current_context().exit(code)


def asynchronously(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; the verbs are plain functions for click."""
    return asyncio.run(main)


async def until_terminated(main: Coroutine[Any, Any, T]) -> T:
    """Run it, and end it on SIGTERM as a Ctrl-C would: what it holds is released."""
    task = asyncio.ensure_future(main)
    asked = asyncio.Event()

    def end() -> None:
        asked.set()
        task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        return await task
    except asyncio.CancelledError:
        if asked.is_set():
            raise Terminated from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def read_json(text: str, option: str) -> Any:
    """The JSON value of an option: written out, `@file`, or `-` for stdin."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_no_number)
    except OSError as error:
        fix = "@FILE names a file that holds JSON; - reads standard input"
        raise Refusal(f"{option}: cannot read {text[1:]}: {error.strerror}", fix) from error
    except (ValueError, RecursionError) as error:
        fix = """write a JSON value, in a shell like '{"name": "Ada"}'"""
        raise Refusal(f"{option} is not JSON: {error}", fix) from error


def canonical(value: Any) -> bytes:
    """The bytes of a JSON value; equal values give equal bytes, so that a repeated send is one."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        what = "a text holds half a character (a lone surrogate)"
        raise Refusal(what, "write the character itself, or both halves") from error


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")
