"""`python -m perdure`: starts the command line, nothing else."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; imported late, so that `perdure.main` costs nothing to name."""
    _stand_in_for_closed_streams()
    from .console.cli.main import main as command_line

    command_line(prog_name="perdure")


def _stand_in_for_closed_streams() -> None:
    """Where a shell closed a stream (`>&-`) nothing is read or written, nor anything in its place.

    Done before anything is opened: a store that got the number of stdout would be written into.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal that lacks a letter shows its escape
            reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
