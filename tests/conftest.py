"""What holds for all tests: which msilod is tested, where temporary folders are, and what a signal does at first."""

import os
import signal
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import msilod

ROOT = Path(msilod.__file__).parent
# A commit to a disk costs 4 ms, in memory 0.01 ms. All tests commit a few hundred thousand times. At most 200 MB lie in
# temporary folders at a time.
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 1 << 30
# Workers of pytest-xdist take whole files. These take longest, or wait for other programs. One that began last would be
# waited for at the end.
FIRST = (
    "tests/network/test_model.py", "tests/network/test_seeds.py", "tests/network/test_adversary.py",
    "tests/network/test_probes.py", "tests/peers/", "tests/faults/", "tests/scenarios/", "tests/cli/",
)  # fmt: skip


def has_room(folder: Path) -> bool:
    """True where temporary folders may lie in `folder`."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= MEMORY_NEEDED


def pytest_configure(config: pytest.Config) -> None:
    """Fail before the first test, not in a strange way in the middle. Raises UsageError.

    A shell ignores SIGINT for its background jobs, and nohup(1) ignores SIGHUP. Programs inherit that. Tests of signals
    want what a terminal gives.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if has_room(MEMORY):
        # Read by pytest when the first test asks for `tmp_path`.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    if hasattr(config.option, "loadscopereorder"):
        # By number of tests, which says nothing about their time.
        config.option.loadscopereorder = False
    for compiled in ROOT.rglob(f"*{EXTENSION_SUFFIXES[0]}"):
        source = compiled.with_name(compiled.name.removesuffix(EXTENSION_SUFFIXES[0]) + ".py")
        if not source.exists() or source.stat().st_mtime > compiled.stat().st_mtime:
            raise pytest.UsageError(
                f"{compiled} is older than its source: build it again, or remove all: rm *.so msilod/*/*.so"
            )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Workers for `-n auto`: two for each processor, since a third of the time is spent waiting for timers."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * len(os.sched_getaffinity(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first. Compiled code calls its own directly: nothing can be put in the place of its methods."""
    items.sort(key=_place)
    if msilod.is_compiled():
        for item in items:
            if item.get_closest_marker("interpreted"):
                item.add_marker(pytest.mark.skip(reason="msilod is compiled"))


def _place(item: pytest.Item) -> int:
    return next((place for place, begin in enumerate(FIRST) if item.nodeid.startswith(begin)), len(FIRST))


def pytest_report_header() -> str:
    """One line at the head of the report."""
    return f"msilod {msilod.__version__}, {'compiled' if msilod.is_compiled() else 'interpreted'}"
