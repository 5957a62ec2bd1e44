"""Classes of attrs and pydantic, where these are installed."""

from importlib import import_module
from typing import Any

import pytest
from perdure.model.values import ValueRefused, codec


def test_attrs_classes_come_back() -> None:
    """With private fields, beside another class, frozen or not."""
    attrs: Any = pytest.importorskip("attrs")
    one: Any = attrs.make_class("One", {"a": attrs.field(type=int), "_b": attrs.field(type=str)})
    two: Any = attrs.make_class("Two", {"a": attrs.field(type=int)}, frozen=True)
    for annotation in (one, one | two, list[one | two | None]):
        value = one(1, "x") if annotation != list[one | two | None] else [two(2), None]
        assert codec(annotation).seal(value).get() == value
    assert codec(two).immutable
    assert not codec(one).immutable
    with pytest.raises(ValueRefused):
        codec(one).encode(one("1", "x"))


def test_pydantic_models_come_back() -> None:
    """Written by pydantic, tagged like others in a union, never with a silent null."""
    pytest.importorskip("pydantic")
    pydantic: Any = import_module("pydantic")
    one: Any = pydantic.create_model("One", a=(int, ...), b=(float | None, None))
    two: Any = pydantic.create_model("Two", a=(int, ...))
    for annotation in (one, one | two, one | None):
        assert codec(annotation).seal(one(a=1, b=2.5)).get() == one(a=1, b=2.5)
    assert codec(one | two).encode(two(a=1)) == b'{"$":"Two","value":{"a":1}}'
    assert codec(list[two]).seal([two(a=1)]).get() == [two(a=1)]
    with pytest.raises(ValueRefused):
        codec(one).encode(one(a=1, b=float("nan")))
