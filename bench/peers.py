"""Steps per second beside DBOS and beside bare group commits, interleaved in one run.

DBOS lives in an environment of its own: PERDURE_BENCH_DBOS=/path/of/its/python. Without it the
line says so. Prints one JSON document with medians; no figure is judged here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from steps import measure

ROUNDS, STEPS, AT_ONCE = 3, 10, 200
DBOS_WORKFLOWS = 100
"""Fewer than Perdure's: at its speed a thousand would take minutes. The rate is what counts."""

DBOS = """
import asyncio, json, sqlite3, sys, time
from dbos import DBOS, DBOSConfig

path, workflows, steps, at_once, journal = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
config: DBOSConfig = {"name": "bench", "system_database_url": f"sqlite:///{path}",
                      "log_level": "ERROR", "application_version": "1", "executor_id": "1"}
DBOS(config=config)

@DBOS.step()
async def step(number):
    return number

@DBOS.workflow()
async def ten(count):
    for number in range(count):
        await step(number)
    return count

async def main():
    if journal == "wal":
        sqlite3.connect(path).execute("PRAGMA journal_mode = WAL")
    DBOS.launch()
    await ten(steps)
    gate = asyncio.Semaphore(at_once)
    async def one():
        async with gate:
            await ten(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(workflows)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = workflows * steps
    print(json.dumps({"steps_per_second": done / wall,
                      "cpu_seconds_per_1000_steps": cpu / done * 1000}))
    sys.stdout.flush()
    import os; os._exit(0)

asyncio.run(main())
"""
Figures = dict[str, float]


def dbos(python: str, journal: str) -> Figures:
    """One run of DBOS in its own interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "dbos_steps.py"
        script.write_text(DBOS)
        given = (Path(folder) / "dbos.db", DBOS_WORKFLOWS, STEPS, AT_ONCE, journal)
        quiet = {**os.environ, "DBOS_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
        command = [python, str(script), *map(str, given)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
        found: Figures = json.loads(told.stdout.strip().splitlines()[-1])
        return found


def importable(python: str) -> bool:
    """Whether that interpreter has DBOS."""
    try:
        return subprocess.run([python, "-c", "import dbos"], capture_output=True).returncode == 0
    except OSError:
        return False


def bare(records: int = 100_000, batch: int = AT_ONCE) -> Figures:
    """Rows of a log's size in commits of as many as Perdure has at once: WAL, FULL, no engine."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE log (e INTEGER, n INTEGER, b BLOB, PRIMARY KEY (e, n))")
        wall, cpu = time.perf_counter(), time.process_time()
        for first in range(0, records, batch):
            db.execute("BEGIN IMMEDIATE")
            rows = [(n, first, b"x" * 60) for n in range(batch)]
            db.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        db.close()
    return {
        "steps_per_second": records / wall,
        "cpu_seconds_per_1000_steps": cpu / records * 1000,
    }


def medians(runs: list[Figures]) -> Figures:
    """The median of each figure."""
    return {name: round(statistics.median(r[name] for r in runs), 4) for name in runs[0]}


def compare(python: str) -> dict[str, Any]:
    """All of them, one after the other, several times."""
    runs: dict[str, list[Figures]] = {"perdure": [], "bare group commit": []}
    if python:
        runs |= {"dbos as shipped": [], "dbos in WAL": []}
    for _ in range(ROUNDS):
        runs["perdure"].append(asyncio.run(measure(1_000, AT_ONCE)))
        runs["bare group commit"].append(bare())
        if python:
            runs["dbos as shipped"].append(dbos(python, "delete"))
            runs["dbos in WAL"].append(dbos(python, "wal"))
    found: dict[str, Any] = {name: medians(each) for name, each in runs.items()}
    own = found["perdure"]["steps_per_second"]
    found["perdure is so many times"] = {
        name: round(own / each["steps_per_second"], 3)
        for name, each in found.items()
        if name != "perdure"
    }
    return found


if __name__ == "__main__":
    named = os.environ.get("PERDURE_BENCH_DBOS", sys.executable)
    usable = importable(named)
    document = compare(named if usable else "")
    document["settings"] = "SQLite, WAL and synchronous=FULL for perdure; medians of 3"
    if not usable:
        document["dbos"] = f"absent from {named}; name its interpreter in PERDURE_BENCH_DBOS"
    print(json.dumps(document, indent=1))
