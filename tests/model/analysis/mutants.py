"""Compiled nets made wrong: at random in one arc or one stack operation, and on purpose, by name.

Nothing is judged here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from perdure.model.net import Net, StackOp, Transition, TransitionKind

K = TransitionKind
Change = Callable[[Transition], Transition | None]


def changed(net: Net, change: Change, *more: Transition) -> Net:
    """The net with each transition as `change` makes it (None: left out), and some more."""
    made = [change(t) for t in net.transitions]
    return replace(net, transitions=(*(t for t in made if t is not None), *more))


def mutant(net: Net, r: random.Random) -> Net:
    """One random change that keeps the net a net of known places."""
    t = r.choice(net.transitions)
    other = r.choice(net.transitions)
    place = r.choice(net.places).name
    changes: dict[str, Change] = {
        "gone": lambda x: None if x is t else x,
        "leads elsewhere": lambda x: replace(x, put=(place, *x.put[1:])) if x is t else x,
        "leads where another leads": lambda x: replace(x, put=other.put) if x is t else x,
        "takes less": lambda x: replace(x, take=x.take[:-1] or x.take) if x is t else x,
        "puts less": lambda x: replace(x, put=x.put[:-1] or x.put) if x is t else x,
        "reads nothing": lambda x: replace(x, read=()) if x is t else x,
        "no stack": lambda x: replace(x, stack_op=None) if x is t else x,
        "another stack op": lambda x: _other_op(x, r) if x is t else x,
    }
    return changed(net, changes[r.choice(list(changes))])


def _other_op(t: Transition, r: random.Random) -> Transition:
    if t.stack_op is None:
        return t
    op = r.choice([StackOp.PUSH, StackOp.DROP, StackOp.COMPLETE, StackOp.POP, StackOp.FORGET])
    return replace(t, stack_op=op)


# --- by name, on the net of `trip` in mistakes.py ------------------------------------------------


def gone(name: str) -> Change:
    """Without one transition."""
    return lambda t: None if t.name == name else t


def leads(name: str, *put: str) -> Change:
    """One transition leads elsewhere."""
    return lambda t: replace(t, put=put) if t.name == name else t


def unstacked(name: str) -> Change:
    """One transition does nothing to the undo stack."""
    return lambda t: replace(t, stack_op=None) if t.name == name else t


def forgetting(t: Transition) -> Transition | None:
    """`together` is joined without its last branch."""
    return replace(t, take=t.take[:-1]) if t.kind is K.JOIN else t


def handing_nothing_over(t: Transition) -> Transition | None:
    """A saga inside another one drops its entries when it is left well."""
    return replace(t, stack_op=StackOp.FORGET) if t.stack_op is StackOp.HAND_OVER else t


def amnesia(t: Transition) -> Transition | None:
    """A crash of the charge leads back to before it, as if nothing had been called."""
    return replace(t, put=("before charge",)) if (t.kind, t.site) == (K.CRASH, "charge") else t


def both(*changes: Change) -> Change:
    """One change after the other."""

    def made(t: Transition) -> Transition | None:
        now: Transition | None = t
        for change in changes:
            now = change(now) if now is not None else None
        return now

    return made


def same(t: Transition) -> Transition | None:
    """No change."""
    return t


def planted(
    kind: TransitionKind, take: str, put: str, site: str = "", read: tuple[str, ...] = ()
) -> Transition:
    """A transition more; places are separated by commas."""
    takes, puts = tuple(take.split(", ")), tuple(put.split(", "))
    return Transition("planted", kind, takes, puts, read, site=site)


CANCELLING = ("cancelling",)
RAISED = "leaves saga by raise"
PLANTED: dict[str, tuple[str, Change, tuple[Transition, ...]]] = {
    "the undo of a step is missing": (
        "undo_complete",
        gone("undo reserve, undoing saga"),
        (),
    ),
    "a crash forgets the call": ("irreversible_at_most_once", amnesia, ()),
    "a doubt is called again": (
        "irreversible_at_most_once",
        same,
        (planted(K.CRASH, "in doubt charge", "before charge", "charge"),),
    ),
    "an irreversible step lands and is tried again": (
        "irreversible_at_most_once",
        leads("charge landed", "before charge"),
        (),
    ),
    "a settled call goes back into doubt": (
        "irreversible_at_most_once",
        leads("charge settled", "in doubt charge"),
        (),
    ),
    "the code goes on before the outcome": (
        "irreversible_at_most_once",
        same,
        (planted(K.GO_ON, "during charge", "before tell", "charge"),),
    ),
    "a charge in flight is drained": (
        "irreversible_at_most_once",
        same,
        (planted(K.DRAIN, "during charge", "leaves saga by cancel", "charge", CANCELLING),),
    ),
    "a reservation in flight is drained": (
        "undo_complete",
        same,
        (planted(K.DRAIN, "during reserve", "leaves saga by cancel", "reserve", CANCELLING),),
    ),
    "what follows the pivot is drained": (
        "pivot_last",
        same,
        (planted(K.DRAIN, "before tell", "leaves saga by cancel", "tell", CANCELLING),),
    ),
    "what follows the pivot may fail": (
        "pivot_last",
        same,
        (planted(K.RAISES, "before tell", RAISED, "tell"),),
    ),
    "a failure leaves the saga past its undo": (
        "undo_complete",
        same,
        (planted(K.RAISES, "before charge, in saga", "ends failed"),),
    ),
    "the undoing is cut short": (
        "undo_complete",
        same,
        (planted(K.EXIT, "undoing saga", "ends failed"),),
    ),
    "an intent is not put on the stack": ("undo_complete", unstacked("reserve intent"), ()),
    "a voided call stays on the stack": ("undo_complete", unstacked("reserve voided"), ()),
    "an undone entry stays on the stack": (
        "undo_complete",
        unstacked("undo reserve, undoing saga"),
        (),
    ),
    "an inner saga forgets what it did": (
        "undo_complete",
        handing_nothing_over,
        (),
    ),
    "a saga begins without a stack": ("undo_complete", unstacked("enter saga"), ()),
    "a cancel ends at once": ("undo_complete", leads("cancel", "cancelled"), ()),
    "a join forgets a branch": ("proper_completion", forgetting, ()),
    "a branch ends in another's place": (
        "safe",
        leads("mail", "together book, mail [0] ended"),
        (),
    ),
    "nobody takes a branch that failed": (
        "option_to_complete",
        both(
            gone("together book, mail [1] fails"),
            both(
                gone("together book, mail [1] fails too"),
                gone("together book, mail [1] fails, cancelled"),
            ),
        ),
        (),
    ),
}
"""What is wrong -> the property that says so, and the change."""
