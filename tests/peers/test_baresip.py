"""baresip: two call each other through us, with Record-Route; one texts and is texted, with passwords."""

import json
from pathlib import Path

import pytest

from tests.peers import chromium
from tests.peers.baresip import run_inside
from tests.peers.conftest import program

pytestmark = pytest.mark.peer


def run(module: str, folder: Path, transport: str) -> str:
    program("baresip")
    return run_inside(module, folder, transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_p5_two_baresips_call_each_other(tmp_path: Path, transport: str) -> None:
    status = json.loads(run("two_baresips", tmp_path, transport))
    assert status["counters"]["relayed_requests"] == 2, "the INVITE, and by our Record-Route the BYE"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_baresip_with_a_password_texts_and_is_texted(tmp_path: Path, transport: str) -> None:
    run("texting_baresip", tmp_path, transport)


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_a_baresip_and_a_browser_text_each_other(tmp_path: Path, transport: str) -> None:
    chromium.find()
    run("baresip_and_browser", tmp_path, transport)
