"""The site as it is built: strict, complete, and it asks no other host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import perdure
import pytest
from perdure.console.codes import CODES
from perdure.console.manual import programs
from perdure.model.compiler import compile_workflow
from perdure.model.formats.svg import to_svg
from perdure.model.formats.tree import program_box

FETCHING = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data", "image": "href", "use": "href",
}  # fmt: skip
FETCHING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch",
                  "modulepreload", "manifest", "apple-touch-icon"}  # fmt: skip
IN_STYLES = re.compile(r"""(?:@import\s+(?:url\()?|url\()\s*["']?([^"')\s;]+)""")


@pytest.fixture(scope="session")
def site(root: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The site, built as `make docs` builds it."""
    return once("site", lambda folder: build(root, folder))


def build(root: Path, folder: Path) -> None:
    """Build the site into a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Fetched(HTMLParser):
    """What a browser would fetch for a page, and the anchors and links of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.ids.add(given.get("id", ""))
        if tag in FETCHING and FETCHING[tag] in given:
            self.urls.append(given[FETCHING[tag]])
        self.urls += [part.split()[0] for part in given.get("srcset", "").split(",") if part]
        if tag == "link" and FETCHING_LINKS & set(given.get("rel", "").split()):
            self.urls.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.urls += IN_STYLES.findall(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._style:
            self.urls += IN_STYLES.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._style = False


def fetched(site: Path) -> Iterator[tuple[Path, str]]:
    """Every address that a page, a style sheet or a drawing of the site makes a browser fetch."""
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".svg"):
            for url in Fetched(file.read_text(encoding="utf-8")).urls:
                yield file, url
        if file.suffix == ".css":
            for url in IN_STYLES.findall(file.read_text(encoding="utf-8")):
                yield file, url


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    """Styles, scripts, images and fonts lie in the site; it can be read without a network."""
    seen = list(fetched(site))
    assert len(seen) > 20, "the reader of pages sees nothing"
    strange = [
        (file.name, url)
        for file, url in seen
        if urlsplit(url).netloc or urlsplit(url).scheme not in ("", "data")
    ]
    assert not strange


def test_the_reader_of_pages_would_see_a_request() -> None:
    """Each way to fetch from elsewhere that the test above is about."""
    host = "https://fonts.example/x"
    for text in (
        f"<link rel=stylesheet href={host}>", f"<link rel=preconnect href={host}>",
        f"<script src={host}></script>", f"<img src={host}>", f"<img srcset='{host} 2x'>",
        f"<style>@import url({host});</style>", f"<style>@import '{host}';</style>",
        f"<p style='background:url(\"{host}\")'>", f"<svg><image href={host}></svg>",
    ):  # fmt: skip
        assert Fetched(text).urls == [host], text
    assert Fetched(f"<a href={host}>a link that is clicked</a>").urls == []


def test_what_a_page_fetches_and_links_to_is_there(site: Path) -> None:
    """Files and anchors: opened from the disk, no link of ours leads nowhere."""
    pages = {f: Fetched(f.read_text(encoding="utf-8")) for f in site.rglob("*.html")}
    for file, read in pages.items():
        if file.name == "404.html":
            continue  # served from anywhere, so its addresses begin at the root
        for url in [*read.urls, *read.links]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.name}: {url}"
            if parts.fragment and target in pages:
                assert parts.fragment in pages[target].ids, f"{file.name}: {url}"


def test_every_workflow_on_a_page_is_drawn_there_from_its_program(site: Path, root: Path) -> None:
    """A drawing per workflow, linked on its page, made anew at each build."""
    drawn: set[str] = set()
    for page in sorted((root / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        wanted = set(re.findall(r"\(drawings/(\w+)\.svg\)", text))
        there = {n for p in programs(text) for n in re.findall(r"@workflow\nasync def (\w+)", p)}
        assert wanted <= there, page
        drawn |= wanted
    assert len(drawn) >= 3
    for name in drawn:
        assert f"<title>workflow {name}</title>" in (site / f"drawings/{name}.svg").read_text()
    assert not list((root / "docs").glob("drawings/*")), "drawings are generated, not kept"


def test_the_drawing_in_the_readme_is_that_of_the_demo_of_today(site: Path, root: Path) -> None:
    """The one drawing that is kept, because a README is read unbuilt."""
    flow = import_module("perdure.console.demo.order").fulfil_order
    kept = (root / "docs" / "fulfil_order.svg").read_text(encoding="utf-8")
    again = "perdure compile console/demo/order.py --to svg -o docs/fulfil_order.svg"
    assert kept == to_svg(program_box(compile_workflow(flow))), again
    assert kept == (site / "fulfil_order.svg").read_text(encoding="utf-8")


def test_the_page_of_codes_and_the_reference_are_complete(site: Path) -> None:
    """Every code and every public name has its anchor."""
    codes = Fetched((site / "codes.html").read_text(encoding="utf-8")).ids
    assert {name.lower() for name in CODES} <= codes
    names = Fetched((site / "reference.html").read_text(encoding="utf-8")).ids
    missing = [name for name in perdure.__all__ if not any(i.endswith(f".{name}") for i in names)]
    assert not missing
