"""A certificate that has expired or is not valid yet: a start warns and serves, a reload keeps a valid one."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from msilod.control.protocol import ControlClient, ControlError
from tests.scenarios.conftest import Daemon
from tests.transport.authority import Authority

CONFIG = '[tls]\ncertificate = "server.pem"\nprivate_key = "server.key"\n'
TLS = ("tls:127.0.0.1",)
DAYS = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
OVER = (NOW - 2 * DAYS, NOW - DAYS)
EARLY = (NOW + DAYS, NOW + 2 * DAYS)
Times = tuple[datetime, datetime]
WORDS = {"over": "has expired on", "early": "is not valid before"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shown(daemon: Daemon) -> bytes:
    """The certificate that the daemon shows, as DER."""
    address = ("127.0.0.1", daemon.ports["tls:127.0.0.1"])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address, 10) as tcp, context.wrap_socket(tcp) as secure:
        found = secure.getpeercert(binary_form=True)
    assert found
    return found


def reload(daemon: Daemon) -> None:
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("reload")


@pytest.mark.parametrize(("kind", "times"), [("over", OVER), ("early", EARLY)])
def test_a_start_warns_and_a_check_too(
    authority: Authority, tmp_path: Path, start_daemon: Callable[..., Daemon], kind: str,
    times: Times,
) -> None:  # fmt: skip
    authority.issue("example.test", begins=times[0], ends=times[1])
    daemon = start_daemon(CONFIG, TLS)
    assert shown(daemon)
    lines = [line for line in (daemon.folder / "log").read_text().splitlines() if WORDS[kind] in line]
    assert len(lines) == 1
    assert "tls.certificate" in lines[0]
    done = daemon.msilod("check")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert WORDS[kind] in done.stderr
    # No better certificate is in force, so the reload takes over the rest of the configuration.
    reload(daemon)
    authority.issue("example.test")
    before = shown(daemon)
    reload(daemon)
    assert shown(daemon) != before


@pytest.mark.parametrize(("kind", "times"), [("over", OVER), ("early", EARLY)])
def test_a_reload_keeps_the_valid_one(
    authority: Authority, start_daemon: Callable[..., Daemon], kind: str, times: Times
) -> None:
    authority.issue("example.test")
    daemon = start_daemon(CONFIG, TLS)
    before = shown(daemon)
    authority.issue("example.test", begins=times[0], ends=times[1])
    with pytest.raises(ControlError, match=WORDS[kind]):
        reload(daemon)
    assert shown(daemon) == before
    lines = [line for line in (daemon.folder / "log").read_text().splitlines() if WORDS[kind] in line]
    assert len(lines) == 1
    assert "old configuration stays" in lines[0]


def test_a_reload_with_another_key_keeps_the_old_pair(
    authority: Authority, start_daemon: Callable[..., Daemon]
) -> None:
    """A renewal writes two files, and a HUP may come in between."""
    authority.issue("example.test")
    daemon = start_daemon(CONFIG, TLS)
    before = shown(daemon)
    certificate, _ = authority.issue("example.test", as_file="next")
    certificate.replace(daemon.folder / "server.pem")
    with pytest.raises(ControlError, match="does not belong"):
        reload(daemon)
    assert shown(daemon) == before
