"""Where two nets of one workflow differ is said in the author's words (rule 85)."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import pytest
from perdure.model.changes import changes
from perdure.model.compiler.compile import compile_workflow
from perdure.model.net import Net

from .compiled import programs
from .differential_runs import load

HEAD = """
from dataclasses import dataclass
from perdure import *
go = Signal[str]("go")
stop = Signal[str]("stop")
class No(Exception): ...
@dataclass
class Order:
    id: str
    {field}
{step}
async def charge(order: Order{more}) -> str: ...
{beside}
@idempotent
async def mail(order: Order, text: str) -> None: ...
@workflow(name="shop", version={version})
async def w(order: Order) -> str:
{body}
"""
BODY = """
    got = await charge(order)
    if got == "nothing":
        return "free"
    text = await go.wait()
    await mail(order, text)
    return got
"""
PLAIN = {
    "field": "count: int",
    "step": "@irreversible",
    "more": "",
    "beside": "",
    "version": "1",
    "body": BODY,
}
PROBE = """
@charge.probe
async def ask(order: Order) -> Landed[str] | Voided: ...
"""
UNDO = """
@charge.undo
async def back(got: str) -> None: ...
"""
UNKNOWN = UNDO.replace("got: str", "got: str | None, order: Order")
_NUMBER = [0]


def net(**other: str) -> Net:
    """The net of the workflow with some part of its file written otherwise."""
    _NUMBER[0] += 1
    text = HEAD.format(**{**PLAIN, **other})
    return compile_workflow(load(text, 910_000 + _NUMBER[0])).net


def body(old: str, new: str) -> dict[str, str]:
    """The body with one line written otherwise."""
    assert old in BODY
    return {"body": BODY.replace(old, new)}


class Edit(NamedTuple):
    """What is written otherwise, and what must be said of it: of the new, and of going back."""

    name: str
    other: dict[str, str]
    there: list[str]
    back: list[str]


TWICE = body("    return got", "    await mail(order, got)\n    return got")
EDITS = [
    Edit("nothing", {}, [], []),
    Edit("a comment", body("    return got", "    # all is well\n\n    return got"), [], []),
    Edit("the version alone", {"version": "2"}, [], []),
    Edit(
        "a call more",
        TWICE,
        ["the call of `mail 2` is new (line 24)"],
        ["the call of `mail 2` is gone (line 24)"],
    ),
    Edit(
        "another signal",
        body("go.wait", "stop.wait"),
        [
            "the wait for signal `go` is gone (line 22)",
            "the wait for signal `stop` is new (line 22)",
        ],
        [
            "the wait for signal `stop` is gone (line 22)",
            "the wait for signal `go` is new (line 22)",
        ],
    ),
    Edit(
        "another effect",
        {"step": "@idempotent"},
        ["`charge` was irreversible and is idempotent (line 19)"],
        ["`charge` was idempotent and is irreversible (line 19)"],
    ),
    Edit(
        "a parameter",
        {"more": ", rush: bool = False"},
        ["`charge` took (order) and takes (order, rush) (line 19)"],
        ["`charge` took (order, rush) and takes (order) (line 19)"],
    ),
    Edit(
        "a probe",
        {"beside": PROBE},
        ["`charge` has a probe (line 22)"],
        ["`charge` has a probe (line 19) no more"],
    ),
    Edit(
        "refusals",
        {"step": "@irreversible(refused=(No,))"},
        ["`charge` declares refusals (line 19)"],
        ["`charge` declares refusals (line 19) no more"],
    ),
    Edit(
        "a field of a class",
        {"field": "amount: float"},
        ["Order was id: str, count: int and is id: str, amount: float"],
        ["Order was id: str, amount: float and is id: str, count: int"],
    ),
    Edit(
        "a condition",
        body('"nothing"', '"free"'),
        ["the code at line 20 is another"],
        ["the code at line 20 is another"],
    ),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: e.name)
def test_an_edit_is_told_by_what_the_author_wrote(edit: Edit) -> None:
    """The call, the wait, the promise or the line, from the one to the other and back."""
    old, new = net(), net(**edit.other)
    for said, expected in ((changes(old, new), edit.there), (changes(new, old), edit.back)):
        assert bool(said) == bool(expected), said
        for words in expected:
            assert any(words in each for each in said), (words, said)
    assert (old.digest == new.digest) == (not edit.there)


def test_an_undo_is_told_and_so_is_what_it_takes() -> None:
    """Whether there is one, and whether it can undo the unknown."""
    kinds: dict[str, Any] = {"step": "@compensatable"}
    without, known, unknown = net(**kinds), net(beside=UNDO, **kinds), net(beside=UNKNOWN, **kinds)
    assert "`charge` has an undo (line 22)" in changes(without, known)
    assert "`charge` has an undo (line 19) no more" in changes(known, without)
    (said,) = (s for s in changes(known, unknown) if "None" in s)
    assert said == "`charge` has an undo that takes None (line 22)"


def test_what_only_changes_places_is_told_too() -> None:
    """Two calls that change places have the same sites and the same code: the order is told."""
    first = "    await go.wait()\n    await stop.wait()\n    return 'x'"
    second = "    await stop.wait()\n    await go.wait()\n    return 'x'"
    said = changes(net(body=first), net(body=second))
    assert said == ("the same steps and code follow one another in another order",)


def test_nets_that_differ_are_never_told_as_the_same() -> None:
    """Over random programs, each against some other and itself: nothing is said exactly of the
    same digest, whatever was said says something, and each call that only one has is named."""
    found = [program.net for _, program in programs(range(60))]
    dice = random.Random(7)
    for old in found:
        new = dice.choice(found)
        said = changes(old, new)
        assert bool(said) == (old.digest != new.digest)
        assert changes(old, old) == ()
        for gone in old.site.keys() - new.site.keys():
            shown = old.site[gone].target if old.site[gone].kind != "step" else gone
            assert any(f"`{shown}` is gone" in each for each in said), (gone, said)
        assert all(each.strip() and "{" not in each.split(" was ")[0] for each in said)
