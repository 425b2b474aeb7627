"""Deliveries through an outbound proxy, played by a second socket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

StartDaemon = Callable[..., Daemon]


def test_a_delivery_goes_by_the_next_hop_to_the_registered_contact(start_daemon: StartDaemon) -> None:
    with Phone("hop", ("127.0.0.1", 9)) as hop:
        daemon = start_daemon(f'[silo]\nnext_hop = "sip:127.0.0.1:{hop.port}"\n')
        hop.server = daemon.address
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            assert alice.text("bob", "by the hop").status == 202
            bob.register()
            request = hop.take()
            assert request.uri == bob.contact.encode()
            assert request.headers.get(b"route") == b"<sip:127.0.0.1:%d;lr>" % hop.port
            assert request.body == b"by the hop"
            assert bob.is_silent()
        assert daemon.rows() == []


@pytest.mark.parametrize("status", [200, 202])
def test_what_a_b2bua_takes_is_handed_and_not_sent_again(start_daemon: StartDaemon, status: int) -> None:
    with Phone("hop", ("127.0.0.1", 9)) as hop:
        daemon = start_daemon(
            f'[silo]\nnext_hop = "sip:127.0.0.1:{hop.port}"\nnext_hop_kind = "b2bua"\nmax_messages = 2\n'
        )
        hop.server = daemon.address
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            for text in ("one", "two"):
                assert alice.text("bob", text).status == 202
            bob.register()
            assert [hop.take(status).body, hop.take(status).body] == [b"one", b"two"]
            bob.register()
            assert hop.is_silent(), "a handed message is not sent again"
            rows = daemon.rows("--state", "handed")
            assert [(row["body"], row["last_status"]) for row in rows] == [("one", status), ("two", status)]
            alice.send(alice.message("bob", "three"))
            assert bob.take().body == b"three", "who is registered gets it at once, not by the hop"
            assert alice.response().status == 200
            assert daemon.msilo("requeue", str(rows[1]["id"])).returncode == 0
            assert hop.take(status).body == b"two", "unless somebody asks for it"
            bob.register(expires=0)
            assert alice.text("bob", "four").status == 202, "handed ones count in no quota"


def test_a_dump_of_who_is_not_registered_here_goes_by_the_next_hop(start_daemon: StartDaemon) -> None:
    with Phone("hop", ("127.0.0.1", 9)) as hop:
        daemon = start_daemon(f'[silo]\nnext_hop = "sip:127.0.0.1:{hop.port}"\n')
        hop.server = daemon.address
        with Phone("alice", daemon.address) as alice:
            for text in ("one", "two"):
                assert alice.text("bob", text).status == 202
        shown = daemon.msilo("dump", "bob@example.test", "--dry-run")
        assert shown.stdout.count("MESSAGE sip:bob@example.test SIP/2.0") == 2
        assert daemon.msilo("dump", "bob@example.test").returncode == 0
        # The first request may have been repeated before the hop listened.
        bodies = [b""]
        while bodies[-1] != b"two":
            request = hop.take()
            assert request.uri == b"sip:bob@example.test"
            assert request.headers.get(b"route") == b"<sip:127.0.0.1:%d;lr>" % hop.port
            bodies.append(request.body)
        assert list(dict.fromkeys(bodies)) == [b"", b"one", b"two"]
        assert daemon.rows() == []


def test_a_hop_that_sends_a_delivery_back_to_us_ends_no_row(start_daemon: StartDaemon) -> None:
    """Law 6, msilo's W7: a 202 by the daemon to the daemon's own delivery would end the row."""
    with Phone("hop", ("127.0.0.1", 9)) as hop:
        daemon = start_daemon(f'[silo]\nnext_hop = "sip:127.0.0.1:{hop.port}"\n')
        hop.server = daemon.address
        with Phone("alice", daemon.address) as alice:
            assert alice.text("bob", "boomerang").status == 202
        assert daemon.msilo("dump", "bob@example.test").returncode == 0
        request = hop.request()
        request.headers.remove(b"route")
        request.headers.prepend(b"Via", f"SIP/2.0/UDP 127.0.0.1:{hop.port};branch=z9hG4bKback".encode())
        hop.send(request.to_bytes())
        back = hop.receive()
        while not isinstance(back, Response):
            back = hop.receive()
        assert back.status == 480
        request.headers.fields.pop(0)
        hop.answer(request, back.status)
        (row,) = daemon.rows()
        assert (row["state"], row["body"]) == ("waiting", "boomerang")


HOPS = """from msilod.routing import Save, Store, default


def route(request):
    action = default.route(request)
    return Save(next_hop="sip:127.0.0.1:{dump}") if isinstance(action, Save) else action


def failure_route(request, status):
    action = default.failure_route(request, status)
    if isinstance(action, Store) and request.header("Priority") == "urgent":
        return Store(1, next_hop="sip:127.0.0.1:{message}")
    return action
"""


def test_the_policys_hops_go_before_the_configured_one(start_daemon: StartDaemon, tmp_path: Path) -> None:
    nowhere = ("127.0.0.1", 9)
    with Phone("m", nowhere) as message, Phone("d", nowhere) as dump, Phone("c", nowhere) as config:
        (tmp_path / "hops.py").write_text(HOPS.format(dump=dump.port, message=message.port))
        daemon = start_daemon(f'routing = "hops.py"\n[silo]\nnext_hop = "sip:127.0.0.1:{config.port}"\n')
        message.server = dump.server = daemon.address
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            # Bob stays registered, so the daemon sends no probe.
            bob.register()
            for text, extra in (("first", ""), ("urgent", "Priority: urgent\r\n"), ("last", "")):
                alice.send(alice.message("bob", text, extra))
                assert bob.take(480).body == text.encode()
                assert alice.response().status == 202
            bob.register()
            for hop, body in ((dump, b"first"), (message, b"urgent"), (dump, b"last")):
                request = hop.take()
                assert (request.body, request.uri) == (body, bob.contact.encode())
                assert request.headers.get(b"route") == b"<sip:127.0.0.1:%d;lr>" % hop.port
            assert bob.is_silent()
            assert config.is_silent()
        assert daemon.rows() == []
