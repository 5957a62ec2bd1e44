"""What is known of the variables at one point of the source.

An `Entry` holds the type a variable has been given, and what tests have narrowed it to. Where
branches meet, entries are merged. No expression and no statement is looked at here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

from .lattice import members, merge, union


class Entry(NamedTuple):
    """`wide`: the type that was assigned; `narrow`: what it is here."""

    wide: Any
    narrow: Any


Env = dict[str, Entry]
"""By name; a dotted name stands for an attribute that a test has narrowed."""


def met(envs: Iterable[Env | None]) -> Env | None:
    """What holds where several ways meet; None when none of them is taken."""
    ways = [e for e in envs if e is not None]
    if len(ways) < 2:
        return dict(ways[0]) if ways else None
    names = dict.fromkeys(name for env in ways for name in env)
    return {
        name: _entry([env[name] for env in ways if name in env])
        for name in names
        if "." not in name or all(name in env for env in ways)
    }


def _entry(entries: list[Entry]) -> Entry:
    first = entries[0]
    if all(e == first for e in entries[1:]):
        return first
    wide = merge([e.wide for e in entries])
    parts = [p for e in entries for p in members(e.narrow)]
    whole = members(wide)
    if all(p in parts for p in whole):
        return Entry(wide, wide)
    return Entry(wide, union(parts) if all(p in whole for p in parts) else merge(parts))


def path(node: ast.expr) -> str:
    """`a` or `a.b.c` as text; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = path(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def bound(env: Env, name: str, entry: Entry) -> None:
    """Give a variable a value: what was known of its attributes is gone."""
    for key in [k for k in env if k.startswith(f"{name}.")]:
        del env[key]
    env[name] = entry
