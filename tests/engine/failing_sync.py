"""A disk whose `fsync` fails when it is told to: SQLite's own file functions, one of them replaced.

No test lives here. The library is the one that Python's `sqlite3` has loaded; where it cannot be
found (it may be linked in), `library` is None.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IOERR_FSYNC = 1034
_METHODS = 19  # words of sqlite3_io_methods, version 3
_SYNC = 5  # iVersion, xClose, xRead, xWrite, xTruncate, xSync
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
_DO_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("xOpen", ctypes.c_void_p),
    )


def library(maps: Path = Path("/proc/self/maps")) -> ctypes.CDLL | None:
    """The SQLite that this process has loaded as a library of its own."""
    lines = maps.read_text().splitlines() if maps.exists() else []
    found = [line.split()[-1] for line in lines if "libsqlite3" in line]
    return ctypes.CDLL(found[0]) if found else None


@contextmanager
def syncs(loaded: ctypes.CDLL, fails: Callable[[str], bool]) -> Generator[None]:
    """Ask before each `fsync` of a file that is opened meanwhile whether it fails, by its name."""
    loaded.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    vfs: Any = loaded.sqlite3_vfs_find(None)
    before = vfs.contents.xOpen
    opens, kept = _OPEN(before), list[Any]()

    def opened(own: int, name: bytes | None, file: int, flags: int, out: int) -> int:
        code = int(opens(own, name, file, flags, out))
        methods = ctypes.c_void_p.from_address(file)
        if code != 0 or not methods.value or name is None:
            return code
        table = (ctypes.c_void_p * _METHODS)()
        ctypes.memmove(table, methods.value, ctypes.sizeof(table))
        do_sync = _DO_SYNC(table[_SYNC] or 0)

        def sync(of: int, how: int) -> int:
            return IOERR_FSYNC if fails(name.decode()) else int(do_sync(of, how))

        replaced = _DO_SYNC(sync)
        table[_SYNC] = ctypes.cast(replaced, ctypes.c_void_p).value
        kept.append((table, replaced, do_sync))
        methods.value = ctypes.addressof(table)
        return code

    replaced = _OPEN(opened)
    _KEPT.append((kept, replaced))  # files opened meanwhile may outlive this
    vfs.contents.xOpen = ctypes.cast(replaced, ctypes.c_void_p).value
    try:
        yield
    finally:
        vfs.contents.xOpen = before


_KEPT: list[Any] = []
