"""The forks of a net, read off its joins: which calls run in which branch, and which may fail it.

A branch ends in a place of its own, and all those of a fork meet in its joins. No run is needed,
and no rule is judged here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..net import Net, PlaceKind, TransitionKind


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: the place it ends in, the calls in it, those of them that may fail the fork."""

    ended: str
    sites: frozenset[str]
    fallible: frozenset[str]


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork. `fails` are the transitions by which a branch turns it to ending."""

    branches: tuple[Branch, ...]
    fails: frozenset[int]

    def rivals(self, site: str) -> frozenset[str]:
        """The calls in other branches than `site`'s that may fail the fork; empty if not in it."""
        if not any(site in b.sites for b in self.branches):
            return frozenset()
        others = (b.fallible for b in self.branches if site not in b.sites)
        return frozenset(name for fallible in others for name in fallible)


def forks(net: Net) -> tuple[Fork, ...]:
    """The forks of a net, in the order of their first joins."""
    found: dict[tuple[str, ...], Fork] = {}
    for t in net.transitions:
        ends = tuple(p for p in t.take if net.places[net.place[p]].kind is PlaceKind.BRANCH)
        if t.kind is TransitionKind.JOIN and ends and ends not in found:
            fails = frozenset(
                k
                for k, x in enumerate(net.transitions)
                if x.kind is TransitionKind.FAILS and {*ends} & {*x.put}
            )
            found[ends] = Fork(tuple(_branch(net, end) for end in ends), fails)
    return tuple(found.values())


def _branch(net: Net, ended: str) -> Branch:
    """What leads to the end of a branch, at once or through the places before it."""
    sites, fallible = set[str](), set[str]()
    feeding = [t for t in net.transitions if ended in t.put]
    for t in feeding:
        before = [p for p in t.take if net.places[net.place[p]].kind is PlaceKind.BRANCH]
        through = [x for p in before for x in net.transitions if p in x.put and x.site]
        sites |= {x.site for x in (t, *through) if x.site}
        if t.kind is TransitionKind.FAILS:
            fallible |= {x.site for x in through}
    return Branch(ended, frozenset(sites), frozenset(fallible))
