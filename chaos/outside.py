"""The world outside: receivers that keep a ledger of everything that reached them.

A receiver deduplicates nothing but idempotent requests: what lands twice is seen twice. It can
close a key, so that an attempt can land no more, unless it is a plain one, whose probe only looks.
An answer can get lost on its way back. No engine is known here, only requests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from ..engine.world import Invocation
from ..model.language.effects import Effect, InDoubt, Landed, Voided
from ..specs.ledger import Answered, Called, Landing, Ledger, Undo

_SAYS: Mapping[type[Any], str] = {Landed: "landed", Voided: "voided", InDoubt: "in doubt"}
Answer = Callable[..., Any]
"""What a receiver answers to the arguments of a step; an exception is a refusal."""


class KeyClosed(Exception):
    """The receiver refuses this key from now on."""


class AnswerLost(Exception):
    """Raised by an `Answer`: the effect happens, and its caller sees `error` instead of it."""

    def __init__(self, answer: Any, error: BaseException) -> None:
        super().__init__(answer)
        self.answer, self.error = answer, error


class Request:
    """One request that is on its way, or has come about."""

    def __init__(self, outside: Outside, told: Called, effect: Effect, answer: Answer) -> None:
        self._outside, self.told, self.effect = outside, told, effect
        self._answer = answer
        self._error: BaseException | None = None
        self._result: Any = None
        self.done = False
        self.cut = False  # whoever makes it dies in the middle of it

    def land(self) -> None:
        """Come about: the effect happens now, or is refused."""
        self.done = True
        try:
            self._result = self._act()
        except AnswerLost as lost:
            self._error = lost.error
        except Exception as refusal:
            self._error = refusal
        says = "raised" if self._error is not None else _says(self._result)
        told = self.told
        self._outside.ledger.answers.append(Answered(told.execution, told.role, told.key, says))

    def answer(self) -> Any:
        """What the receiver answered; raises what it raised."""
        assert self.done
        if self._error is not None:
            raise self._error
        return self._result

    def _act(self) -> Any:
        if self.told.role == "probe":
            return self._outside.look(self.told)
        if self.told.role == "undo":
            return self._outside.take_back(self.told)
        return self._outside.do(self.told, self.effect, self._answer)


class Outside:
    """All receivers together. `answers` say by step name what is answered; None by default. The
    receivers of the steps in `plain` close no key: what has not landed yet may still land.
    """

    def __init__(self, answers: Mapping[str, Answer], plain: Collection[str] = ()) -> None:
        self.ledger = Ledger()
        self.closed: set[str] = set()
        self._answers, self._plain = answers, plain
        self._standing: dict[str, tuple[str, Any]] = {}  # key -> site, result

    @property
    def stuck(self) -> str:
        """Why nothing will come of this history any more: "step: what"; "" while something may."""
        return ""

    def arrive(self, invocation: Invocation) -> Request:
        """Note a request; it comes about when it `land`s."""
        step = invocation.step
        told = Called(
            invocation.order[0],
            invocation.role,
            invocation.site,
            invocation.key,
            repr(invocation.arguments),
        )
        self.ledger.calls.append(told)
        answer = self._answers.get(step.name, _nothing)
        return Request(self, told, step.effect, lambda: answer(*invocation.arguments))

    async def within(self, invocation: Invocation) -> Any:
        """Run the body of a transactional step; it lands with its transaction, or not at all."""
        args, kwargs = invocation.step.spread(invocation.arguments)
        return await invocation.step.fn(invocation.tx, *args, **kwargs)

    def do(self, told: Called, effect: Effect, answer: Callable[[], Any]) -> Any:
        """Let an effect happen, unless its key is closed or the receiver refuses."""
        if effect is Effect.IDEMPOTENT and told.key in self._standing:
            return self._standing[told.key][1]
        if told.key in self.closed:
            raise KeyClosed(told.key)
        lost: AnswerLost | None = None
        try:
            result = answer()
        except AnswerLost as unheard:
            lost, result = unheard, unheard.answer
        if effect not in (Effect.PURE, Effect.OBSERVE):
            raw = msgspec.json.encode(result).decode()
            self.ledger.landings.append(
                Landing(told.execution, told.site, told.key, told.occurrence, raw)
            )
            self._standing[told.key] = told.site, result
        if lost is not None:
            raise lost
        return result

    def look(self, told: Called) -> Landed[Any] | Voided | InDoubt:
        """Answer a probe: close the key first, if that can be; then say whether it landed."""
        plain = told.site in self._plain
        if not plain:
            self.closed.add(told.key)
        if told.key in self._standing:
            return Landed(self._standing[told.key][1])
        return InDoubt("nothing is seen of it so far") if plain else Voided()

    def take_back(self, told: Called) -> None:
        """Undo by key, once; what has not landed yet can land no more."""
        self.closed.add(told.key)
        if self._standing.pop(told.key, None) is not None:
            self.ledger.undos.append(Undo(told.execution, told.site, told.key))


def _says(result: object) -> str:
    """What a probe's answer says; "done" of every other."""
    return next((says for kind, says in _SAYS.items() if isinstance(result, kind)), "done")


def _nothing(*arguments: Any) -> None:
    return None
