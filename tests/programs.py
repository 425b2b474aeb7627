"""Programs beside Python that a test needs: found, or a reason to skip."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Where the program `name` is. Skips where `name` is not installed; in CI that is a failure."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("MSILOD_CI"):
            pytest.fail(f"{name} is not installed, and CI installs it")
        pytest.skip(f"{name} is not installed")
    return path
