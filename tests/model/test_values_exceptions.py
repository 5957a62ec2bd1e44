"""Exceptions as values: rebuilt the same, or `StepFailed` at once."""

import dataclasses
from decimal import Decimal
from typing import Any

import perdure
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.model.values import StepFailed, codec, exception_codec, exceptions, stored_name


@dataclasses.dataclass(frozen=True)
class Card:
    """An argument with a class."""

    number: str
    limit: Decimal


class Declined(Exception):
    """An ordinary exception with a field."""

    def __init__(self, card: Card, code: int) -> None:
        super().__init__(card, code)
        self.code = code


class Wordy(Exception):
    """Rebuilding it from its args would say everything twice."""

    def __init__(self, code: str) -> None:
        super().__init__(f"declined with {code}")


class Helpful(Exception):
    """An unusual constructor that says how it is made again."""

    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code

    def __reduce__(self) -> Any:
        return (Helpful, ())


class Later(Exception):
    """Carries what no constructor brings back."""

    detail: str


CARD = Card("4111", Decimal("10.00"))
KNOWN: dict[str, type] = {}


def known(cls: type) -> type:
    """Classes of this module; how it is imported is up to the test runner."""
    KNOWN[stored_name(cls)] = cls
    return cls


for each in (Card, Declined, Wordy, Helpful, Later):
    known(each)

here = exceptions(KNOWN.get)


def again(raised: BaseException) -> Any:
    """The exception from its bytes; a second encoding has the same ones."""
    raw = here.encode(raised)
    back: Any = here.decode(raw)
    assert here.encode(back) == raw
    return back


arguments = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])) | st.binary() | st.just(CARD)
    | st.decimals(allow_nan=False, allow_infinity=False) | st.dates() | st.uuids(),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text("ab$", max_size=2) | st.integers(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.sampled_from([ValueError, KeyError, RuntimeError]), st.lists(arguments, max_size=3))
def test_an_exception_comes_back_with_class_arguments_and_text(
    cls: type[Exception], args: list[Any]
) -> None:
    """`except` matches after a restart as it did before."""
    back = again(cls(*args))
    assert type(back) is cls
    assert back.args == tuple(args)
    assert [type(arg) for arg in back.args] == [type(arg) for arg in args]


def test_notes_attempts_and_cause_are_kept() -> None:
    """What the engine and the user attached stays; the cause becomes a note."""
    raised: Exception = Declined(CARD, 51)
    raised.add_note("second try")
    vars(raised)["attempts"] = 3
    raised.__cause__ = KeyError("x")
    back = again(raised)
    assert type(back) is Declined
    assert (back.code, back.args) == (51, (CARD, 51))
    assert vars(back)["attempts"] == 3
    assert back.__notes__ == ["second try", "caused by builtins:KeyError: 'x'"]


def test_a_file_name_survives() -> None:
    """OSError hides it from `args`."""
    back = again(FileNotFoundError(2, "gone", "a.txt"))
    assert type(back) is FileNotFoundError
    assert back.filename == "a.txt"


def changed() -> Later:
    """An exception with an attribute set from outside."""
    made = Later("x")
    made.detail = "y"
    return made


@pytest.mark.parametrize(
    "raised",
    [Wordy("51"), Helpful(code=3), changed(), ValueError(object()), ValueError(float("nan"))],
)
def test_what_cannot_be_made_again_becomes_step_failed_at_once(raised: Exception) -> None:
    """Constructors with other arguments, lost attributes, arguments that cannot be stored."""
    back = again(raised)
    assert type(back) is StepFailed
    assert (back.type_name, back.text) == (stored_name(type(raised)), str(raised))


def test_a_local_class_is_rebuilt_only_where_the_program_knows_it() -> None:
    """Handlers in tests match classes of the test by reference."""

    class Local(Exception):
        """Cannot be imported."""

    knowing = exceptions({stored_name(Local): Local}.get)
    assert type(knowing.decode(knowing.encode(Local("x")))) is Local
    assert type(exception_codec.decode(exception_codec.encode(Local("x")))) is StepFailed
    assert type(exception_codec.decode(knowing.encode(Local("x")))) is StepFailed


def test_a_text_that_fails_does_not_lose_the_exception() -> None:
    """`__str__` is user code."""

    class Mute(Exception):
        """Cannot speak."""

        def __str__(self) -> str:
            raise RuntimeError

    back: Any = exception_codec.decode(exception_codec.encode(Mute()))
    assert type(back) is StepFailed
    assert "Mute" in back.type_name


def test_frames_hold_exceptions_beside_other_types() -> None:
    """`except X as e` with `e` alive across an await is a frame variable like others."""
    found = codec(Declined | KeyError | Card | None, resolve=KNOWN.get)
    back = found.seal(Declined(CARD, 5)).get()
    assert type(back) is Declined
    assert found.seal(CARD).get() == CARD
    assert type(found.seal(KeyError("k")).get()) is KeyError


def test_the_stored_form_is_fixed() -> None:
    """Old logs must stay readable."""
    assert exception_codec.encode(ValueError(1, (2,))) == (
        b'{"type":"builtins:ValueError","args":[1,{"$":"tuple","v":[2]}],"notes":[],'
        b'"attempts":null,"text":"(1, (2,))"}'
    )


def test_the_failure_that_is_rebuilt_is_the_one_that_users_catch() -> None:
    """There is one `StepFailed`, with the attempts of the exception it stands for."""
    raised = Wordy("51")
    vars(raised)["attempts"] = 4
    with pytest.raises(perdure.StepFailed) as caught:
        raise again(raised)
    assert vars(caught.value)["attempts"] == 4
