"""HUP: the configuration is read again; a bad one changes nothing."""

import signal
from collections.abc import Callable

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone


def _control(daemon: Daemon, method: str) -> str:
    from msilod.control.protocol import ControlClient

    with ControlClient(daemon.folder / "control.sock") as client:
        return str(client.call(method))


def test_a_reload_takes_over_limits_and_domains(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "x" * 50).status == 202
        daemon.config.write_text("[silo]\nmax_body = 10\n")
        assert "'wants_restart': []" in _control(daemon, "reload")
        assert alice.text("bob", "x" * 50).status == 413
        daemon.config.write_text("[silo]\nmax_body = 0\n")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        assert alice.text("bob", "x" * 50).status == 413, "the old configuration stays"
        assert alice.text("bob", "short").status == 202
    assert daemon.stop() == 0
    assert "max_body" in (daemon.folder / "log").read_text()


def test_a_reload_takes_over_what_is_kept_and_who_is_told(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    with Phone("alice", daemon.address) as alice:
        alice.register()
        assert alice.text("bob").status == 202
        assert alice.is_silent()
        daemon.config.write_text(
            '[silo]\nregistrar = "sip:registrar@example.test"\nnotice = "away"\nrefuse_types = ["text/html"]\n'
        )
        assert "'wants_restart': []" in _control(daemon, "reload")
        alice.send(alice.message("bob", "<p/>", content_type="text/html"))
        assert alice.response().status == 415
        alice.send(alice.message("bob"))
        assert alice.response().status == 202
        assert alice.take().body == b"away"


def test_a_dump_with_a_filter_delivers_only_what_it_names(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        for text in ("short", "a longer one", "tiny"):
            assert alice.text("bob", text).status == 202
        done = daemon.msilo("dump", "bob@example.test", "--to", bob.contact, "--larger-than", "6")
        assert done.returncode == 0, done.stderr
        assert bob.take().body == b"a longer one"
        assert bob.is_silent()
    assert [row["body"] for row in daemon.rows()] == ["short", "tiny"]
