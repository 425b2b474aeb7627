"""What the peer tests share: the daemon of the scenarios, and finding a program or skipping with a reason."""

import os
import shutil

import pytest

from tests.scenarios.conftest import daemon, phone, start_daemon

__all__ = ["daemon", "phone", "program", "start_daemon"]


def program(name: str) -> str:
    """Where `name` is. Skips where it is not installed; in CI that is a failure."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("MSILOD_CI"):
            pytest.fail(f"{name} is not installed, and CI installs it")
        pytest.skip(f"{name} is not installed")
    return path
