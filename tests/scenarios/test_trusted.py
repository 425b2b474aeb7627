"""`trusted` networks on a real daemon: P-Asserted-Identity from these networks counts, and these networks may relay."""

from collections.abc import Callable

import pytest

from msilod.control.protocol import ControlClient
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

ASSERTED = "P-Asserted-Identity: <sip:office@example.test>\r\n"


@pytest.mark.parametrize(("config", "kept"), [("trusted = ['127.0.0.0/8']\n", True), ("", False)])
def test_an_asserted_identity_waits_with_its_message_if_it_is_believed(
    start_daemon: Callable[..., Daemon], config: str, kept: bool
) -> None:
    daemon = start_daemon(config)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", extra=ASSERTED).status == 202
        bob.register()
        assert (b"p-asserted-identity" in bob.take().headers) is kept


def test_a_trusted_proxy_may_relay_to_foreign_domains_and_a_stranger_may_not(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("trusted = ['127.0.0.0/8']\n")
    with Phone("alice", daemon.address) as alice, Phone("far", daemon.address) as far:
        alice.send(alice.message("far", uri=far.contact))
        far.take()
        assert alice.response().status == 200
        daemon.config.write_text("trusted = []\n")
        with ControlClient(daemon.folder / "control.sock") as client:
            client.call("reload")
        alice.send(alice.message("far", uri=far.contact))
        assert alice.response().status == 403
