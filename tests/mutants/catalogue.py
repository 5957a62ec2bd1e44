"""The 36 mutants, in the order of their numbers. No patch is written here."""

from __future__ import annotations

from . import calls, fencing, messages, storage, timers

MUTANTS = {
    mutant.number: mutant
    for mutant in sorted(
        (*fencing.MUTANTS, *calls.MUTANTS, *messages.MUTANTS, *timers.MUTANTS, *storage.MUTANTS),
        key=lambda mutant: mutant.number,
    )
}
COUNT = 36
