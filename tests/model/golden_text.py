"""A net as text for people: what rests where with which types, and what leads on.

`python -m tests.model.golden_text` writes the files in `golden/` anew; read the difference before
you commit it. No test lives here.
"""

from __future__ import annotations

from pathlib import Path

from perdure.console.demo.order import fulfil_order
from perdure.model.compiler.compile import compile_workflow
from perdure.model.net import Net, Place, Site, Transition, TransitionKind
from perdure.model.program import Program

from . import golden_flows as flows

FOLDER = Path(__file__).with_name("golden")
WORKFLOWS = (
    fulfil_order, flows.hello, flows.approval, flows.basket, flows.order, flows.quickest,
)  # fmt: skip


def as_text(program: Program) -> str:
    """Resting places with their frames, calls with their arguments, glue, transitions by place."""
    net = program.net
    parts = [f"{net.name}, version {net.version}: {_counted(net)}"]
    parts += ["", "RESTS", *(_rests(net, p) for p in net.places if p.tangible)]
    parts += ["", "CALLS", *map(_called, net.sites)]
    parts += ["", "CLASSES", *(f"  {name}: {inner}" for name, inner in net.classes.items())]
    parts += ["", "GLUE", *_glue(program)]
    parts += ["", "FIRES", *map(_fires, net.transitions)]
    return "\n".join(line.rstrip() for line in parts) + "\n"


def _counted(net: Net) -> str:
    return f"{len(net.places)} places, {len(net.transitions)} transitions"


def _rests(net: Net, place: Place) -> str:
    types = net.token_types(place)
    held = ", ".join(f"{name}: {types[name]}" for name in place.frame)
    return f"  {place.name:<40} {place.kind:<9} {held}"


def _called(site: Site) -> str:
    passed = ", ".join(f"{p}={v}" for p, v in site.arguments)
    marks = [("endless", site.endless), ("refuses", site.refuses), ("probe", site.probe)]
    marks += [(f"undo by {site.undo}", bool(site.undo)), (f"in {site.saga}", bool(site.saga))]
    more = "".join(f" · {word}" for word, holds in marks if holds)
    return f"  {site.name}({passed}) -> {site.kind} {site.effect} {site.target}{more}"


def _glue(program: Program) -> list[str]:
    found: list[str] = []
    for name, glue in program.glue.items():
        written = " | ".join(", ".join(names) or "-" for names in glue.writes)
        found.append(f"  {name}: {', '.join(glue.reads) or '-'} => {written}")
    return found


def _fires(t: Transition) -> str:
    arcs = f"{' + '.join(t.take)} -> {' + '.join(t.put)}"
    way = t.name.rpartition(": ")[2] if t.kind is TransitionKind.EXIT and t.exit >= 0 else ""
    about = t.site if t.kind is TransitionKind.UNDO else way
    read = f" while {', '.join(t.read)}" if t.read else ""
    binds = f" gives {t.binds}" if t.binds else ""
    stack = (
        f" {t.stack_op} {t.stack}{t.outer_stack and ' to '}{t.outer_stack}" if t.stack_op else ""
    )
    return f"  {t.kind:<8} {arcs}{read}{binds}{stack}{about and f' ({about})'}"


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for workflow in WORKFLOWS:
        text = as_text(compile_workflow(workflow))
        (FOLDER / f"{workflow.name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
