"""One file is one set of workflows, whether it runs as a program or is served by a worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("same_file.py")
SECONDS_MAX = 60


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the program in a folder of its own."""
    return Path(shutil.copy(FILE, tmp_path / "hello.py"))


def _run(shop: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PERDURE_DB": f"sqlite:///{shop.parent / 'store.db'}"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=shop.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )


def _worker(shop: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PERDURE_DB": f"sqlite:///{shop.parent / 'store.db'}"}
    command = [sys.executable, "-m", "perdure", "worker", str(shop)]
    return subprocess.Popen(command, cwd=shop.parent, env=env, text=True)


def test_a_worker_finishes_what_the_killed_program_began(shop: Path) -> None:
    """`python hello.py` dies in the middle; `perdure worker hello.py` has the same net."""
    assert _run(shop, "hello.py").returncode == -signal.SIGKILL
    worker = _worker(shop)
    try:
        done = _run(shop, "-m", "perdure", "wait", "a", "--timeout", "30")
        assert "Ada True Ada" in done.stdout, done.stdout + done.stderr
    finally:
        worker.terminate()
        worker.wait(SECONDS_MAX)
    audit = _run(shop, "-m", "perdure", "audit", "--format", "json")
    assert '"holds"' in audit.stdout


def test_the_program_finishes_what_a_killed_worker_began(shop: Path) -> None:
    """The other way round: what the worker stored is read by the classes of `__main__`."""
    start = ["start", f"{shop}:hello", "--input", '{"name": "Ada"}', "--id", "a"]
    assert _run(shop, "-m", "perdure", *start).returncode == 0
    assert _worker(shop).wait(SECONDS_MAX) == -signal.SIGKILL
    done = _run(shop, "hello.py")
    assert done.stdout == "Ada True Ada\n", done.stderr


@pytest.mark.parametrize("package", [False, True], ids=["alone", "in a package"])
def test_a_digest_does_not_tell_how_the_file_was_loaded(shop: Path, package: bool) -> None:
    """Run as a script, by `-m`, and imported: one digest, one name of every class."""
    if package:
        folder = shop.parent / "goods"
        folder.mkdir()
        (folder / "__init__.py").touch()
        shutil.move(shop, folder / "hello.py")
    name = "goods.hello" if package else "hello"
    path = f"{name.replace('.', '/')}.py"
    ending = (
        "\nif True:\n    from perdure.model.compiler import compile_workflow\n"
        "    net = compile_workflow(hello).net\n    print(net.digest, *net.types.values())\n"
        "    raise SystemExit\n"
    )
    text = FILE.read_text().replace('\nif __name__ == "__main__":\n', ending)
    (shop.parent / path).write_text(text)
    runs = [_run(shop, path), _run(shop, "-m", name), _run(shop, "-c", f"import {name}")]
    told = {done.stdout for done in runs}
    assert len(told) == 1 and f"{name}.Order" in told.pop(), [r.stderr for r in runs]
