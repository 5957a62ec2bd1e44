"""The words of the language as live objects, by which a compiler tells them from other functions.

A table and nothing else: `import perdure as p; p.first` and a renamed import are the same object.
"""

from __future__ import annotations

from . import ambient, scopes, waits

WORKFLOW_WORDS: dict[object, str] = {
    waits.sleep: "sleep",
    waits.sleep_until: "sleep_until",
    waits.after: "after",
    waits.at: "at",
    waits.first: "first",
    waits.together: "together",
    scopes.saga: "saga",
    ambient.now: "now",
    waits.days: "days",
    waits.hours: "hours",
    waits.minutes: "minutes",
    waits.seconds: "seconds",
}
"""What a workflow's body may use. `signal.wait` is known by its `Signal`."""

STEP_WORDS: dict[object, str] = {
    ambient.effect_key: "effect_key",
    ambient.effect_order: "effect_order",
}
"""What the body of a step, an undo or a probe may use."""

VOCABULARY: dict[object, str] = WORKFLOW_WORDS | STEP_WORDS
"""All words."""
