"""The general mutation run: every small edit of the modules that carry the protocol, by cosmic-ray.

`make mutation` runs it over a clone, never over the checkout; the tool has an environment of its
own. What the edits are is cosmic-ray's to say, which tests judge a module is said here. No mutant
of the list lives here (see mutant.py).
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from subprocess import run

ROOT = Path(__file__).resolve().parents[2]
TESTS = {
    "leases": "engine/test_leases engine/test_clock_jumps engine/test_heart engine/test_zombies",
    "committer": "engine/test_committer engine/test_poison_kinds engine/test_causal_past "
    "engine/test_costs crash/test_found engine/test_ambiguous engine/test_payloads_at_birth "
    "engine/test_drain engine/test_closing engine/test_out_of_reach engine/test_batches",
    "recovery": "engine/test_recovery engine/test_anew engine/test_ambiguous engine/test_closing "
    "engine/test_late_answers engine/test_append_right engine/test_defects engine/test_zombies",
    "kernel": "engine/test_resting engine/test_folding engine/test_waits engine/test_undo "
    "engine/test_branches engine/test_doubt engine/test_messages engine/test_time "
    "engine/test_races crash/test_found engine/test_old_logs engine/test_payloads "
    "engine/test_desk",
}
"""Module of the engine -> the tests that judge it, those that fail soonest first."""

SETTINGS = """
[cosmic-ray]
module-path = "engine/{module}.py"
timeout = 120.0
excluded-modules = []
test-command = "{command}"
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = [
  "core/ReplaceBinaryOperator_.*_(Pow|Mod|LShift|RShift|FloorDiv|BitXor|BitOr|BitAnd)",
  "core/ReplaceBinaryOperator_(Pow|BitOr)_.*",
  "core/ReplaceBinaryOperator_(Add_Mul|Add_Div|Sub_Mul|Sub_Div|Mul_Add|Mul_Sub|Div_Add|Div_Sub)",
  "core/ReplaceComparisonOperator_(Eq|NotEq)_(Lt|LtE|Gt|GtE|Is|IsNot)",
  "core/ReplaceComparisonOperator_(Is|IsNot)_(Lt|LtE|Gt|GtE|Eq|NotEq)",
  "core/ReplaceComparisonOperator_(Lt|LtE|Gt|GtE)_(Eq|NotEq|Is|IsNot)",
  "core/ReplaceUnaryOperator_USub_.*",
]
"""
"""Of each operator the neighbours only: `**` for `+` is found by anything. `|` is all in types."""


def cloned(folder: Path) -> Path:
    """A clone of what is committed, with the checkout's environment; no bytecode is kept in it."""
    clone = folder / "clone"
    if not clone.exists():
        run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        (clone / ".venv").symlink_to((ROOT / ".venv").resolve())
    return clone


def session(module: str, tool: Path, clone: Path) -> Path:
    """Play all mutations of one module, or those that are left of an interrupted run."""
    files = " ".join(f"tests/{name}.py" for name in TESTS[module].split())
    command = (
        f"/usr/bin/env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={clone}/.names "
        f".venv/bin/python -m pytest -x -q -p no:cacheprovider --no-header {files}"
    )
    settings, found = clone.parent / f"{module}.toml", clone.parent / f"{module}.sqlite"
    settings.write_text(SETTINGS.format(module=module, command=command))
    run(["git", "checkout", "--quiet", "engine"], cwd=clone, check=True)
    if not found.exists():
        run([tool / "cosmic-ray", "init", settings, found], cwd=clone, check=True)
        run([tool / "cr-filter-operators", found, settings], cwd=clone, check=True)
    run([tool / "cosmic-ray", "exec", settings, found], cwd=clone, check=True)
    return found


def report(module: str, found: Path) -> int:
    """Print score and survivors of a session; how many survived."""
    with sqlite3.connect(found) as database:
        rows = database.execute(
            "SELECT operator_name, start_pos_row, test_outcome, diff FROM work_results "
            "JOIN mutation_specs USING (job_id) WHERE worker_outcome <> 'SKIPPED' ORDER BY 2, 1"
        ).fetchall()
    ends = Counter(outcome for _, _, outcome, _ in rows)
    killed = len(rows) - ends["SURVIVED"]
    print(f"engine/{module}.py: {killed} of {len(rows)} mutations killed")
    for operator, row, outcome, diff in rows:
        if outcome == "SURVIVED":
            changed = [
                x for x in diff.splitlines() if x[:1] in "+-" and x[:3] not in ("+++", "---")
            ]
            print(f"  line {row}, {operator.removeprefix('core/')}:", *changed, sep="\n    ")
    return ends["SURVIVED"]


def main() -> None:
    """`python -m tests.mutants.mutation --tool BIN --folder PLACE [MODULE ...]`."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("modules", nargs="*", default=list(TESTS))
    asked.add_argument("--tool", type=Path, required=True, help="folder of cosmic-ray's programs")
    asked.add_argument("--folder", type=Path, required=True, help="where the clone and results lie")
    asked.add_argument("--anew", action="store_true", help="forget what an earlier run found")
    given = asked.parse_args()
    if given.anew and given.folder.exists():
        shutil.rmtree(given.folder)
    given.folder.mkdir(parents=True, exist_ok=True)
    clone = cloned(given.folder.resolve())
    for module in given.modules:
        report(module, session(module, given.tool.resolve(), clone))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
