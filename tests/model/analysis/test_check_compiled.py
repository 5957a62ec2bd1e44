"""The checker on workflows as authors write them: findings point at the author's lines."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from perdure.model.analysis import Answer, Evidence, UnknownProperty, check
from perdure.model.analysis.structure import flaws
from perdure.model.compiler.compile import compile_workflow
from perdure.model.language.decorators import compensatable, idempotent, irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import together
from perdure.model.language.workflows import Workflow, workflow


class Declined(Exception):
    """Refused, for certain."""


@compensatable(refused=(Declined,))
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(made: int | None, n: int) -> None: ...


@compensatable
async def book(n: int) -> int:
    return n


@book.undo
async def unbook(made: int) -> None: ...


@irreversible(refused=(Declined,))
async def charge(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=5))
async def mail(n: int) -> None: ...


@workflow(version=1)
async def good(n: int) -> int:
    async with saga():
        await together(reserve(n), book(n))
        paid = await charge(n)
    await mail(n)
    return paid


@workflow(version=1)
async def mails_inside(n: int) -> None:
    async with saga():
        await reserve(n)
        await charge(n)
        await mail(n)


@workflow(version=1)
async def outer_fails(n: int) -> None:
    async with saga():
        await reserve(n)
        async with saga():
            await charge(n)
        await mail(n)


@workflow(version=1)
async def raises(n: int) -> None:
    async with saga():
        await reserve(n)
        paid = await charge(n)
        if paid > n:
            raise Declined("too much")


def line_of(flow: Workflow[..., Any], text: str) -> int:
    """The line in this file where a workflow says something."""
    lines, first = inspect.getsourcelines(flow.fn)
    return first + next(i for i, row in enumerate(lines) if text in row)


def pd301(flow: Workflow[..., Any]) -> list[tuple[int | None, tuple[str, ...]]]:
    """Line and sites of each PD301."""
    report = check(compile_workflow(flow).net)
    found = [f for f in report.findings if f.code == "PD301"]
    assert (report["pivot_last"].verdict is Answer.VIOLATED) == bool(found)
    return [(f.span.line if f.span else None, f.sites) for f in found]


def test_a_saga_with_its_pivot_last_holds_everything() -> None:
    """Sound, safe, effect safe, and structurally well formed; doubts are warned of."""
    net = compile_workflow(good).net
    report = check(net)
    assert report.verdict is Answer.HOLDS, [v.why for v in report.properties]
    assert [f.code for f in report.findings] == ["PD305", "PD306", "PD402"]
    assert not flaws(net)


def test_a_step_that_may_fail_after_the_pivot_is_found_at_its_line() -> None:
    """PD301 points at the author's line of the failing step."""
    assert pd301(mails_inside) == [(line_of(mails_inside, "mail(n)"), ("charge", "mail"))]


def test_a_pivot_in_an_inner_saga_binds_the_outer_one() -> None:
    """What has landed inside can not be undone when the saga around it fails."""
    assert pd301(outer_fails) == [(line_of(outer_fails, "mail(n)"), ("charge", "mail"))]


def test_a_raise_after_the_pivot_is_found() -> None:
    """An author's own `raise` after the pivot fails the saga as well."""
    assert [sites for _, sites in pd301(raises)] == [("charge",)]


def test_a_limit_gives_inconclusive_never_a_guess() -> None:
    """Out of states or out of time, nothing is claimed but what was found."""
    net = compile_workflow(good).net
    for report in (check(net, limit_states=5), check(net, out_of_time=lambda: True)):
        assert report.verdict is Answer.INCONCLUSIVE
        assert all(v.evidence is Evidence.INCONCLUSIVE for v in report.properties)
        assert all(v.why for v in report.properties)


def test_the_json_has_the_form_the_command_line_promises() -> None:
    """Names, verdicts, methods, seconds and witnesses stand where scripts look for them."""
    ticks = iter(range(100))
    report = check(compile_workflow(mails_inside).net, clock=lambda: float(next(ticks)))
    document = report.as_json("shop.py:order")
    assert set(document) == {"target", "verdict", "nets"}
    assert document["verdict"] == "violated"
    entry = report.entry()
    assert set(entry) >= {"name", "digest", "places", "transitions", "class", "properties"}
    assert all(v.seconds == 1.0 for v in report.properties)
    pivot = report["pivot_last"].as_json()
    assert set(pivot) >= {"name", "verdict", "method", "seconds", "states", "witness", "evidence"}


def test_an_unknown_property_is_refused_by_name() -> None:
    """A misspelled property is the caller's mistake, told with the names that exist."""
    with pytest.raises(UnknownProperty, match=r"sond.*sound"):
        check(compile_workflow(good).net, properties=["sond"])
