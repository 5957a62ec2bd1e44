"""PD212: told when two variables that are kept share one object that can change.

Frames hold values, so the two are one in plain Python and two after the next await. It is a
warning at the author's line, not a refusal: a run and its restart never differ. Variables
themselves are compared always, what is inside them only in Python's dev mode (`-X dev`) and where
`NESTED` is set. How objects are walked is in `values/sharing.py`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from contextvars import ContextVar

from .net import Net
from .values import aliases

NESTED: ContextVar[bool] = ContextVar("NESTED", default=sys.flags.dev_mode)
"""Whether objects inside the variables are compared, too."""


class SharedObject(UserWarning):
    """PD212: two variables of a workflow share one object that can change."""

    code = "PD212"


def warn_if_shared(net: Net, place: int, held: Mapping[str, object]) -> None:
    """Warn, once per place and pair of names, when two of the objects are one."""
    if len(held) < 2:
        return
    found = aliases(held, nested=NESTED.get())
    if found is None:
        return
    span = net.places[place].span
    one, two = found
    text = (
        f"PD212 `{one}` and `{two}` share one object now, and are two after the next await: "
        f"a change of one is not seen in the other. Copy one of them, or keep only one."
    )
    file, line = (span.file, span.line) if span is not None else (net.name, 1)
    warnings.warn_explicit(text, SharedObject, file, line)
