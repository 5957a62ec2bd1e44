"""The laws of the house, read off the source. Nothing is imported here: see test_package.py."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from subprocess import run

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("model", "engine", "specs", "versioning", "chaos", "console")
TOP_LEVEL = {
    ".ci", ".gitignore", ".names", "CHANGELOG.md", "LICENSE", "Makefile", "README.md",
    "__init__.py", "__main__.py", "bench", "docs", "examples", "mkdocs.yml", "py.typed",
    "pyproject.toml", "requirements-dev.lock", "requirements.lock", "tests", "typings", *ROOMS,
}  # fmt: skip

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100
LINES_PER_IGNORE = 1000
# The law; above the second figure the tests are asked what they are for.
TEST_RATIO_MIN, TEST_RATIO_REPORTED = 1.0, 1.9

# An import goes from a higher number to a lower one, or stays in its room. The face stands above
# what it hands on and below those who use perdure as its users do; engine and specs share a floor.
FLOORS = {
    "perdure.model": 1,
    "perdure.model.analysis": 2,
    "perdure.engine": 3,
    "perdure.specs": 3,
    "perdure.versioning": 4,
    "perdure": 5,
    "perdure.chaos": 6,
    "perdure.console": 7,
    "perdure.__main__": 8,
}
PURE = ("perdure.model", "perdure.engine.kernel", "perdure.specs.oracle")
IMPURE = {"os", "random", "sched", "secrets", "sqlalchemy", "sqlite3", "subprocess", "time"}
CLOCK_READS = re.compile(r"\b(?:datetime|date)\.(?:now|utcnow|today)\(|\buuid[14]\(")

Function = ast.FunctionDef | ast.AsyncFunctionDef
IGNORE = re.compile(
    r"#\s*(?:type:\s*ignore|pyright:(?!\s*strict)|(?:ruff:\s*)?noqa)"
    r"(?:\w|:\s*[A-Z]+\d+)*(\[[^]]*\])?"
)
CONTRAST = re.compile(r"\b(?:never|no|not|none|nothing|neither|nor|only|without|elsewhere)\b", re.I)


@dataclass(frozen=True)
class Source:
    """One Python file of the checkout."""

    path: Path

    @cached_property
    def name(self) -> str:
        """Path from the root, with slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, self.name)

    @property
    def shipped(self) -> bool:
        """Whether the file belongs to the package."""
        first, _, rest = self.name.partition("/")
        return first in ROOMS or not rest

    @cached_property
    def module(self) -> str:
        """The dotted name the file has in the package."""
        parts = ["perdure", *Path(self.name).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def code_lines(self) -> int:
        """Number of lines that are not blank."""
        return sum(1 for line in self.text.splitlines() if line.strip())


def listed() -> list[str]:
    """Names of the checkout's files: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({n for n in names if n and ((ROOT / n).is_symlink() or (ROOT / n).is_file())})


FILES = listed()
SOURCES = [Source(ROOT / n) for n in FILES if n.endswith(".py")]
PACKAGE = {s.module: s for s in SOURCES if s.shipped}


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function of a tree, nested ones too."""
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: Function) -> int:
    """Lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        doc = function.body[0]
        lines -= (doc.end_lineno or doc.lineno) - doc.lineno + 1
    return lines


def comments(source: Source) -> Iterator[tuple[int, str]]:
    """Each comment of a file with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def typing_only(tree: ast.AST) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`."""
    guards = (n for n in ast.walk(tree) if isinstance(n, ast.If))
    return {
        inner
        for guard in guards
        if ast.unparse(guard.test).endswith("TYPE_CHECKING")
        for statement in guard.body
        for inner in ast.walk(statement)
    }


def imported(source: Source, *, typing: bool = True) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports: at the top, lazily, for typing."""
    skipped = set[ast.AST]() if typing else typing_only(source.tree)
    package = source.module.split(".")
    if source.path.name != "__init__.py":
        package = package[:-1]
    for node in (n for n in ast.walk(source.tree) if n not in skipped):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"


def owner(name: str) -> str:
    """The module of the package that an imported name comes from, "" for other people's."""
    while name and name not in PACKAGE:
        name = name.rpartition(".")[0]
    return name


def floor_of(module: str) -> tuple[str, int]:
    """The room with a floor that a module stands in, by its longest name."""
    room = module
    while room not in FLOORS:
        room = room.rpartition(".")[0]
    # A module that lies in the root beside the face would ship, and has no floor.
    assert room != "perdure" or module == "perdure", f"{module} stands in no room"
    return room, FLOORS[room]


@cache
def graph() -> dict[str, dict[str, int]]:
    """Module of the package -> those it imports, with the line; every worker collects this file,
    and one of them makes it."""
    return {
        module: {owner(name): line for line, name in imported(source) if owner(name)}
        for module, source in PACKAGE.items()
    }


def a_circle(arrows: dict[str, dict[str, int]]) -> list[str]:
    """A circle of imports, or nothing: depth first, gray nodes are on the way."""
    black: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in black:
            return []
        for target in arrows[module]:
            if found := visit(target, [*way, module]):
                return found
        black.add(module)
        return []

    for module in arrows:
        if found := visit(module, []):
            return found
    return []


def test_the_root_holds_only_what_the_house_lists() -> None:
    """Anything else needs a record in docs/decisions first; a `*.py` in the root would ship."""
    assert {name.split("/")[0] for name in FILES} <= TOP_LEVEL


def test_no_file_is_longer_than_the_law() -> None:
    """A file a person can hold in the head: at most 500 lines."""
    assert not {s.name: n for s in SOURCES if (n := len(s.text.splitlines())) > FILE_LINES_MAX}


def test_no_function_is_longer_than_the_law() -> None:
    """At most 60 lines without its docstring, nested functions counted."""
    assert not {
        f"{s.name}:{f.lineno} {f.name}": length(f)
        for s in SOURCES
        for f in functions(s.tree)
        if length(f) > FUNCTION_LINES_MAX
    }


def test_no_line_is_wider_than_the_law() -> None:
    """At most 100 columns."""
    assert not [
        f"{s.name}:{number}"
        for s in SOURCES
        for number, line in enumerate(s.text.splitlines(), 1)
        if len(line) > COLUMNS_MAX
    ]


def test_every_module_says_what_lives_there_and_what_never_will() -> None:
    """Each module has a docstring; in the rooms it also draws the line to what is not there."""
    docs = {s: ast.get_docstring(s.tree) or "" for s in SOURCES}
    assert not [s.name for s, doc in docs.items() if not doc]
    assert not [s.name for s, doc in docs.items() if s.shipped and not CONTRAST.search(doc)]


def test_every_public_class_and_function_of_a_room_is_documented() -> None:
    """A name without an underscore at the top of a module has a docstring."""
    assert not [
        f"{s.name}:{node.lineno} {node.name}"
        for s in PACKAGE.values()
        for node in s.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and ast.get_docstring(node) is None
        if not any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list)
    ]


def test_imports_between_rooms_point_down_only() -> None:
    """No module imports from a higher floor; engine and specs do not know each other."""
    wrong: list[str] = []
    for module, targets in graph().items():
        here, height = floor_of(module)
        for target, line in targets.items():
            there, depth = floor_of(target)
            if there != here and depth >= height:
                wrong.append(f"{PACKAGE[module].name}:{line} imports {target}")
    assert not wrong


def test_no_circle_of_imports_load_time_lazy_or_typing() -> None:
    """The import graph of the package is acyclic, whenever and why ever the import happens."""
    assert a_circle(graph()) == []


def test_a_circle_of_imports_is_found() -> None:
    """The search finds a circle of three, so it can be believed when it finds none."""
    assert a_circle({"a": {"b": 1}, "b": {"c": 1, "d": 2}, "c": {"a": 9}, "d": {}}) == list("abca")


def test_pure_rooms_reach_no_clock_no_dice_no_system_no_database() -> None:
    """What the model, the kernel and the oracle import, even through others, is pure too."""
    inside = tuple(f"{p}." for p in PURE)
    reached = {m: m for m in PACKAGE if m in PURE or m.startswith(inside)}
    todo = list(reached)
    while todo:
        module = todo.pop()
        for _, name in imported(PACKAGE[module], typing=False):
            if (target := owner(name)) and target not in reached:
                reached[target] = f"{reached[module]} > {target}"
                todo.append(target)
    assert not [
        f"{way}:{line} {name}"
        for module, way in reached.items()
        for line, name in imported(PACKAGE[module], typing=False)
        if not owner(name) and name.split(".")[0] in IMPURE
    ]
    assert not [
        f"{PACKAGE[module].name}: {found.group()}"
        for module in reached
        if (found := CLOCK_READS.search(PACKAGE[module].text))
    ]


def test_ignores_are_rare_and_each_says_why() -> None:
    """At most one lint or type ignore per 1,000 lines, with its reason on the same line."""
    found = [
        (f"{s.name}:{line}", IGNORE.sub("", text, count=1))
        for s in SOURCES
        for line, text in comments(s)
        if IGNORE.match(text)
    ]
    assert not [place for place, reason in found if len(re.findall(r"[a-z]+", reason)) < 2]
    lines = sum(len(s.text.splitlines()) for s in SOURCES)
    assert len(found) <= -(-lines // LINES_PER_IGNORE), found


def test_no_bare_except_no_pickle_no_eval() -> None:
    """What nobody named is not swallowed; stored bytes never become code.

    `exec` and `eval` have two places: the compiler, which turns the user's own source into glue,
    and the protocol, whose actions are written out as functions. Neither reads what is stored.
    """
    may = ("model/compiler/", "specs/protocol/straight.py")
    wrong: list[str] = []
    for source in SOURCES:
        modules = {name.split(".")[0] for _, name in imported(source)}
        wrong += [f"{source.name}: {m}" for m in modules & {"pickle", "marshal", "shelve", "dill"}]
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{source.name}:{node.lineno} bare except")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                runs_text = source.shipped and not source.name.startswith(may)
                if node.func.id in {"eval", "exec"} and runs_text:
                    wrong.append(f"{source.name}:{node.lineno} {node.func.id}")
    assert not wrong


def test_the_list_of_packages_is_the_list_of_folders_with_code() -> None:
    """A room missing from the list works in the checkout and is absent from the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {
        ".".join(["perdure", *s.path.relative_to(ROOT).parent.parts]) for s in PACKAGE.values()
    }
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(folders)
    assert not [f for f in folders if f not in PACKAGE], "a folder without __init__.py"


def test_tests_weigh_at_least_as_much_as_the_source() -> None:
    """Lines of tests to lines of source, blank ones not counted; far above, it is reported."""
    source = sum(s.code_lines for s in PACKAGE.values())
    tests = sum(s.code_lines for s in SOURCES if s.name.startswith("tests/"))
    if tests / source > TEST_RATIO_REPORTED:
        warnings.warn(f"{tests} lines of tests for {source} of source", stacklevel=1)
    assert tests / source >= TEST_RATIO_MIN


def test_every_dependency_is_pinned_with_hashes_and_no_address() -> None:
    """Both lock files hold hashed versions only; the small one is part of the large one."""
    small, large = (_pins(ROOT / n) for n in ("requirements.lock", "requirements-dev.lock"))
    assert all(hashes for pins in (small, large) for hashes in pins.values())
    assert small.items() <= large.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for wanted in project["dependencies"]:
        name = re.split(r"[^\w.-]", wanted)[0]
        assert any(pin.startswith(f"{name}==") for pin in small), name


def _pins(path: Path) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = defaultdict(list)
    pin = ""
    for line in path.read_text(encoding="utf-8").replace("\\\n", "\n").splitlines():
        if digest := re.fullmatch(r"\s+--hash=(sha256:[0-9a-f]{64})\s*", line):
            pins[pin].append(digest[1])
        elif line.strip():
            pin = line.strip()
            assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w.<>=' ()]+)?", pin), line
            pins[pin] = []
    return pins


def test_no_file_names_this_machine_or_a_package_index() -> None:
    """The repository means the same on every machine: no path of this one, no index address."""
    common = run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    homes = {ROOT, ROOT.parent, Path(common).parent, Path(common).parent.parent, Path.home()}
    # Words every manual uses are nobody's address.
    usual = {"", *("/" + n for n in ("tmp", "home", "root", "opt", "usr", "var", "srv", "mnt"))}
    words = [re.escape(f"{home}/") for home in homes if str(home).rstrip("/") not in usual]
    words += [r"--(?:extra-)?index" + r"-url", r"https?://\S+\.(?:whl|tar\.gz|tgz)"]
    pattern = re.compile("|".join(words))
    for name in FILES:
        if not (ROOT / name).is_symlink() and name != "tests/test_house.py":
            found = pattern.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{name}: {found}"


@pytest.mark.parametrize("command", ["install", "lint", "types", "contracts", "test"])
def test_ci_runs_every_check_the_makefile_has(command: str) -> None:
    """CI and a person run the same commands, and the suite is last so that its summary is."""
    steps = re.findall(
        r"step make --no-print-directory (\w+)", (ROOT / ".ci/run").read_text(encoding="utf-8")
    )
    assert command in steps
    assert steps[-1] == "test"
    assert re.search(rf"^{command}:.* ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
