"""Every error code: what it says, why, and what to do. `perdure explain` and the docs read it here.

A test compares the table with the codes in the source. Where a code is raised, its message names
the user's own line; nothing here is specific to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Code(NamedTuple):
    """The page of a code."""

    says: str
    why: str
    fix: str


FAMILIES: Mapping[str, str] = {
    "PD1": "What a workflow cannot say",
    "PD2": "Values and names",
    "PD3": "Effects and sagas",
    "PD4": "Declarations of steps, signals and workflows",
    "PD5": "Trials of a workflow in a fake world",
    "PD6": "Words used where they have no meaning",
    "PD7": "Executions",
    "PD8": "The machine and the store",
    "PD9": "Defects of ours",
}

CODES: Mapping[str, Code] = {
    "PD100": Code(
        "The workflow does not compile.",
        "Its findings are listed, each with a code of its own.",
        "Start with the first finding.",
    ),
    "PD101": Code(
        "A workflow yields.",
        "Readers of a stream would see values that a crash takes back.",
        "Return a list, or let a step tell the outside.",
    ),
    "PD102": Code(
        "`async for` in a workflow.",
        "It would wait inside Python, where a restart cannot find it.",
        "Fetch the pages in an @observe step.",
    ),
    "PD103": Code(
        "`async with` of a foreign context manager.",
        "It holds a live resource across awaits; a restart would lose it.",
        "Open it inside the step that uses it.",
    ),
    "PD104": Code(
        "`with` around an await.",
        "It holds a live resource across awaits; a restart would lose it.",
        "Open it inside the step that uses it.",
    ),
    "PD105": Code(
        "Something that is not durable is awaited.",
        "A plain coroutine and asyncio wait in this process only; a restart loses what they "
        "wait for.",
        "sleep for asyncio.sleep, together for gather and TaskGroup, first for wait, first "
        "with after for timeout and wait_for, a Signal for Queue and Event, a step for "
        "to_thread and your own coroutines.",
    ),
    "PD106": Code(
        "An await where it can have no place of its own.",
        "What Python evaluates around it would have to be stored half done.",
        "Put the await on its own line and give the result a name.",
    ),
    "PD107": Code(
        "Warning: an order of evaluation that is easy to misread.",
        "A call between two awaits runs in the middle of the line. Python's order is kept, "
        "whatever it is.",
        "Give the first result a name.",
    ),
    "PD108": Code(
        "Code that is made at run time: eval, a nested async def or class, a decorator "
        "inside.",
        "The net cannot see inside it, and after a restart it is another one.",
        "Write it out, define it at the top of the module, or make it a step.",
    ),
    "PD109": Code(
        "`global` or `nonlocal` in a workflow.",
        "State outside the function does not survive.",
        "Keep it in a local variable or in a database, through a step.",
    ),
    "PD110": Code(
        "A step is called and not awaited.",
        "The call would be made by nobody.",
        "await step(...)",
    ),
    "PD111": Code(
        "A workflow contains itself.",
        "Its net would have no end.",
        "Use a loop.",
    ),
    "PD112": Code(
        "The source of the workflow is not there, or has changed since it was imported.",
        "A workflow is compiled from its text, as it was when it was imported.",
        "Put it into a file or a notebook cell; after a change import it again.",
    ),
    "PD113": Code(
        "Arguments that do not say which parameter they are for.",
        "A frame needs one type per name, so `*` and `**` cannot be stored; others do not "
        "fit the step.",
        "Pass each parameter once, by position or by name.",
    ),
    "PD114": Code(
        "Which step is called is decided at run time.",
        "Which steps can run must be known before.",
        "Choose with if or match between calls by name.",
    ),
    "PD115": Code(
        "`for` with an await, over something that cannot be resumed.",
        "A one-time iterator is spent after a restart, and a set has no order to go on in.",
        "Take a list first, or sorted(...).",
    ),
    "PD116": Code(
        "A construct or word that is not supported yet.",
        "It is refused by name, so that it is never compiled wrongly.",
        "Write it with if, while, for, match, try and steps; the message says how.",
    ),
    "PD201": Code(
        "A value that cannot be stored is alive across an await.",
        "Files, sockets and sessions live in one process only.",
        "Use it inside a step; keep plain data across awaits.",
    ),
    "PD202": Code(
        "A union whose members cannot be told apart when stored.",
        "The stored bytes would fit both.",
        "Rename one class, or wrap one member in a dataclass.",
    ),
    "PD203": Code(
        "The type of a kept value is not known.",
        "A strict decoder needs it after a restart.",
        "Annotate it: `total: Decimal = ...`.",
    ),
    "PD204": Code(
        "One variable has two unrelated types.",
        "What rests over an await has one type per name.",
        "Name them apart, or annotate the union.",
    ),
    "PD205": Code(
        "`Any` says nothing about what is stored.",
        "A value without a type cannot be checked when it is read back.",
        "Name the type.",
    ),
    "PD206": Code(
        "Warning: two call sites have one name.",
        "The second is numbered, so an edit in between moves the number.",
        'Name it: step.named("second try")(...).',
    ),
    "PD207": Code(
        "A variable may have no value here.",
        "What rests over an await has a value for every variable.",
        "Give it a value before the branch.",
    ),
    "PD212": Code(
        "Two variables share one object that can change.",
        "After the next restart they are two.",
        "Copy one of them.",
    ),
    "PD213": Code(
        "Warning: a loop changes what it runs over.",
        "The loop keeps its first view; plain Python would see the change.",
        "Collect into another list, or say that it is meant: for x in list(xs).",
    ),
    "PD220": Code(
        "Code between two awaits reaches outside; for clocks and dice it is a warning.",
        "A crash repeats that code silently, and nothing records what it did or drew. It is "
        "a lint: what a method of a local object does is not known.",
        "Make it a step and say which effect it has; now() for the time.",
    ),
    "PD221": Code(
        "Code between two awaits gave two answers for equal inputs.",
        "What decides a branch must be in the log.",
        "Put it into a step, or use now().",
    ),
    "PD230": Code(
        "A handler around an await that takes everything, cancellation too.",
        "It would swallow cancellation.",
        "except Exception:",
    ),
    "PD231": Code(
        "A handler for an exception type that cannot be stored or imported again.",
        "Exceptions are stored and made again by cls(*args); this one could not be "
        "compared.",
        "Raise an exception of plain arguments, defined in a module, from the step.",
    ),
    "PD301": Code(
        "A step that may fail for good follows an irreversible one in a saga.",
        "The saga would have to undo what cannot be undone.",
        "Retry it without end, or move it behind the saga.",
    ),
    "PD302": Code(
        "A compensatable step in a saga has no undo.",
        "A saga that fails must undo every compensatable step in it.",
        "Add @step.undo, or declare the step irreversible.",
    ),
    "PD303": Code(
        "Parallel branches of a saga: one irreversible, one that may fail.",
        "The one may land while the other fails.",
        "Do the irreversible step behind the join.",
    ),
    "PD304": Code(
        "An irreversible step in a loop without a wait.",
        "It can happen again and again within milliseconds.",
        "Bound the loop, or wait in it.",
    ),
    "PD305": Code(
        "The workflow can end failed behind an irreversible effect.",
        "The effect stands, and nobody is told but the log.",
        "Handle the failure, or accept it knowingly.",
    ),
    "PD306": Code(
        "A compensatable step that nobody can settle in doubt.",
        "After a crash inside it nobody knows what to undo.",
        "Add a probe, or let the undo take (result | None, *arguments).",
    ),
    "PD307": Code(
        "An irreversible step, or one that has no undo, is a direct branch of first(...).",
        "The loser of a race is given up or undone, and this one cannot be.",
        "Race first, then call it.",
    ),
    "PD401": Code(
        "An irreversible step declares a retry.",
        "It is never retried by itself: the first attempt may have landed.",
        "Add a probe; retry inside the step only what you know has not landed.",
    ),
    "PD402": Code(
        "An irreversible step has no probe.",
        "After a crash in the wrong moment a person will be asked whether it landed.",
        "Add @step.probe, which makes the receiver close the key and then answers.",
    ),
    "PD403": Code(
        "A transactional step calls another step or the network.",
        "The transaction stays open while it waits.",
        "Fetch before, only write inside.",
    ),
    "PD404": Code(
        "An undo does not fit its step.",
        "It takes the result, or the result or None and the step's arguments.",
        "def undo(result) or def undo(result: R | None, *the step's parameters)",
    ),
    "PD405": Code(
        "A probe takes other parameters than its step.",
        "It is asked with the same arguments.",
        "Give it the step's parameters.",
    ),
    "PD406": Code("A step has a second undo or probe.", "One answers.", "Remove one of them."),
    "PD407": Code(
        "A step, undo or probe is no plain function.",
        "Generators and objects cannot be called as a step.",
        "Write def or async def.",
    ),
    "PD408": Code(
        "Exception types were expected.",
        "What is raised is compared with these types.",
        "Give a tuple of exception classes.",
    ),
    "PD409": Code(
        "A retry policy that cannot be followed.",
        "Attempts, waits and factor have bounds.",
        "Retry(attempts=5, first=seconds(1), factor=2, ceiling=seconds(60))",
    ),
    "PD410": Code(
        "A timeout that leaves no time.",
        "An attempt is given up when its timeout has passed.",
        "timeout=seconds(20), or none.",
    ),
    "PD411": Code(
        "A transactional step takes no tx.",
        "It writes only through the transaction it is lent.",
        "Make `tx: Tx` its first parameter.",
    ),
    "PD412": Code(
        "A name that cannot be used.",
        "People type it at the console and in migrations.",
        "Printable characters, no blanks at the ends.",
    ),
    "PD413": Code(
        "A signal does not say what it carries.",
        "What arrives is decoded strictly into that type.",
        'Signal[Answer]("answer")',
    ),
    "PD414": Code(
        "first or together with fewer than two calls.",
        "They are about several.",
        "Await the one call alone.",
    ),
    "PD415": Code(
        "A workflow is not an `async def`.", "It is compiled at its awaits.", "async def name(...)"
    ),
    "PD416": Code(
        "A version below 1.", "Versions count from 1.", "@workflow(version=1)"
    ),
    "PD501": Code(
        "A body reaches for the real world in a simulation.",
        "It runs once for every fault, and nothing real may come of it: no connection, no process, "
        "no thread, no file that is written. A library in C may hide such a thing from us.",
        "Give it a stand-in in `def fakes(world)`, or hand its module a client that is a fake.",
    ),
    "PD502": Code(
        "Nobody said that the bodies of steps with effects may run in a simulation.",
        "A body that reaches a real client would do it for real, once for every fault.",
        "Write `def fakes(world)`, in the target or in --fakes FILE; or say --bodies.",
    ),
    "PD503": Code(
        "Two runs without a fault are not alike.",
        "What differs without a fault says nothing with one: something outlives a history, or a "
        "step answers by chance.",
        "Make the state of the fakes inside `def fakes(world)`, which is called for each history.",
    ),
    "PD504": Code(
        "The run without a fault does not end.",
        "A trial begins with a run that goes well.",
        "If it waits for a message: `world.send(signal, value, at=seconds)` in `def fakes(world)`.",
    ),
    "PD505": Code(
        "The fakes are none, or what is tried is no call of a workflow.",
        "`fakes` returns a dict: step, undo or probe -> a function or a value; nothing for "
        "transactional steps, which run in the simulated store.",
        "def fakes(world): return {step: function_or_value}",
    ),
    "PD506": Code(
        "A file of `perdure replay` cannot be played again.",
        "It is no such file, of another version, or its input fits the workflow no more.",
        "Find the failure anew with `perdure chaos`.",
    ),
    "PD507": Code(
        "A claim about a step in which nothing is counted.",
        "What happens twice is seen in the fake world's ledger; a test without it cannot fail.",
        'Say `world.happened("charge", order)` where the fake charges.',
    ),
    "PD601": Code(
        "A step or saga is used outside a workflow.",
        "Awaiting it means: rest here until it is durable.",
        "Call it in a @workflow, or use .direct(...) in tests.",
    ),
    "PD602": Code(
        "effect_key() or effect_order() is used outside a step.",
        "They belong to one call of one step.",
        "Use them in the body of a step, undo or probe.",
    ),
    "PD603": Code(
        "now() is used outside a workflow.",
        "It is the time of a firing.",
        "datetime.now(UTC) in a step or elsewhere.",
    ),
    "PD604": Code(
        "A call is handed over twice.",
        "One call is one occurrence.",
        "Call the step again for a second one.",
    ),
    "PD605": Code(
        "Something else than a workflow was given, or a step needs a database.",
        "Only workflows are started; only an engine lends a transaction.",
        "Write a @workflow that awaits it.",
    ),
    "PD606": Code(
        "The engine is not open, or open in another event loop.",
        "Steps use clients that belong to the loop that made them.",
        "Use it inside `async with Engine(...)`, elsewhere Engine.blocking(url).",
    ),
    "PD607": Code(
        "The blocking engine is used in a running event loop.",
        "It would block the loop it stands in.",
        "Use `async with Engine(...)` there.",
    ),
    "PD608": Code(
        "An engine is opened while it is open.",
        "It has one worker, which belongs to one event loop.",
        "Open it once and hand it on, or make another Engine.",
    ),
    "PD609": Code(
        "An engine of the parent process is used after a fork.",
        "Two processes on one connection corrupt the database.",
        "Open an Engine in the child, after the fork.",
    ),
    "PD610": Code(
        "The engine is used inside a transactional step.",
        "The step holds the only writer, so it would wait for itself.",
        "Write through `tx` only; start and send from the workflow, or in a step behind it.",
    ),
    "PD701": Code(
        "The id belongs to another execution.",
        "The same id with another input or workflow is never answered with the old result.",
        "Use another id, or call with the same input.",
    ),
    "PD702": Code(
        "The execution has ended and takes nothing any more.",
        "A message that nobody will read is an error to its sender.",
        "Look at it with `perdure show ID`.",
    ),
    "PD703": Code("There is no execution of this id.", "It was never started here.",
                  "`perdure list` shows what there is; check --db."),
    "PD704": Code(
        "The execution is stalled.",
        "It cannot go on by itself; nothing was undone.",
        "Fix the cause that is told, then `perdure resume ID`.",
    ),
    "PD705": Code(
        "An exception of a step that could not be rebuilt.",
        "Its class cannot be imported or takes other arguments.",
        "Raise exceptions of importable classes with plain arguments.",
    ),
    "PD706": Code(
        "The execution was cancelled.",
        "What landed stands and is named.",
        "Read the reason.",
    ),
    "PD707": Code(
        "A message id came before with another body.",
        "A repeated send must repeat the body too.",
        "Give another message its own id.",
    ),
    "PD708": Code(
        "A transactional step ended the transaction it was lent.",
        "Its writes may be committed without the record that says so.",
        "No COMMIT or ROLLBACK through tx: raise or return.",
    ),
    "PD709": Code(
        "A transactional step held the write lock too long.",
        "SQLite has one writer: all other executions wait.",
        "Fetch and compute before, only write inside.",
    ),
    "PD710": Code(
        "A decision about an effect is refused.",
        "Somebody settled it before, or this cannot be said of it now.",
        "`perdure desk` lists what waits, with what may be said of it.",
    ),
    "PD711": Code(
        "This cannot be the id of an execution.",
        "It is empty, very long, or has characters that no one can type, list or log.",
        "1 to 512 characters, no control characters.",
    ),
    "PD801": Code(
        "The store cannot be used now.",
        "It is locked, full or damaged; nothing was written.",
        "End what holds it (a stopped process keeps its lock), or free the disk; if the file is "
        "damaged, go on from a backup.",
    ),
    "PD802": Code(
        "The store has another schema.",
        "Its tables are of another revision, or a guard of theirs is missing.",
        "`perdure db upgrade`, or the perdure that the file was made with.",
    ),
    "PD803": Code(
        "The store would lose acknowledged commits, or may and effects here need an intent.",
        "Every promise rests on commits that stay; an intent that can vanish protects nothing.",
        "Leave the default, synchronous=FULL.",
    ),
    "PD804": Code(
        "The store lies on a network file system.",
        "The write-ahead log needs shared memory.",
        "Put the file on a local disk.",
    ),
    "PD805": Code(
        "There is no store here.",
        "No such file, or a database of something else.",
        "--db or PERDURE_DB; `perdure db upgrade` makes a new one.",
    ),
    "PD806": Code(
        "The worker has drained itself: it could not go on.",
        "Twice the pool of threads is lost in steps that hang; or a defect of ours.",
        "Start the process anew; give what the step calls a timeout of its own. Report a defect.",
    ),
    "PD901": Code(
        "A firing that the net does not allow.",
        "A log that was tampered with, or a bug of ours.",
        "`perdure audit --id ID` says what is wrong; please report it.",
    ),
}  # fmt: skip


def family(code: str) -> str:
    """What codes like this one are about."""
    return FAMILIES[code[:3]]
