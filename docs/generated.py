"""Pages and drawings that are made while the site is built, and the page of guarantees, which is
kept: run as a program, this writes it anew.

A hook of mkdocs (see mkdocs.yml). The drawings are made by the renderer that users have, from the
programs that stand on the pages; what a page says is not here.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from perdure.chaos.enumeration import Counts
from perdure.console.cli.targets import workflows
from perdure.console.guarantees import guarantees
from perdure.console.manual import codes, programs
from perdure.console.site import markdown, page
from perdure.console.verifying import verify
from perdure.model.compiler import compile_workflow
from perdure.model.formats.svg import to_svg
from perdure.model.formats.tree import program_box
from perdure.specs.guarantees import ENUMERATED, KILLED, MUTANTS, PAIRED, PROVED, RANDOM
from perdure.specs.protocol.guards import GUARDS
from perdure.specs.protocol.whole import CLAIMS

DEMO = "perdure.console.demo.order"
ROOT = Path(__file__).parents[1]
_BARE: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory()
"""Where the reference is read; gone with the process."""


@event_priority(100)  # before the reader of packages is made
def on_config(config: Any) -> Any:
    """Let the reference be read from the packages alone.

    The checkout is the package and holds more: an environment, and a link to itself that a reader
    of packages would follow for as long as a path may be.
    """
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    package = Path(_BARE.name) / "perdure"
    package.mkdir(exist_ok=True)
    copyfile(ROOT / "__init__.py", package / "__init__.py")  # a link would be followed back
    for room in {name.split(".")[1] for name in tools["setuptools"]["packages"] if "." in name}:
        (package / room).symlink_to(ROOT / room)
    python = config["plugins"]["mkdocstrings"].config["handlers"]["python"]
    python["paths"] = [_BARE.name]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is generated to the files of the site."""
    made = {"codes.md": codes()}
    for file in files.documentation_pages():
        made.update(drawings(Path(file.abs_src_path or "")))
    (demo,) = workflows(DEMO)
    example = page(verify(demo))
    made |= {f"{example.name}.md": markdown(example), f"{example.name}.svg": example.svg}
    for name, text in made.items():
        old = files.get_file_from_path(name)
        if old is not None:
            files.remove(old)
        files.append(File.generated(config, name, content=text))
    return files


def figures() -> dict[str, str]:
    """What the last runs counted, by command: the figures are those that the suite asserts."""
    counts = runpy.run_path(str(ROOT / "tests/crash/counts.py"))
    flows: list[Counts] = list(counts["COUNTS"].values())
    boundaries, faults = sum(c.boundaries for c in flows), sum(c.faults for c in flows)
    mutants = json.loads((ROOT / "tests/mutants/found.json").read_bytes())
    both = sum(bool(row[-1]) for row in mutants.values())  # `Caught.both`
    kept = json.loads((ROOT / "tests/kept.json").read_bytes())
    shards = [run for name, run in kept.items() if name.startswith("random histories")]
    paired = [run for name, run in kept.items() if name.startswith("pairs ")]
    planned, kills = sum(count for _, count in counts["PAIRS"].values()), kept["kills"]
    return {
        ENUMERATED.command: f"{boundaries} boundaries, {faults} faults, none breaks a rule",
        PROVED.command: f"{len(CLAIMS)} promises, {len(GUARDS)} guards, each needed or redundant",
        PAIRED.command: f"{sum(run['pairs'] for run in paired):,} of {planned:,} pairs played, "
        f"{sum(len(run['wrong']) for run in paired)} wrong",
        RANDOM.command: _random(shards),
        KILLED.command: f"{kills['kill_count']:,} SIGKILLs, {kills['stop_count']:,} SIGSTOPs, "
        f"{kills['orders']:,} orders: twice {kills['twice']}, lost {kills['lost']}, "
        f"left over {kills['left_over']}; {kills['on']}",
        MUTANTS.command: f"{len(mutants)} of them, {both} with both of two guards out",
    }


def _random(shards: list[dict[str, Any]]) -> str:
    if not shards:
        return ""
    played, points = (sum(run[what] for run in shards) for what in ("histories", "points"))
    wrong = sum(len(run["wrong"]) for run in shards)
    on = max(run["on"] for run in shards)
    return f"{played:,} histories, {points:,} durable points, {wrong} wrong; {on}"


def drawings(source: Path) -> Iterator[tuple[str, str]]:
    """A drawing per workflow of the programs on a page: `drawings/NAME.svg`."""
    with tempfile.TemporaryDirectory() as folder:
        for number, program in enumerate(programs(source.read_text(encoding="utf-8"))):
            module = Path(folder) / f"{source.stem.replace('-', '_')}_program_{number}.py"
            module.write_text(program, encoding="utf-8")
            for flow in workflows(str(module)):
                svg = to_svg(program_box(compile_workflow(flow)))
                yield f"drawings/{flow.name}.svg", svg


if __name__ == "__main__":  # python docs/generated.py > docs/guarantees.md
    sys.stdout.write(guarantees(figures()))
