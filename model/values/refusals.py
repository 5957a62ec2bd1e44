"""The two refusals of the value room: a type that has no codec, a value that its codec cannot keep.

Lives here: the exceptions and their data. Never here: how a type or a value is judged.
"""

from __future__ import annotations


class TypeRefused(TypeError):
    """An annotation for which no codec exists; the fault of the one who wrote the annotation.

    `code` is PD201 (cannot be stored), PD202 (stored values could not be told apart) or PD205
    (`Any`); `text` is the annotation in words, `why` the reason, `fix` what to write instead.
    """

    def __init__(self, code: str, text: str, why: str, fix: str) -> None:
        super().__init__(f"{code}: {text}: {why}. {fix}")
        self.code = code
        self.text = text
        self.why = why
        self.fix = fix


class ValueRefused(ValueError):
    """A value that would not come back as it went in; nothing was stored.

    `text` is the type that was expected, `path` the way inside the value to the culprit (empty
    when it is the value itself), `why` the reason with that path in front; `variable` the name
    under which it was given, where it was given under one.
    """

    def __init__(self, text: str, path: str, reason: str, variable: str = "") -> None:
        why = f"{path}: {reason}" if path else reason
        of = f"`{variable}` is " if variable else ""
        super().__init__(f"{of}not storable as {text}: {why}")
        self.variable = variable
        self.text = text
        self.path = path
        self.reason = reason
        self.why = why

    def named(self, variable: str) -> ValueRefused:
        """The same refusal, of what has this name."""
        return ValueRefused(self.text, self.path, self.reason, variable)
