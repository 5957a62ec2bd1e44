"""The page docs/command-line.md, written from the commands themselves; a test holds it up to date.

Write it anew with `python -m perdure.console.cli.reference > docs/command-line.md`. No verb and
no option is described here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from inspect import cleandoc

import click

from .main import VERBS, main

HEAD = """# Command line

Written from the commands themselves: `perdure VERB --help` says the same.

`TARGET` is `file.py`, `file.py:workflow` or `package.module[:workflow]`. The store is `--db`, else
`$PERDURE_DB`, else `sqlite:///perdure.db`. With `--format json` one JSON document is on stdout and
nothing else; progress and errors are on stderr.

| exit code | meaning |
| --- | --- |
| 0 | done, and everything asked for holds |
| 1 | something does not hold: a property is violated, an execution failed, an id is taken |
| 2 | unusable arguments or input |
| 3 | inconclusive within the given limits |
| 4 | the store cannot be reached or has another schema |
| 130, 143 | interrupted by Ctrl-C, terminated by SIGTERM |

Looking, sending and deciding work beside a running worker and without your code: they read the
stored net, and check payloads against the types stored with it. `fired` means that the outcome is
ours, and `delivered` that the receiver acknowledged it; neither claims more.
"""


def reference() -> str:
    """The page."""
    return HEAD + "".join(f"\n{section}" for section in _sections())


def _sections() -> Iterator[str]:
    top = click.Context(main, info_name="perdure")
    for name in VERBS:
        command = main.get_command(top, name)
        assert command is not None
        yield from _command(command, click.Context(command, top, info_name=name))


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    lines = [f"## {ctx.command_path}", ""]
    lines += ["```text", command.get_usage(ctx).removeprefix("Usage: "), "```", ""]
    lines += [_prose(cleandoc(command.help or "")), ""]
    params = [p for p in command.get_params(ctx) if isinstance(p, click.Option)]
    options = [r for p in params if (r := p.get_help_record(ctx)) is not None]
    shown = [(option, says) for option, says in options if "--help" not in option]
    if shown:
        lines += ["| option | meaning |", "| --- | --- |"]
        lines += [f"| {_code(option)} | {_cell(says)} |" for option, says in shown]
        lines.append("")
    yield "\n".join(lines)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, ctx, info_name=name))


def _prose(text: str) -> str:
    """Help as Markdown: what click keeps as it stands is examples."""
    out: list[str] = []
    for block in text.split("\n\n"):
        if block.startswith("\b\n"):
            commands = [f"$ {line}" for line in block.splitlines()[1:]]
            block = "\n".join(["```console", *commands, "```"])
        out.append(block)
    return "\n\n".join(out)


def _code(text: str) -> str:
    """Code in a cell; a bar in backticks would end the cell for some readers of Markdown."""
    return f"<code>{escape(text).replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(reference())
