"""Twinkle with a password and the default configuration: registered, texts and is texted, leaves."""

from pathlib import Path

import pytest

from tests.peers.baresip import run_inside
from tests.peers.conftest import program

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_twinkle_with_a_password_texts_and_is_texted(tmp_path: Path, transport: str) -> None:
    program("twinkle-console")
    run_inside("texting_twinkle", tmp_path, transport)
