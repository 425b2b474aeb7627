"""The folder of the published vectors: `MSILOD_SHARED`, or a folder `shared` beside the checkout.

Examples have no deadline: a busy machine is no error of the parser.

"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The folder with rfc4475/, rfc5118/ and uri_equiv.toml. Skips without the folder."""
    named = os.environ.get("MSILOD_SHARED")
    shared = Path(named) if named else Path(__file__).parents[3] / "shared"
    folder = shared / "vectors"
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set MSILOD_SHARED")
    return folder
