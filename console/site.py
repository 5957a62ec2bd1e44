"""Pages about a user's workflows: docstring, net as SVG, table of steps, waits, verdicts.

Each page is written twice from one value: as Markdown beside its SVG file (for mkdocs), and as
plain HTML that needs nothing. No verdict is reached here, and no layout of nets.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from ..model.formats.svg import to_svg
from ..model.formats.tree import program_box
from ..model.language.effects import Retry
from ..model.language.steps import Step
from ..model.net import Site, SiteKind
from ..model.program import Program
from .meanings import meaning
from .verifying import Verified, warnings_of

STEP_COLUMNS = ("step", "effect", "retry", "undo", "probe")
WAIT_COLUMNS = ("wait", "kind", "line")
VERDICT_COLUMNS = ("property", "verdict", "evidence", "meaning")
STYLE = (
    ":root{color-scheme:light dark}"  # the drawings follow the reader's choice, so the page must
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
    deeds: tuple[str, ...]
    tables: tuple[Table, ...]
    assumptions: tuple[str, ...]
    problems: tuple[str, ...]


def write(folder: Path, found: Sequence[Verified]) -> list[Path]:
    """Write all pages and an index; returns the files. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = _apart([page(v) for v in found])
    files: dict[str, str] = {"index.md": _index_markdown(pages), "index.html": _index_html(pages)}
    for each in pages:
        files[f"{each.name}.md"] = markdown(each)
        files[f"{each.name}.html"] = html(each)
        files[f"{each.name}.svg"] = each.svg
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _apart(pages: Sequence[Page]) -> list[Page]:
    """The pages with a file name each: two modules may have a workflow of one name."""
    taken, out = {"index"}, list[Page]()
    for each in pages:
        name, number = each.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{each.name}-{number}"
        taken.add(name.lower())
        out.append(replace(each, name=name))
    return out


def page(verified: Verified) -> Page:
    """What is to be said about one workflow."""
    program, report = verified.program, verified.report
    net, workflow = program.net, program.workflow
    verdicts = tuple(
        (
            v.name.replace("_", " "),
            str(v.verdict) + (f": {v.witness.says}" if v.witness else ""),
            f"{v.evidence}: {v.method}" + (f", {v.states} states" if v.states is not None else ""),
            meaning(v.name),
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
        deeds=_deeds(program),
        tables=(
            Table("Steps", STEP_COLUMNS, _steps(program)),
            Table("Waits", WAIT_COLUMNS, _waits(net.sites)),
            Table("What is known", VERDICT_COLUMNS, verdicts),
        ),
        assumptions=tuple(dict.fromkeys(a for v in report.properties for a in v.assumptions)),
        problems=tuple(problems),
    )


def _steps(program: Program) -> tuple[tuple[str, ...], ...]:
    return tuple(_step(site, program.steps[site]) for site in program.steps)


def _step(site: str, step: Step[..., object]) -> tuple[str, ...]:
    undo, probe = step.undo_step, step.probe_step
    never = step.effect.intent and step.retry.attempts == 1
    retry = "never by itself" if never else told(step.retry)
    if step.timeout:
        retry += f"; given up after {step.timeout.total_seconds():g} s"
    names = (undo.name if undo else "none", probe.name if probe else "none")
    return (site, str(step.effect), retry, *names)


def _deeds(program: Program) -> tuple[str, ...]:
    """What each step does, in the first line of its docstring."""
    told = {s: (inspect.getdoc(step.fn) or "") for s, step in program.steps.items()}
    return tuple(f"{site}: {_first(text)}" for site, text in told.items() if text)


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
    parts = [f"# {cell(page.title)}", cell(page.about), page.text]
    parts += [f"![The net of {cell(page.title)}]({page.name}.svg)"]
    parts += _markdown_list("What the steps do:", page.deeds)
    for table in page.tables:
        if table.rows:
            parts += [f"## {table.title}", _markdown_table(table)]
    parts += _markdown_list("Assuming:", page.assumptions)
    if page.problems:
        fence = "\n\n".join(f"```text\n{text}\n```" for text in page.problems)
        parts += ["## To look at", fence]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_list(title: str, items: Sequence[str]) -> list[str]:
    return [title, "\n".join(f"- {cell(text)}" for text in items)] if items else []


def _markdown_table(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """Plain text as it is safe in a cell of a Markdown table."""
    return plain(text).replace("|", "\\|").replace("\n", " ")


def plain(text: str) -> str:
    """Text in which nothing is a mark of Markdown or HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\*_`\[])", r"\\\1", text)


def _index_markdown(pages: Sequence[Page]) -> str:
    lines = [f"- [{cell(p.title)}]({p.name}.md): {cell(_first(p.text))}" for p in pages]
    return "# Workflows\n\n" + "\n".join(lines) + "\n"


def _first(text: str) -> str:
    return text.partition("\n")[0]


# --- HTML ---------------------------------------------------------------------------------------


def html(page: Page) -> str:
    """The page for a browser, complete in one file."""
    parts = [f"<h1>{escape(page.title)}</h1>", f"<p>{escape(page.about)}</p>"]
    parts += [f"<p>{escape(block)}</p>" for block in page.text.split("\n\n") if block]
    parts += [page.svg, *_html_list("What the steps do:", page.deeds)]
    for table in page.tables:
        if table.rows:
            parts += [f"<h2>{escape(table.title)}</h2>", _html_table(table)]
    parts += _html_list("Assuming:", page.assumptions)
    if page.problems:
        parts += ["<h2>To look at</h2>", *(f"<pre>{escape(text)}</pre>" for text in page.problems)]
    return _document(page.title, [*parts, '<p><a href="index.html">All workflows</a></p>'])


def _html_list(title: str, items: Sequence[str]) -> list[str]:
    told = "".join(f"<li>{escape(text)}</li>" for text in items)
    return [f"<p>{title}</p>", f"<ul>{told}</ul>"] if items else []


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
