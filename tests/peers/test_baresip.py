"""Two baresips call each other through us, with Record-Route, over UDP and over TCP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.conftest import program
from tests.peers.two_baresips import HERE

ROOT = Path(__file__).parent.parent.parent
# The shell sets up the namespace, which goes when its last process does.
SET_UP = f'ip link set lo up && ip address add {HERE}/32 dev lo && exec "$@"'

pytestmark = pytest.mark.peer


def in_namespace() -> list[str]:
    """A network of its own. Skips where that needs more rights than we have; in CI that is a failure."""
    command = [program("unshare"), "--net", "--", "sh", "-c"]
    program("ip")
    tried = subprocess.run([*command, "exit 0"], capture_output=True, text=True, check=False)
    if tried.returncode and not os.environ.get("MSILOD_CI"):
        pytest.skip(f"no network namespace: {tried.stderr.strip()}")
    assert tried.returncode == 0, tried.stderr
    return [*command, SET_UP, "sh"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_p5_two_baresips_call_each_other(tmp_path: Path, transport: str) -> None:
    program("baresip")
    call = [sys.executable, "-m", "tests.peers.two_baresips", str(tmp_path), transport]
    done = subprocess.run(
        [*in_namespace(), *call], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
    assert done.returncode == 0, done.stdout + done.stderr + log
    status = json.loads(done.stdout)
    assert status["counters"]["relayed_requests"] == 2, "the INVITE, and by our Record-Route the BYE"
