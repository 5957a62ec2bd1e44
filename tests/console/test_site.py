"""Pages about a user's workflows: what stands on them, in Markdown and in HTML alike."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
from perdure.console.codes import CODES, FAMILIES
from perdure.console.manual import codes, programs
from perdure.console.meanings import MEANINGS
from perdure.console.site import Page, Table, cell, html, markdown, page, told, write
from perdure.console.verifying import Verified, verify
from perdure.model.compiler import compile_workflow
from perdure.model.formats.svg import to_svg
from perdure.model.formats.tree import program_box
from perdure.model.language.effects import Retry
from perdure.model.language.waits import seconds

DEMO = import_module("perdure.console.demo.order").fulfil_order


@pytest.fixture(scope="module")
def verified() -> Verified:
    """The order workflow of the demo with its report."""
    return verify(DEMO)


class Reader(HTMLParser):
    """What a page shows: cells by row, texts by tag, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stands inside."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        tag = self.open[-1] if self.open else ""
        self.texts.setdefault(tag, []).append(data)
        if tag in ("td", "th"):
            self.rows[-1].append(data)


def cells(text: str) -> list[list[str]]:
    """The rows of every Markdown table, marks of Markdown taken away."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    split = [re.split(r"(?<!\\) \| ", row.removeprefix("| ").removesuffix(" |")) for row in rows]
    bare = [[unescape(re.sub(r"\\(.)", r"\1", part)) for part in row] for row in split]
    return [row for row in bare if set(row[0]) != {"-"}]


def test_a_page_tells_every_step_with_class_retry_undo_and_probe(verified: Verified) -> None:
    """One row a step, in the order of the net, from the declarations themselves."""
    (steps,) = [t for t in page(verified).tables if t.title == "Steps"]
    rows = {row[0]: dict(zip(steps.columns, row, strict=True)) for row in steps.rows}
    assert list(rows) == list(verified.program.steps)
    charge, mail = rows["charge_card"], rows["email_receipt"]
    assert (charge["effect"], charge["undo"]) == ("irreversible", "none")
    assert charge["probe"] == "look_for_charge"
    assert charge["retry"] == "never by itself; given up after 5 s"
    assert mail["retry"] == "without end, 1 s times 2, at most 300 s"
    assert rows["reserve_stock"]["undo"] == "release_stock"


def test_a_page_tells_verdicts_with_their_evidence_and_assumptions_once(
    verified: Verified,
) -> None:
    """Each property with the kind of evidence; the same assumption is not repeated per row."""
    told = page(verified)
    (known,) = [t for t in told.tables if t.title == "What is known"]
    names = [v.name.replace("_", " ") for v in verified.report.properties]
    assert [row[0] for row in known.rows] == names
    for row, verdict in zip(known.rows, verified.report.properties, strict=True):
        assert row[1].startswith(str(verdict.verdict))
        assert row[2].startswith(f"{verdict.evidence}: {verdict.method}")
    assert len(set(told.assumptions)) == len(told.assumptions) > 0


def test_markdown_and_html_show_the_same_tables(verified: Verified) -> None:
    """Two writings of one value; the net stands in the HTML and beside the Markdown."""
    told = page(verified)
    read = Reader(html(told))
    assert read.open == []
    assert read.rows == cells(markdown(told))
    wanted = [list(row) for t in told.tables if t.rows for row in (t.columns, *t.rows)]
    assert read.rows == wanted
    assert told.svg == to_svg(program_box(compile_workflow(DEMO)))
    assert told.svg in html(told) and f"({told.name}.svg)" in markdown(told)


def test_page_and_drawing_follow_one_choice_of_light_and_dark(verified: Verified) -> None:
    """The drawing turns dark for readers who want that; a page that stayed white would not fit."""
    text = html(page(verified))
    assert "prefers-color-scheme:dark" in page(verified).svg.replace(" ", "")
    assert "color-scheme:light dark" in text.partition("</style>")[0]


NASTY = 'a|b <i>*x*</i> `c` [d](e) _f_ \\ & "g" &lt;'


def rendered(text: str) -> str:
    """Markdown as mkdocs reads it."""
    command = [sys.executable, "-m", "markdown", "-x", "tables", "-x", "fenced_code"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def test_what_an_author_writes_is_text_and_never_markup() -> None:
    """Bars, brackets, stars and tags in names and docstrings are shown as they were written."""
    table = Table("Steps", ("step",), ((NASTY,),))
    told = Page("n", NASTY, NASTY, "text", "<svg/>", (NASTY,), (table,), (NASTY,), (NASTY,))
    assert cells(markdown(told))[1] == [NASTY]
    shown = Reader(rendered(markdown(told)))
    assert ["".join(row) for row in shown.rows] == ["step", NASTY]
    assert "".join(shown.texts["h1"]) == NASTY
    assert "".join(shown.texts["li"]) == NASTY * 2
    read = Reader(html(told))
    assert read.rows[1] == [NASTY]
    assert read.texts["h1"] == read.texts["pre"] == [NASTY]
    assert read.texts["li"] == [NASTY, NASTY]
    assert cell("two\nlines") == "two lines"


def test_workflows_of_one_name_get_a_page_each(verified: Verified, tmp_path: Path) -> None:
    """Neither a twin nor a workflow called index overwrites another page; all are linked."""
    written = write(tmp_path / "out", [verified, verified])
    names = sorted(path.name for path in written)
    assert names == sorted(
        ["index.md", "index.html"]
        + [f"{n}.{s}" for n in ("fulfil_order", "fulfil_order-2") for s in ("md", "html", "svg")]
    )
    index = (tmp_path / "out" / "index.html").read_text()
    for name in ("fulfil_order", "fulfil_order-2"):
        assert f'href="{name}.html"' in index
        assert f"({name}.svg)" in (tmp_path / "out" / f"{name}.md").read_text()
    assert all(path.is_file() for path in written)


@pytest.mark.parametrize(
    ("retry", "says"),
    [
        (Retry(attempts=1), "one attempt"),
        (Retry(attempts=3, first=seconds(2)), "3 attempts, 2 s times 2, at most 60 s"),
        (Retry(attempts=None, factor=1.5), "without end, 1 s times 1.5, at most 60 s"),
    ],
)
def test_a_retry_policy_is_told_in_words(retry: Retry, says: str) -> None:
    """The numbers are those of the policy."""
    assert told(retry) == says


def test_every_code_has_its_place_on_the_page_of_codes() -> None:
    """A heading, so that #pd301 can be linked to; below it what, why and fix."""
    text = codes()
    headings = re.findall(r"^### (PD\d{3})$", text, re.M)
    assert headings == sorted(CODES)
    for name, known in CODES.items():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        plain = re.sub(r"\\(.)", r"\1", section)
        assert known.says in plain and f"Why: {known.why}" in plain and f"Fix: {known.fix}" in plain
    used = [about for prefix, about in FAMILIES.items() if any(c.startswith(prefix) for c in CODES)]
    assert all(f"## {cell(about)}\n" in text for about in used)
    assert all(f"| `{name}` |" in text for name in MEANINGS)


def test_programs_are_found_whatever_they_stand_in() -> None:
    """Fences in a list are indented; other languages and unclosed fences are no programs."""
    text = (
        "```python\na = 1\n```\n\n1. list\n\n    ```python\n    if a:\n        b = 2\n    ```\n\n"
        "```console\n$ no\n```\n\n```python\nunclosed\n"
    )
    assert list(programs(text)) == ["a = 1\n", "if a:\n    b = 2\n"]
