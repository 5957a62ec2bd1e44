"""Where two nets of one workflow differ, in the words of its author (rule 85).

A net that changed is another net: nothing runs on it that began on the old one. What is said here
is for the person who wonders why. It never decides whether one may replace the other: that is
migration's, and needs more than a comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from .net import Net, Place, Site, SiteKind


def changes(old: Net, new: Net) -> tuple[str, ...]:
    """What the new net has that the old one has not, and the other way; empty for the same net."""
    if old.digest == new.digest:
        return ()
    found = [*_sites(old, new), *_types(old, new), *_classes(old, new), *_code(old, new)]
    return tuple(found) or ("the same steps and code follow one another in another order",)


def _sites(old: Net, new: Net) -> Iterator[str]:
    for name, site in old.site.items():
        if name not in new.site:
            yield f"{_word(site)} is gone{_line(site)}"
    for name, site in new.site.items():
        if name not in old.site:
            yield f"{_word(site)} is new{_line(site)}"
        else:
            yield from _site(old.site[name], site)


def _word(site: Site) -> str:
    if site.kind is SiteKind.STEP:
        return f"the call of `{site.name}`"
    what = f"signal `{site.target}`" if site.kind is SiteKind.SIGNAL else f"`{site.target}`"
    return f"the wait for {what}"


def _line(part: Site | Place) -> str:
    return "" if part.span is None else f" (line {part.span.line})"


def _site(old: Site, new: Site) -> Iterator[str]:
    """How one call differs; which variables its arguments rest in is told by the code."""
    if old.target != new.target:
        yield f"`{new.name}` was {old.target} and is {new.target}{_line(new)}"
    if old.effect != new.effect:
        yield f"`{new.name}` was {old.effect} and is {new.effect}{_line(new)}"
    before, after = (", ".join(p for p, _ in s.arguments) for s in (old, new))
    if before != after:
        yield f"`{new.name}` took ({before}) and takes ({after}){_line(new)}"
    promises = (
        ("retries without end", old.endless, new.endless),
        ("declares refusals", old.refuses, new.refuses),
        ("has a probe", old.probe, new.probe),
        ("has an undo", bool(old.undo), bool(new.undo)),
        ("has an undo that takes None", old.undo == "unknown", new.undo == "unknown"),
        ("is in a saga", bool(old.saga), bool(new.saga)),
    )
    for words, had, has in promises:
        if had != has:
            yield f"`{new.name}` {words}{_line(new)}" + ("" if has else " no more")


def _types(old: Net, new: Net) -> Iterator[str]:
    for name in sorted({*old.types, *new.types}):
        before, after = old.types.get(name), new.types.get(name)
        if before == after or name.startswith("$"):
            continue
        if before is None or after is None:
            yield f"the variable `{name}` is " + ("new" if before is None else "gone")
        else:
            yield f"`{name}` was {before} and is {after}"


def _classes(old: Net, new: Net) -> Iterator[str]:
    for name in sorted({*old.classes, *new.classes}):
        before, after = old.classes.get(name), new.classes.get(name)
        if before is not None and after is not None and before != after:
            yield f"the class {name} was {before} and is {after}"


def _code(old: Net, new: Net) -> Iterator[str]:
    """The stretches of code between awaits that only one of them has, by their lines."""
    known, kept = Counter(old.glue.values()), Counter(new.glue.values())
    changed = _lines(new, new.glue, known)
    if changed:
        yield f"the code at line {', '.join(map(str, changed))} is another"
    elif gone := _lines(old, old.glue, kept):
        yield f"the code that was at line {', '.join(map(str, gone))} is gone"


def _lines(net: Net, glue: Mapping[str, str], other: Counter[str]) -> list[int]:
    left, lines = other.copy(), set[int]()
    for name, digest in glue.items():
        if left[digest]:
            left[digest] -= 1
        elif (span := net.places[net.place[name]].span) is not None:
            lines.add(span.line)
    return sorted(lines)
