"""`make mutants`: hunt every mutant of the list, print what killed it, and keep where. No mutant
lives here.

A survivor ends the run with 1, and so does an objection to the engine as it is.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from pathlib import Path

from . import recorded
from .catalogue import MUTANTS
from .hunting import RANDOM_COUNT, Caught, at_random, histories, memory_folder, objection, verdict


def control(folder: Path) -> tuple[int, list[str]]:
    """The same histories on the engine as it is: how many, and what is objected to."""
    count, wrong = 0, list[str]()
    for one in histories(folder):
        count += 1
        found = objection(one.outcome)
        if found is not None:
            wrong.append(f"{one.flow.name}, {one.fault}: {': '.join(found)}")
    found = at_random(count)
    if found is not None:
        wrong.append(f"{found.by}, {found.fault}: {found.rule}: {found.says}")
    count += RANDOM_COUNT
    return count, wrong


def main() -> int:
    """Hunt all, or those whose numbers are given, and keep what was found of them."""
    asked = [int(number) for number in sys.argv[1:]]
    logging.disable(logging.CRITICAL)  # what broken engines have to say about themselves
    warnings.simplefilter("ignore")
    began, found, lived = time.monotonic(), dict[int, Caught](), list[int]()
    with memory_folder() as place:
        wrong: list[str] = []
        if not asked:
            count, wrong = control(Path(place))
            told = f"the engine as it is: {count} histories, {len(wrong)} objections"
            print(told, *wrong, sep="\n", flush=True)
        for mutant in MUTANTS.values():
            if asked and mutant.number not in asked:
                continue
            killer = None if mutant.waits else verdict(mutant, Path(place))
            if killer is not None:
                found[mutant.number] = killer
            elif not mutant.waits:
                lived.append(mutant.number)
            print(recorded.shown(recorded.row(mutant, killer)), flush=True)
    waits = sum(bool(m.waits) for m in MUTANTS.values())
    redundant = sum(caught.both for caught in found.values())
    print(
        f"{len(found) - redundant} killed, {redundant} redundant and killed with the other guard "
        f"out, {waits} waiting, {len(lived)} survive; {time.monotonic() - began:.0f} s"
    )
    if not lived:
        recorded.write(recorded.read() | found if asked else found)
    return bool(lived or wrong)


if __name__ == "__main__":
    sys.exit(main())
