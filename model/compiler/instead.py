"""What to write instead of a name of asyncio, and of a word of ours that does not exist yet.

Two tables; who is called by such a name is found in `foreign.py`. No name is looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping

_RACE = "await first(step(...), after(seconds(5)))"
_CHANNEL = 'a signal: `answers = Signal[Answer]("answers")`, `await answers.wait()`'
_AT_ONCE = "await together(a(...), b(...))"
_ALONE = "await the steps one after the other: steps of one execution do not run beside its glue"

ASYNCHRONOUS: Mapping[str, str] = {
    "sleep": "await sleep(seconds(3))",
    "gather": _AT_ONCE,
    "TaskGroup": _AT_ONCE,
    "create_task_group": _AT_ONCE,
    "open_nursery": _AT_ONCE,
    "create_task": _AT_ONCE,
    "ensure_future": _AT_ONCE,
    "wait": "await first(a(...), b(...))",
    "as_completed": "await first(a(...), b(...))",
    "wait_for": _RACE,
    "timeout": f"{_RACE}   (`deadline` is not supported yet)",
    "timeout_at": f"{_RACE}   (`deadline` is not supported yet)",
    "fail_after": f"{_RACE}   (`deadline` is not supported yet)",
    "move_on_after": f"{_RACE}   (`deadline` is not supported yet)",
    "to_thread": "make it a step: `@idempotent` above `def work(...)`, then `await work(...)`",
    "Queue": _CHANNEL,
    "Event": _CHANNEL,
    "Future": _CHANNEL,
    "Condition": _CHANNEL,
    "Lock": _ALONE,
    "Semaphore": _ALONE,
    "shield": "await the step: a call with an intent is never broken off",
}
"""What to write instead of a name of asyncio, anyio or trio."""

LIBRARIES = ("asyncio", "anyio", "trio")

FUTURE: Mapping[str, str] = {
    "deadline": _RACE,
    "shield": "await the step itself; after an irreversible step a saga is shielded anyway",
    "on_cancel": "repeat the clean-up in a step that the caller awaits after a cancel",
    "each": "a loop: `for item in items: await step(item)`",
    "settle": "a loop with `try: await step(item)` and `except SomeError:`",
    "ask": 'a signal: `answer = Signal[Answer]("answer")`, `await answer.wait()`',
    "part": "write the awaits of the part where it is used",
    "publish": "a step that tells the outside",
    "emit": "a step that tells the outside",
    "spawn": "a step that starts it: `await engine.start(flow(...), id=...)` in its body",
    "Toolbox": "match between calls by name",
    "Entity": "a workflow that waits for signals in a loop",
    "remind": "a workflow that sleeps: `await sleep_until(moment)`",
    "uuid4": "a step that makes it: `@observe` above `def new_id() -> str:`",
    "log": "logging in the step that does what is logged",
}
"""Words of the language to come, and what does until then."""
