"""Says which msilod is tested, compiled or not, and refuses compiled rooms that are older than their source."""

import signal
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import msilod

ROOT = Path(msilod.__file__).parent


def pytest_configure() -> None:
    """Fail before the first test, not in a strange way in the middle. Raises UsageError.

    A shell ignores SIGINT for its background jobs, and nohup(1) ignores SIGHUP. Programs inherit that. Tests of signals
    want what a terminal gives.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for compiled in ROOT.rglob(f"*{EXTENSION_SUFFIXES[0]}"):
        source = compiled.with_name(compiled.name.removesuffix(EXTENSION_SUFFIXES[0]) + ".py")
        if not source.exists() or source.stat().st_mtime > compiled.stat().st_mtime:
            raise pytest.UsageError(
                f"{compiled} is older than its source: build it again, or remove all: rm *.so msilod/*/*.so"
            )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compiled code calls its own directly: nothing can be put in their place."""
    if msilod.is_compiled():
        for item in items:
            if item.get_closest_marker("interpreted"):
                item.add_marker(pytest.mark.skip(reason="msilod is compiled"))


def pytest_report_header() -> str:
    """One line at the head of the report."""
    return f"msilod {msilod.__version__}, {'compiled' if msilod.is_compiled() else 'interpreted'}"
