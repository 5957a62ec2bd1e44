"""The exception that stands for one that cannot be made again.

Lives here: `StepFailed`. Never here: how exceptions are stored.
"""

from __future__ import annotations


class StepFailed(Exception):
    """A step raised an exception that cannot be rebuilt from what can be stored of it.

    `type_name` is "module:qualname" of the original class, `text` what it said, `attempts` the
    number of attempts made, when known.
    """

    def __init__(self, type_name: str, text: str, attempts: int | None = None) -> None:
        super().__init__(type_name, text)
        self.type_name = type_name
        self.text = text
        self.attempts = attempts

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"
