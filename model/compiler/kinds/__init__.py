"""The types of a workflow's variables and expressions, told from resolved objects and tables.

It never guesses: what it cannot tell is `UNKNOWN`, and the author is asked for an annotation.
What a type is stored as is decided elsewhere.
"""

from .declared import hints, is_open, returns
from .lattice import UNKNOWN, Mixed, shown, storable
from .walk import Kinds

__all__ = ["UNKNOWN", "Kinds", "Mixed", "hints", "is_open", "returns", "shown", "storable"]
