"""Where the published vectors are: `MSILOD_SHARED`, or a folder `shared` beside the checkout.

No example has a deadline: a busy machine is no fault of the parser's.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The folder with rfc4475/, rfc5118/ and uri_equiv.toml; skips where it is not."""
    named = os.environ.get("MSILOD_SHARED")
    shared = Path(named) if named else Path(__file__).parents[3] / "shared"
    folder = shared / "vectors"
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set MSILOD_SHARED")
    return folder
