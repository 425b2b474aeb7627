"""Security 18: the authentication name `alice@example.test`, the part behind @ being the realm or a domain of ours."""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from msilod.control.protocol import ControlClient
from tests.scenarios.account import Account
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]


def with_users(start_daemon: Callable[..., Daemon], config: str = "") -> Daemon:
    """Add users as `msilo user add` does."""
    daemon = start_daemon(config)
    for user in ("alice", "bob"):
        done = daemon.msilo("user", "add", f"{user}@example.test", stdin="secret\n")
        assert done.returncode == 0, done.stderr
    return daemon


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_name_with_the_domain_whatever_is_hashed(
    start_daemon: Callable[..., Daemon], algorithm: str
) -> None:
    daemon = with_users(start_daemon, '[auth]\nalgorithms = ["SHA-256", "MD5"]\n')
    full = "alice@example.test"
    with ExitStack() as phones:
        # The phones stay open, so all ports differ. A wrong SHA-256 response makes the daemon offer MD5
        # alone to the source, and a source on the daemon's own host is an address with a port.
        check_names(full, algorithm, lambda: phones.enter_context(Phone("alice", daemon.address)))


def check_names(full: str, algorithm: str, phone: Callable[[], Phone]) -> None:
    for name, hashed, status in (
        (full, full, 200), (full, "alice", 200), ("alice", "alice", 200), (full.upper(), "alice", 401),
        ("alice@EXAMPLE.test", "alice", 200), ("alice@127.0.0.1", "alice", 200), ("alice@far.test", "alice", 401),
        ("alice@far.test", full, 401), ("bob@example.test", "bob@example.test", 403), ("bob@example.test", full, 401),
        ("@example.test", full, 401), ("alice@", "alice", 401),
    ):  # fmt: skip
        account = Account(phone(), "secret", algorithm, name, hashed)
        assert account.register().status == status, (name, hashed)
        wrong = Account(phone(), "wrong", algorithm, name, hashed)
        assert wrong.register().status == 401, (name, hashed)


def test_a_realm_of_its_own(start_daemon: Callable[..., Daemon]) -> None:
    daemon = with_users(start_daemon, '[auth]\nrealm = "office"\n')
    for name, status in (("alice@office", 200), ("alice@example.test", 200), ("alice@elsewhere", 401)):
        with Phone("alice", daemon.address) as phone:
            assert Account(phone, "secret", name=name).register().status == status, name
            assert Account(phone, "secret", name=name).text("bob").status == (202 if status == 200 else 407)


def test_users_from_before_need_a_new_password_and_the_log_says_so(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = with_users(start_daemon)
    with sqlite3.connect(daemon.silo) as db:
        db.execute("UPDATE silo_user SET ha1_at_domain = ''")
        db.execute("INSERT INTO silo_user_change (aor, at) VALUES ('alice@example.test', 0)")
    db.close()
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("wake", {"users": True})
    with Phone("alice", daemon.address) as phone:
        account = Account(phone, "secret", name="alice@example.test")
        assert account.register().status == 401
        assert Account(phone, "secret").register().status == 200
        log = (daemon.folder / "log").read_text()
        assert (
            "the name with its domain, of which no hash is kept for this user; set the password again" in log
        )
        done = daemon.msilo("user", "passwd", "alice@example.test", stdin="better\n")
        assert done.returncode == 0, done.stderr
        assert Account(phone, "better", name="alice@example.test").register().status == 200
