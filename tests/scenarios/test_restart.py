"""A restart: rows in back-off are tried when due, without another REGISTER, and not before."""

import time
from collections.abc import Callable

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone


def test_a_back_off_outlives_a_restart(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nretry = [4, 600]\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "later").status == 202
        bob.register()
        bob.take(486)
        failed = time.monotonic()
        while not daemon.rows("--error"):
            pass
        daemon.kill()
        daemon.start()
        assert bob.take().body == b"later"
        assert time.monotonic() - failed > 3.5, "not as soon as the daemon is back"
    assert daemon.rows() == []
