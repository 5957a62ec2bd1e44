"""What all tests share: Hypothesis profiles, paths, what a test may lack. No test lives here."""

from __future__ import annotations

import compileall
import fcntl
import gc
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# A subprocess (`python -m perdure`) sees the same checkout, whoever started the suite and where.
_names = str(ROOT / ".names")
_path = os.environ.get("PYTHONPATH", "")
if _names not in _path.split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (_names, _path) if part)

# Two cores and crash tests beside: a deadline would judge the machine, not the code.
_patient = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True, database=None
)
# `make test` gives the same answer twice; the search for new examples is the nightly run's.
settings.register_profile("dev", _patient, derandomize=True, max_examples=50)
settings.register_profile("ci", _patient, derandomize=True, max_examples=100)
settings.register_profile("nightly", _patient, max_examples=1000)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev")
settings.load_profile(PROFILE)


def compile_package() -> None:
    """Compile the package once, where Python is told to keep nothing that it compiles.

    Each of the suite's thousand processes would compile all of it anew. Only files of the checkout
    are kept compiled: what a test writes may change twice within the second of a time stamp.
    """
    for path in ROOT.iterdir():
        if (path / "__init__.py").is_file():
            compileall.compile_dir(path, quiet=2)
        elif path.suffix == ".py":
            compileall.compile_file(path, quiet=2)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the nightly seed here, so that all workers take the same one and it is printed."""
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        compile_package()
    if PROFILE == "nightly" and config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = random.SystemRandom().randrange(2**32)


# Tests that share what is made once in a process go to one worker (`make test` distributes so):
# compiled programs, enumerated histories, the run of a demo.
GROUPS = {
    "chaos/test_telling.py": "telling",
    "chaos/test_trial.py": "trial",
    "console/test_demo.py": "demo",
    "console/test_words.py": "words",
    "crash/test_compensations.py": "compensations",
    "crash/test_enumeration.py": "enumerated",
    "crash/test_races.py": "races",
    "engine/test_audit_everywhere.py": "audit",
    "engine/test_resting.py": "resting",
    "model/test_compiler_robust.py": "robust",
    "specs/test_binding.py": "enumerated",
    "test_house.py": "house",
    "model/analysis/test_effects_oracle.py": "programs",
    "model/analysis/test_theorem.py": "programs",
    "model/analysis/test_verdicts.py": "programs",
    "model/formats/test_formats_random.py": "programs",
    "model/test_changes.py": "programs",
    "model/test_differential.py": "programs",
    "model/test_digest.py": "programs",
    "model/test_firing.py": "programs",
    "model/test_net.py": "programs",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests go together, before the workers of pytest-xdist look."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    # What takes as long as hundreds of others must not be begun last, when one worker has no more.
    items.sort(key=lambda item: item.path.name != "test_tutorial.py")
    tests = ROOT / "tests"
    for item in items:
        group = GROUPS.get(item.path.relative_to(tests).as_posix())
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: no need to look through it ever again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # a worker makes thousands of nets, and is gone in minutes


def pytest_report_header(config: pytest.Config) -> str:
    """Say which examples are tried and how to try the same again."""
    seed: object = config.getoption("hypothesis_seed")
    again = "" if seed is None else f", --hypothesis-seed={seed}"
    return f"perdure: Hypothesis profile {PROFILE}{again}"


def require(present: object, what: str) -> None:
    """Skip the running test for want of `what`; in CI, where nothing may be missing, fail it."""
    if present:
        return
    if IN_CI:
        pytest.fail(f"{what} is missing, and in CI nothing may be", pytrace=False)
    pytest.skip(f"{what} is missing")


# Libraries that no lock file pins yet: the tests about them skip, in CI too.
UNPINNED = ("attrs", "mypy", "pydantic")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed, however it was skipped: what was not tried was not shown."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(f"could not import '{name}'" in why for name in UNPINNED):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {why}"
    return report


def _shared() -> Path:
    return Path(os.environ.get("PERDURE_SHARED", ROOT.parent / "shared"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold tests marked `needs_shared` against what the machine has."""
    if item.get_closest_marker("needs_shared") is not None:
        require(_shared().is_dir(), f"the folder {_shared()}")


@pytest.fixture
def need() -> Callable[[object, str], None]:
    """`need(present, what)`: skip locally, fail in CI, for a database, a browser, a program."""
    return require


@pytest.fixture
def shared() -> Path:
    """The folder with the corpora and peers beside the checkout, or $PERDURE_SHARED."""
    require(_shared().is_dir(), f"the folder {_shared()}")
    return _shared()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout under test."""
    return ROOT


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], object]], Path]:
    """`once(name, make)`: the folder that the first worker who asks fills and all others find."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.made").open("a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if not made.read():  # nobody has, or not to its end
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.write("whole")
        return folder

    return get


@pytest.fixture(scope="session")
def wheel(root: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The wheel, built through the source distribution from a copy of the checkout's files."""
    (built,) = once("wheel", lambda folder: build_wheel(root, folder)).glob("tree/dist/*.whl")
    return built


def build_wheel(root: Path, folder: Path) -> None:
    """Build it in a folder, as `tree/dist/*.whl`."""
    copy = folder / "tree"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    build = [sys.executable, "-m", "build", "--no-isolation", str(copy)]
    done = subprocess.run(build, cwd=copy.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
