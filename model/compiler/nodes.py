"""Every node of Python's syntax, taken or refused in the body of a workflow.

A node that is not listed is refused, so a new Python brings nothing that nobody has looked at.
What is refused only in some places (an await in a lambda) is told in `syntax.py`. Nothing is walked
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Refusal(NamedTuple):
    """What is wrong with a node wherever it stands; `within`: in nested functions too."""

    code: str
    what: str
    why: str
    fix: str
    within: bool = False


_OUTSIDE = "state outside the function does not survive"
_KEEP = "keep it in a local variable, or in a database through a step"
_PAGE = "readers of a stream would see values that a crash takes back"

STRANGE = Refusal(
    "PD116",
    "`{node}` is not known to this perdure",
    "what nobody has looked at could be compiled wrongly",
    "write it with if, while, for, match, try and steps",
    within=True,
)

_REFUSED: Mapping[str, Refusal] = {
    "AsyncFor": Refusal(
        "PD102",
        "`async for` would wait inside Python, where a restart cannot find it",
        "only an await of the workflow's own has a place in its net",
        "fetch the pages in an @observe step: `for row in await rows():`",
    ),
    "AsyncFunctionDef": Refusal(
        "PD108",
        "an `async def` inside a workflow",
        "the net cannot see inside it, and it is another function after a restart",
        "make it a step at the top of the module",
    ),
    "ClassDef": Refusal(
        "PD108",
        "a class inside a workflow",
        "it is another class after a restart, and stored values would not belong to it",
        "define it at the top of the module",
    ),
    "Global": Refusal("PD109", "`global` in a workflow", _OUTSIDE, _KEEP, within=True),
    "Nonlocal": Refusal("PD109", "`nonlocal` in a workflow", _OUTSIDE, _KEEP, within=True),
    "Import": Refusal(
        "PD116",
        "an import inside a workflow",
        "a module cannot rest over an await",
        "import it at the top of the module",
    ),
    "ImportFrom": Refusal(
        "PD116",
        "an import inside a workflow",
        "what it names cannot rest over an await",
        "import it at the top of the module",
    ),
    "TryStar": Refusal(
        "PD116",
        "`except*` is not supported yet",
        "groups of exceptions have no place in a net; `together` raises its first error",
        "except SomeError:",
    ),
    "TypeAlias": Refusal(
        "PD116",
        "a type alias inside a workflow",
        "types are resolved where the module is loaded",
        "write it at the top of the module",
    ),
    "Yield": Refusal("PD101", "a workflow cannot yield", _PAGE, "return a list"),
    "YieldFrom": Refusal("PD101", "a workflow cannot yield", _PAGE, "return a list"),
}

_TAKEN = """
    Add And AnnAssign Assert Assign AsyncWith Attribute AugAssign Await BinOp BitAnd BitOr BitXor
    BoolOp Break Call Compare Constant Continue Del Delete Dict DictComp Div Eq ExceptHandler Expr
    FloorDiv For FormattedValue FunctionDef GeneratorExp Gt GtE If IfExp In Invert Is IsNot
    JoinedStr LShift Lambda List ListComp Load Lt LtE MatMult Match MatchAs MatchClass MatchMapping
    MatchOr MatchSequence MatchSingleton MatchStar MatchValue Mod Mult Name NamedExpr Not NotEq
    NotIn Or Pass Pow RShift Raise Return Set SetComp Slice Starred Store Sub Subscript Try Tuple
    UAdd USub UnaryOp While With alias arg arguments comprehension keyword match_case withitem
    """

_NEVER_IN_A_BODY = """
    AST AugLoad AugStore Bytes Ellipsis Expression ExtSlice FunctionType Index Interactive Module
    NameConstant Num Param Str Suite TypeIgnore boolop cmpop excepthandler expr expr_context mod
    operator pattern slice stmt type_ignore type_param unaryop
    """
"""Families, roots of other trees, and classes that old Pythons made."""

_UNSUPPORTED = "Interpolation ParamSpec TemplateStr TypeVar TypeVarTuple"
"""Type parameters of nested functions (3.12) and template strings (3.14)."""

NODES: Mapping[str, Refusal | None] = {
    **dict.fromkeys(_TAKEN.split()),
    **dict.fromkeys(_NEVER_IN_A_BODY.split(), STRANGE),
    **dict.fromkeys(_UNSUPPORTED.split(), STRANGE._replace(what="`{node}` is not supported yet")),
    **_REFUSED,
}
"""By name of the class: how a node is refused, or None when it is taken."""


def refusal(node: str) -> Refusal | None:
    """How a node of this class is refused; None: it is taken."""
    return NODES.get(node, STRANGE)
