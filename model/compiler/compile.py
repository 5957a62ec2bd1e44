"""A workflow becomes a program: all stages in order, all problems in one report.

Each stage lives in its own file; here they are put together and the draft becomes a net.
No stage is written here.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from ..language.workflows import Workflow
from ..net import Net, Place, PlaceKind, Span
from ..program import Glue, Program
from ..values import Codec
from .blocks import Sequence, StepCall, Wait
from .build import Builder
from .deep import too_deep
from .digest import code_digest
from .draft import Draft, finish
from .emit import Emitter
from .findings import CompileError, Finding, ordered, tell_plainly
from .flow import Flow, flow
from .glue import Stretch, functions
from .kinds import UNKNOWN, Kinds, hints
from .live import Function, changed, find
from .normal import normalise
from .pivot import past_pivot
from .refuse import refuse, told
from .storing import Storing, first_use

_COMPILED: WeakKeyDictionary[Workflow[..., Any], Program] = WeakKeyDictionary()


def compile_workflow(workflow: Workflow[..., Any]) -> Program:
    """Compile a workflow, once per object. Raises `CompileError` with everything that is wrong."""
    made = _COMPILED.get(workflow)
    if made is None:
        try:
            made = _COMPILED[workflow] = _compile(workflow)
        except CompileError as error:
            tell_plainly()
            # What is told is about the workflow's text: our frames would say nothing.
            raise error.with_traceback(None) from None
    return made


def _compile(workflow: Workflow[..., Any]) -> Program:
    fn = cast("types.FunctionType", workflow.fn)
    function = find(fn)
    if function is None:
        code = fn.__code__
        where = Span(code.co_filename, code.co_firstlineno, 0, code.co_firstlineno, 0)
        text = f"I need the source of `{workflow.name}`, and it is not there"
        why = "a workflow is compiled from its text; this one was made by exec, or its file is gone"
        fix = "put it into a file or a notebook cell"
        if changed(fn):
            text = f"the file of `{workflow.name}` has changed since it was imported"
            why = "a workflow is compiled from its text, and what stands there now is another one"
            fix = "import it again: start this process anew, or reload the module"
        raise CompileError(workflow.name, (Finding("PD112", where, text, why, fix),))
    try:
        return _Compilation(workflow, function).program()
    except RecursionError:
        raise CompileError(workflow.name, (too_deep(function),)) from None


class _Compilation:
    def __init__(self, workflow: Workflow[..., Any], function: Function) -> None:
        self.workflow, self.function = workflow, function
        self.fn = cast("types.FunctionType", workflow.fn)
        self.file = function.fn.__code__.co_filename
        self.build = Builder(self.file, function.resolve, set(function.local))
        self.kinds = Kinds(function)
        self.codecs: Mapping[str, Codec] = {}
        self.results: Mapping[str, Codec] = {}
        self.channels: Mapping[str, Codec] = {}

    def program(self) -> Program:
        build, parameters = self.build, tuple(self.workflow.signature.parameters)
        self.kinds.settle()
        refuse(self.function, self.kinds, build)
        declared = hints(self.function.fn).get("return", UNKNOWN)
        body = normalise(self.function.node, build, None if declared is type(None) else declared)
        emitter = Emitter(build, past_pivot(body))
        initial = emitter.workflow(body, parameters)
        finish(emitter.draft, initial)
        found = flow(emitter.draft, initial)
        self.unset(found, emitter.draft)
        stored = Storing(self.workflow.name, self.function, build, self.kinds)
        self.codecs = stored.codecs(found, emitter.draft)
        self.results = stored.results(b for b in body.walk() if isinstance(b, StepCall))
        self.channels = stored.channels(b for b in body.walk() if isinstance(b, Wait))
        self.check()
        return self.assemble(body, emitter.draft, found, initial)

    def check(self) -> None:
        """Stop here when something is wrong."""
        if self.build.refused:
            raise CompileError(self.workflow.name, told(self.function.node, self.build.problems))

    def unset(self, found: Flow, draft: Draft) -> None:
        told: set[str] = set()
        for variable, _, node in found.unset:
            if variable in told:
                continue
            told.add(variable)
            at = node if node is not None else first_use(self.function.node, variable)
            text = f"`{variable}` may be unset here"
            why = "what rests over an await has a value for every variable"
            self.build.problem(
                "PD207", at, text, why, f"give `{variable}` a value before the branch"
            )

    # --- the program ----------------------------------------------------------------------

    def assemble(self, body: Sequence, draft: Draft, found: Flow, initial: str) -> Program:
        glued = {n: p for n, p in draft.places.items() if p.code is not None and n in found.reads}
        stretches = [
            Stretch(p.code or (), p.exits, p.catching, found.reads[n], found.writes[n])
            for n, p in glued.items()
        ]
        runs = functions(self.fn, stretches, self.build.constants)
        glue = {
            name: Glue(run, s.reads, s.writes)
            for name, run, s in zip(glued, runs, stretches, strict=True)
        }
        calls = [b for b in body.walk() if isinstance(b, StepCall)]
        waits = [b for b in body.walk() if isinstance(b, Wait)]
        alive = {t.made.site for t in draft.transitions}
        sites = [c.site for c in calls] + [s for w in waits for s in w.sites]
        places = tuple(_place(p.name, draft, found) for p in draft.places.values())
        every = (self.codecs, self.results, self.channels)
        codecs = [c for some in every for c in some.values()]
        net = Net(
            self.workflow.name,
            self.workflow.version,
            places,
            tuple(t.made for t in draft.transitions),
            tuple(s for s in sites if s.name in alive),
            types={v: c.text for v, c in self.codecs.items()},
            classes=dict(sorted(item for c in codecs for item in c.classes.items())),
            glue={
                n: code_digest((*s.code, *s.catching))
                for n, s in zip(glued, stretches, strict=True)
            },
            initial=initial,
        )
        return Program(
            net,
            self.workflow,
            tuple(self.workflow.signature.parameters),
            {c.site.name: c.step for c in calls if c.site.name in alive},
            self.codecs,
            self.channels,
            glue,
            self.results,
            blocks=(body,),
            warnings=ordered(p.finding for p in self.build.problems),
        )


def _place(name: str, draft: Draft, found: Flow) -> Place:
    p = draft.places[name]
    frame = () if p.kind is PlaceKind.VANISHING else tuple(sorted(found.frames[name]))
    return Place(name, p.kind, frame, p.site, p.span, p.block)
