"""The list of mutants: complete, each patch in force and taken back, each caught where it was last
time. The hunt itself is `make mutants`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from perdure.chaos.history import template

from ..crash.conftest import folder as folder  # where histories are played
from . import recorded
from .catalogue import COUNT, MUTANTS
from .hunting import BY_TEST, HUNTED, again, fails, objection, played
from .mutant import Mutant
from .patching import Patches, patched

HUNTABLE = [mutant for mutant in MUTANTS.values() if not mutant.waits]
FOUND = recorded.read()
each = pytest.mark.parametrize("mutant", HUNTABLE, ids=lambda m: f"{m.number} {m.name}")


def test_all_36_are_there_and_each_is_a_patch_or_says_what_it_waits_for() -> None:
    """No number is left out, none stands twice; what waits is never told as killed."""
    assert list(MUTANTS) == list(range(1, COUNT + 1))
    for mutant in MUTANTS.values():
        assert mutant.name and mutant.says
        assert bool(mutant.waits) != bool(mutant.patch)
        assert bool(mutant.guard) == bool(mutant.both)
    assert sorted(FOUND) == [mutant.number for mutant in HUNTABLE]


def test_the_list_is_that_of_the_design(shared: Path) -> None:
    """Numbers and names go together as they do there."""
    text = (shared / "design" / "verification.md").read_text(encoding="utf-8")
    listed = re.search(r"^Mutants: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    told = dict(re.findall(r"(\d+) ([^·]+?)(?=\.?$| ·)", listed[1].replace("·\n", "· ")))
    words = {n: set(re.findall(r"\w+", name.lower())) for n, name in told.items()}
    for number, mutant in MUTANTS.items():
        mine = set(re.findall(r"\w+", mutant.name.lower()))
        assert len(mine & words[str(number)]) >= 2, (mutant.name, told[str(number)])


@each
def test_a_patch_changes_what_is_there_and_leaves_nothing_behind(mutant: Mutant) -> None:
    """Its targets exist, are others under the patch, and are the same again after it."""
    assert mutant.patch is not None
    for patches in ([mutant.patch], [mutant.patch, mutant.both] if mutant.both else []):
        with patched(*patches) as made:
            changed = list(made.made)
            for owner, name, before in changed:
                assert vars(owner)[name] is not before
        for owner, name, before in reversed(changed):
            assert vars(owner)[name] is before or (owner, name) in [c[:2] for c in changed[:-1]]
        assert changed or not patches


@each
def test_a_mutant_is_caught_where_it_was(mutant: Mutant, folder: Path) -> None:
    """The history, or the test, that caught it in the last full run catches it again by the same
    rule, and finds nothing in the engine as it is. Of two guards neither does it alone."""
    found = FOUND[mutant.number]
    assert mutant.patch is not None
    guards = [mutant.both] if found.both and mutant.both else []
    engines = {"both": [mutant.patch, *guards], "none": [], "one": [mutant.patch], "other": guards}
    caught: dict[str, str | None] = {}
    for name, patches in engines.items():
        with patched(*patches):
            if not found.fault:
                assert mutant.direct is not None and found.by == str(mutant.direct)
                caught[name] = BY_TEST if fails(mutant.direct) else None
            else:
                objected = again(found, folder)
                caught[name] = objected[0] if objected else None
    assert caught["both"] == found.rule, f"write it anew: make mutants\n{found}"
    assert caught["none"] is None and caught["other"] is None
    assert bool(found.both) == (caught["one"] is None)


def test_what_is_not_there_can_not_be_patched() -> None:
    """A patch of code that moved on is an error: it would be a mutant that does nothing."""
    made = Patches()
    with pytest.raises(AssertionError, match="0 times"):
        made.code(recorded, "row", ("no such line", "another"))
    with pytest.raises(KeyError):
        made.set(recorded, "no_such_name", 1)
    with pytest.raises(AssertionError, match="stays what it is"):
        made.set(recorded, "FILE", recorded.FILE)
    assert made.made == []


@pytest.mark.parametrize("name", ["lost_answer", "cancelled_call", "open_keys"])
def test_the_engine_as_it_is_survives_the_flows_of_the_mutants(name: str, folder: Path) -> None:
    """Their calm runs hold a doubt, or a bank that can not be asked for good; nothing is wrong."""
    flow = HUNTED[name]
    outcome = played(flow, template(folder, flow), folder, None)
    assert objection(outcome) is None and outcome.status == "done"


def test_the_manual_tells_what_was_found(root: Path) -> None:
    """The table of docs/mutants.md is that of the last full run."""
    page = (root / "docs" / "mutants.md").read_text(encoding="utf-8")
    assert recorded.page(list(MUTANTS.values()), FOUND) in page, "make mutants prints the table"
