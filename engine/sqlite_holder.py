"""Who holds the write lock of an SQLite file, where the system tells (rule 11). For people only.

A stopped process keeps its lock and blocks everybody, so the refusal names it. No lock is taken or
broken here.
"""

from __future__ import annotations

from pathlib import Path

_WRITER = "120"  # the byte of the shared-memory file that a writer locks (SQLite's wal.c)


def write_lock_holder(path: str, proc: Path = Path("/proc")) -> str:
    """`process 4711 (stopped)`, or "another process" when it cannot be told."""
    try:
        inode = Path(f"{path}-shm").stat().st_ino
        lines = (proc / "locks").read_text().splitlines()
    except OSError:
        return "another process"
    for line in lines:
        kind, pid, place, first = (line.split() + [""] * 7)[3:7]
        if kind == "WRITE" and first == _WRITER and place.endswith(f":{inode}") and pid != "0":
            return f"process {pid}{_stopped(proc / pid / 'stat')}"
    return "another process"


def _stopped(stat: Path) -> str:
    try:
        state = stat.read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
    return " (stopped)" if state in ("T", "t") else ""
