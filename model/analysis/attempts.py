"""What a call with an intent may do in one occurrence: be called, land and go on, once each.

An occurrence is *open* from its intent until the code behind it goes on or until it is known not to
have landed (voided, refused, undone). While it is open its token stands in one of the site's own
places: nothing drains from there, since what was called may still land. No saga is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..net import PlaceKind, TransitionKind
from .history import LANDS, NOT_LANDED, History, firing, with_effect

Wrong = tuple[int, int, str]
"""A state, the transition that fires there, and what is wrong with it."""

_OWN = frozenset({PlaceKind.DURING, PlaceKind.DOUBT, PlaceKind.AFTER})


def wrong_attempts(history: History, effect: str) -> Iterator[Wrong]:
    """Firings that break the protocol of a call of this effect class."""
    net = history.net
    site_names = {s.name for s in with_effect(net, effect)}
    begins = firing(net, {TransitionKind.INTENT}, site_names)
    lands = firing(net, LANDS, site_names)
    not_landed = firing(net, NOT_LANDED, site_names)
    goes_on = firing(net, {TransitionKind.GO_ON}, site_names)
    concerned = begins | lands | not_landed | goes_on
    for state, moves in enumerate(history.space.moves):
        for k, _ in moves:
            if k not in concerned:
                continue
            site = net.transitions[k].site
            is_open = history.remembers(state, f"open {site}")
            landed = history.remembers(state, f"landed {site}")
            if k in begins and is_open:
                yield state, k, f"`{site}` is called again while its first call may have landed"
            elif k in lands and not is_open:
                yield state, k, f"`{site}` lands without an intent"
            elif k in lands and landed:
                yield state, k, f"`{site}` lands a second time"
            elif k in not_landed and landed:
                yield state, k, f"`{site}` has landed, and is taken for not landed"
            elif k in goes_on and not landed:
                yield state, k, f"the code behind `{site}` goes on before its outcome is known"
    yield from _given_up(history, site_names)


def _given_up(history: History, site_names: set[str]) -> Iterator[Wrong]:
    """A call is open, and no token stands at its site or all is over: nobody waits for it."""
    net, space = history.net, history.space
    own = {
        name: space.control.of(p.name for p in net.places if p.site == name and p.kind in _OWN)
        for name in sorted(site_names)
    }
    ends = space.control.of(net.finals)
    for state, moves in enumerate(space.moves):
        for k, after in moves:
            bits = space.states[after]
            for name, places in own.items():
                if not history.remembers(after, f"open {name}"):
                    continue
                if not bits & places:
                    yield state, k, f"`{name}` is given up, and may still land"
                elif bits & ends:
                    yield state, k, f"the workflow ends while `{name}` may still land"
