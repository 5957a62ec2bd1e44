"""Pages about a user's workflows: docstring, net as SVG, table of steps, waits, verdicts.

Each page is written twice from one value: as Markdown beside its SVG file (for mkdocs), and as
plain HTML that needs nothing. No verdict is reached here, and no layout of nets.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ..model.formats.svg import to_svg
from ..model.formats.tree import program_box
from ..model.language.effects import Retry
from ..model.language.steps import Step
from ..model.net import Site, SiteKind
from ..model.program import Program
from .verifying import Verified, warnings_of

STEP_COLUMNS = ("step", "effect", "what it does", "retry", "timeout", "undo", "probe")
WAIT_COLUMNS = ("wait", "kind", "line")
VERDICT_COLUMNS = ("property", "verdict", "evidence", "method", "assuming")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #8888;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}svg{max-width:100%;height:auto}"
    "pre{overflow-x:auto;padding:.6rem;border:1px solid #8888}"
)


@dataclass(frozen=True)
class Table:
    """A table of a page; cells are plain text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Page:
    """What a page says, before it is Markdown or HTML."""

    name: str  # file name without suffix
    title: str
    about: str
    text: str
    svg: str
    tables: tuple[Table, ...]
    problems: tuple[str, ...]


def write(folder: Path, found: Sequence[Verified]) -> list[Path]:
    """Write all pages and an index; returns the files. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = [page(v) for v in found]
    files: dict[str, str] = {"index.md": _index_markdown(pages), "index.html": _index_html(pages)}
    for each in pages:
        files[f"{each.name}.md"] = markdown(each)
        files[f"{each.name}.html"] = html(each)
        files[f"{each.name}.svg"] = each.svg
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def page(verified: Verified) -> Page:
    """What is to be said about one workflow."""
    program, report = verified.program, verified.report
    net, workflow = program.net, program.workflow
    verdicts = tuple(
        (
            v.name.replace("_", " "),
            str(v.verdict) + (f": {v.witness.says}" if v.witness else ""),
            str(v.evidence),
            v.method + (f", {v.states} states" if v.states is not None else ""),
            "; ".join(v.assumptions),
        )
        for v in report.properties
    )
    problems = [f"{f.code} {f.message}\nwhy  {f.why}\nfix  {f.fix}" for f in report.findings]
    problems += map(str, warnings_of(program))
    return Page(
        name=re.sub(r"[^\w-]+", "-", net.name),
        title=net.name,
        about=f"version {net.version}, {workflow.reference}, net {net.digest[:12]}",
        text=workflow.doc,
        svg=to_svg(program_box(program)),
        tables=(
            Table("Steps", STEP_COLUMNS, _steps(program)),
            Table("Waits", WAIT_COLUMNS, _waits(net.sites)),
            Table("What is known", VERDICT_COLUMNS, verdicts),
        ),
        problems=tuple(problems),
    )


def _steps(program: Program) -> tuple[tuple[str, ...], ...]:
    return tuple(_step(site, program.steps[site]) for site in program.steps)


def _step(site: str, step: Step[..., object]) -> tuple[str, ...]:
    undo, probe = step.undo_step, step.probe_step
    return (
        site,
        str(step.effect),
        (inspect.getdoc(step.fn) or "").partition("\n")[0],
        "never by itself" if step.effect.intent and step.retry.attempts == 1 else told(step.retry),
        f"{step.timeout.total_seconds():g} s" if step.timeout else "none",
        undo.name if undo else "none",
        probe.name if probe else "none",
    )


def told(retry: Retry) -> str:
    """A retry policy in words."""
    if retry.attempts == 1:
        return "one attempt"
    many = "without end" if retry.attempts is None else f"{retry.attempts} attempts"
    first, ceiling = retry.first.total_seconds(), retry.ceiling.total_seconds()
    return f"{many}, {first:g} s times {retry.factor:g}, at most {ceiling:g} s"


def _waits(sites: Sequence[Site]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (site.target, str(site.kind), str(site.span.line) if site.span else "")
        for site in sites
        if site.kind is not SiteKind.STEP
    )


# --- Markdown -----------------------------------------------------------------------------------


def markdown(page: Page) -> str:
    """The page for mkdocs; the net stands in an SVG file beside it."""
    parts = [f"# {_cell(page.title)}", _cell(page.about), page.text]
    parts += [f"![The net of {_cell(page.title)}]({page.name}.svg)"]
    for table in page.tables:
        if table.rows:
            parts += [f"## {table.title}", _markdown_table(table)]
    if page.problems:
        fence = "\n\n".join(f"```text\n{text}\n```" for text in page.problems)
        parts += ["## To look at", fence]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return re.sub(r"([*_`<\[])", r"\\\1", text)


def _index_markdown(pages: Sequence[Page]) -> str:
    lines = [f"- [{_cell(p.title)}]({p.name}.md): {_cell(_first(p.text))}" for p in pages]
    return "# Workflows\n\n" + "\n".join(lines) + "\n"


def _first(text: str) -> str:
    return text.partition("\n")[0]


# --- HTML ---------------------------------------------------------------------------------------


def html(page: Page) -> str:
    """The page for a browser, complete in one file."""
    parts = [f"<h1>{escape(page.title)}</h1>", f"<p>{escape(page.about)}</p>"]
    parts += [f"<p>{escape(block)}</p>" for block in page.text.split("\n\n") if block]
    parts += [page.svg]
    for table in page.tables:
        if table.rows:
            parts += [f"<h2>{escape(table.title)}</h2>", _html_table(table)]
    if page.problems:
        parts += ["<h2>To look at</h2>", *(f"<pre>{escape(text)}</pre>" for text in page.problems)]
    return _document(page.title, [*parts, '<p><a href="index.html">All workflows</a></p>'])


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _index_html(pages: Sequence[Page]) -> str:
    items = [
        f'<li><a href="{p.name}.html">{escape(p.title)}</a>: {escape(_first(p.text))}</li>'
        for p in pages
    ]
    return _document("Workflows", ["<h1>Workflows</h1>", f"<ul>{''.join(items)}</ul>"])


def _document(title: str, parts: Sequence[str]) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
