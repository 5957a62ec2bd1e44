"""`perdure`: the table of verbs, and how errors become exit codes.

A verb's module is imported when the verb is used, so that `perdure --help` stays quick. What a
verb does stands in its module, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

from .answers import Refusal, failing, installed_version

_WORDS = "perdure.words"


class Verb(NamedTuple):
    """Where a verb lives, and the line that `--help` says about it."""

    module: str
    attribute: str
    says: str


VERBS: Mapping[str, Verb] = {
    "demo": Verb(".demo", "demo", "Run 20 orders, kill the worker, print the ledger."),
    "check": Verb(".check", "check", "Compile and verify workflows."),
    "compile": Verb(".drawing", "compile_", "Show the net of a workflow."),
    "run": Verb(".running", "run", "Start (or find) an execution, wait, print its result."),
    "worker": Verb(".running", "worker", "Serve executions until SIGTERM."),
    "start": Verb(".running", "start", "Start (or find) an execution; a worker runs it."),
    "signal": Verb(".operating", "signal", "Send a message to an execution."),
    "cancel": Verb(".operating", "cancel", "Wish that executions end; compensation runs."),
    "resume": Verb(".operating", "resume", "Let stalled executions go on."),
    "wait": Verb(".operating", "wait", "Wait until an execution has ended or stalls."),
    "list": Verb(".looking", "list_", "List executions, the newest first."),
    "show": Verb(".looking", "show", "Show where an execution stands and what it waits for."),
    "log": Verb(".looking", "log", "Show the records of an execution."),
    "effects": Verb(".looking", "effects", "Show the ledger of effects with an intent."),
    "desk": Verb(".desk", "desk", "List and decide what waits for a human."),
    "audit": Verb(".auditing", "audit", "Verify stored histories: chain, firings, ledger."),
    "prove": Verb(".proving", "prove", "Prove the engine's protocol, with and without its guards."),
    "chaos": Verb(".chaos", "chaos", "Break a workflow of yours, or the engine by real kills."),
    "replay": Verb(".replay", "replay", "Play a failure that `chaos` found again."),
    "docs": Verb(".documents", "docs", "Write or show pages about your own workflows."),
    "db": Verb(".machine", "db", "Make or check the tables of a store."),
    "doctor": Verb(".machine", "doctor", "Say what is installed and what the store is like."),
    "explain": Verb(".machine", "explain", "Explain an error code."),
}


class Verbs(click.Group):
    """A group that knows its verbs by name only, and answers errors without a stack trace."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a verb and return its command."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            known = get_close_matches(cmd_name, VERBS, 1) or ["--help"]
            fix = f"perdure {known[0]}"
            raise Refusal(f"there is no verb {cmd_name!r}", fix)
        return getattr(import_module(verb.module, __package__), verb.attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs from the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, VERBS[name].says) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; they are kept, to be looked at where mistakes are answered."""
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error of ours becomes its message and its exit code."""
        with failing(ctx):
            for word in ctx.meta[_WORDS]:
                if not _is_text(word):
                    raise Refusal(f"{word!a} is no text: bytes that are not UTF-8", "write UTF-8")
            return super().invoke(ctx)


def _is_text(word: str) -> bool:
    """Python reads other bytes of a command line as half characters, which nothing can store."""
    return not any("\ud800" <= c <= "\udfff" for c in word)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done and everything asked for holds, 1 something does not hold, "
    "2 unusable arguments or input, 3 inconclusive within the limits, 4 no usable store.",
)
@click.version_option(installed_version(), prog_name="perdure")
def main() -> None:
    """Durable execution you can prove.

    TARGET is file.py, file.py:workflow or package.module[:workflow]. The store is --db, else
    $PERDURE_DB, else sqlite:///perdure.db. `perdure VERB --help` has examples.
    """
