"""`python -m perdure`: starts the command line, nothing else."""

from __future__ import annotations


def main() -> None:
    """Run the command line; imported late, so that `perdure.main` costs nothing to name."""
    from .console.cli.main import main as command_line

    command_line(prog_name="perdure")


if __name__ == "__main__":
    main()
