"""Foreign domains through the whole daemon: RFC 3263, failover, and who may (rows P3, P15, P17, T13)."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.calls.caller import header, values
from tests.calls.conftest import Callers
from tests.calls.nameserver import Nameserver
from tests.scenarios.conftest import Daemon

CAROL = "sip:carol@foreign.test"


@pytest.fixture(scope="module")
def nameserver() -> Iterator[Nameserver]:
    one = Nameserver()
    yield one
    one.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, nameserver: Nameserver) -> Iterator[Daemon]:
    """It relays for anybody, and asks our nameserver."""
    config = f'[proxy]\nrelay = "anybody"\nnameservers = ["{nameserver.address}"]\n'
    one = Daemon(tmp_path_factory.mktemp("daemon"), config).start()
    yield one
    one.end()


@pytest.fixture
def domain(nameserver: Nameserver, request: pytest.FixtureRequest) -> str:
    """A domain of the test's own, since answers are remembered for their TTL."""
    nameserver.asked.clear()
    name = f"d{abs(hash(request.node.nodeid)):x}.test"
    nameserver.zone = f"host.{name}. A 127.0.0.1\n"
    return name


def serve(nameserver: Nameserver, domain: str, *ports: int, transport: str = "udp") -> None:
    """SRV records, the first port before the next."""
    nameserver.zone += "".join(
        f"_sip._{transport}.{domain}. SRV {n} 0 {port} host.{domain}.\n" for n, port in enumerate(ports)
    )


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return int(udp.getsockname()[1])


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE"])
def test_p15_by_srv_to_the_server_of_a_domain(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str, method: str
) -> None:
    alice, carol = callers(daemon, "alice"), callers(daemon, "carol", is_registered=False)
    serve(nameserver, domain, carol.port)
    sent = alice.invite(f"sip:carol@{domain}", method=method)
    alice.send(sent)
    request = carol.request(method.encode())
    assert request.uri == f"sip:carol@{domain}".encode()
    carol.answer(request, 486)
    assert alice.final(sent).status == 486
    assert daemon.rows(f"carol@{domain}") == [], "its domain is not ours to keep for"


def test_p15_a_call_both_ways(daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str) -> None:
    alice, carol = (
        callers(daemon, "alice", is_registered=False),
        callers(daemon, "carol", is_registered=False),
    )
    serve(nameserver, domain, carol.port)
    alice.call(f"sip:carol@{domain}")
    invite = carol.request(b"INVITE")
    carol.accept(invite)
    caller, callee = alice.as_caller(alice.response()), carol.as_callee(invite)
    caller.send(b"ACK", cseq=1)
    assert carol.request(b"ACK").cseq == 1
    callee.send(b"BYE")
    alice.answer(alice.request(b"BYE"))
    assert carol.response().status == 200


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_p15_a_dead_first_target(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str, method: str
) -> None:
    """ICMP is told at once (T9), and the next one tried."""
    alice, carol = callers(daemon, "alice"), callers(daemon, "carol", is_registered=False)
    serve(nameserver, domain, closed_port(), carol.port)
    sent = alice.invite(f"sip:carol@{domain}", method=method)
    began = time.monotonic()
    alice.send(sent)
    carol.answer(carol.request(method.encode()), 603)
    assert time.monotonic() - began < 3
    assert alice.final(sent).status == 603


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_p15_a_503_goes_to_the_next_with_a_new_branch(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str, method: str
) -> None:
    alice = callers(daemon, "alice")
    first, second = (callers(daemon, "carol", is_registered=False) for _ in range(2))
    serve(nameserver, domain, first.port, second.port)
    sent = alice.invite(f"sip:carol@{domain}", method=method)
    alice.send(sent)
    refused = first.request(method.encode())
    first.answer(refused, 503)
    taken = second.request(method.encode())
    assert taken.via.branch != refused.via.branch
    assert (taken.call_id, taken.cseq) == (refused.call_id, refused.cseq)
    second.answer(taken, 503)
    assert alice.final(sent).status == 500, "a 503 of the last is our 500"


def test_p16_a_server_that_asks_for_time_is_given_it(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    alice = callers(daemon, "alice")
    first, second = (callers(daemon, "carol", is_registered=False) for _ in range(2))
    serve(nameserver, domain, first.port, second.port)
    for phone in (first, second):
        alice.send(alice.invite(f"sip:carol@{domain}", method="MESSAGE"))
        if phone is first:
            first.answer(first.request(), 503, ((b"Retry-After", b"120"),))
        second.answer(second.request())
        assert alice.response().status == 200
    assert first.is_silent()


def test_p17_trusted_networks_may_where_users_may(
    start_daemon: Callable[..., Daemon], callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    daemon = start_daemon(f'trusted = ["127.0.0.1"]\n[proxy]\nnameservers = ["{nameserver.address}"]\n')
    alice, carol = callers(daemon, "alice"), callers(daemon, "carol", is_registered=False)
    serve(nameserver, domain, carol.port)
    alice.send(alice.invite(f"sip:carol@{domain}", method="MESSAGE"))
    carol.answer(carol.request())
    assert alice.response().status == 200


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_p15_silence_goes_to_the_next(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str, method: str
) -> None:
    alice = callers(daemon, "alice")
    first, second = (callers(daemon, "carol", is_registered=False) for _ in range(2))
    serve(nameserver, domain, first.port, second.port)
    sent = alice.invite(f"sip:carol@{domain}", method=method)
    alice.send(sent)
    request = second.request(method.encode())
    second.answer(request, 480)
    assert alice.final(sent).status == 480
    if method == "INVITE":
        second.request(b"ACK")
    again = alice.invite(f"sip:carol@{domain}", method=method)
    alice.send(again)
    second.answer(second.request(method.encode()), 480)
    assert alice.final(again).status == 480, "who was silent stands last for a while"


def test_p15_a_hop_that_says_100_is_waited_for(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    alice = callers(daemon, "alice")
    first, second = (callers(daemon, "carol", is_registered=False) for _ in range(2))
    serve(nameserver, domain, first.port, second.port)
    sent = alice.invite(f"sip:carol@{domain}", method="MESSAGE")
    alice.send(sent)
    request = first.request()
    first.answer(request, 100)
    assert second.is_silent(4.5)
    first.answer(request, 480)
    assert alice.final(sent).status == 480


def test_p15_by_tcp_past_a_closed_port(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    alice = callers(daemon, "alice")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        serve(nameserver, domain, closed_port(), listener.getsockname()[1], transport="tcp")
        alice.call(f"sip:carol@{domain};transport=tcp")
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(65535)
            assert head.startswith(f"INVITE sip:carol@{domain};transport=tcp".encode())
            assert b"\r\nVia: SIP/2.0/TCP " in head


@pytest.mark.parametrize("kind", ["silent", "broken", "nothing", "loop", "none", "group"])
def test_p15_dns_that_fails_is_500(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str, kind: str
) -> None:
    """Dead, failing, empty, with CNAMEs in a ring, with a decided no, with an address that is no host's."""
    alice = callers(daemon, "alice")
    nameserver.zone += (
        f"loop.{domain}. CNAME again.{domain}.\nagain.{domain}. CNAME loop.{domain}.\n"
        f"_sip._udp.none.{domain}. SRV 0 0 0 .\ngroup.{domain}. A 224.0.1.75\n"
    )
    name = f"{domain}.{kind}.test" if kind in ("silent", "broken") else f"{kind}.{domain}"
    for method in ("INVITE", "MESSAGE"):
        sent = alice.invite(f"sip:carol@{name}", method=method)
        began = time.monotonic()
        alice.send(sent)
        assert alice.final(sent).status == 500
        assert time.monotonic() - began < 5
    assert daemon.rows(f"carol@{name}") == []


def test_p15_slow_dns_holds_nobody_else_up(daemon: Daemon, callers: Callers, domain: str) -> None:
    alice = callers(daemon, "alice")
    alice.send(alice.invite(f"sip:carol@{domain}.silent.test", method="MESSAGE"))
    bob = callers(daemon, "bob")
    assert bob.text("nobody-here").status == 202
    assert alice.response().status == 500


def test_p17_dns_that_names_us_is_no_way_in(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    """A foreign name with our own address: the request would come back to us as from ourselves."""
    alice = callers(daemon, "alice")
    serve(nameserver, domain, daemon.port)
    sent = alice.invite(f"sip:carol@{domain}")
    alice.send(sent)
    assert alice.final(sent).status == 500


def test_t13_invalid_is_never_asked_for(daemon: Daemon, callers: Callers, nameserver: Nameserver) -> None:
    nameserver.asked.clear()
    alice = callers(daemon, "alice")
    sent = alice.invite("sip:carol@x1y2.invalid;transport=ws")
    alice.send(sent)
    assert alice.final(sent).status == 500
    assert [name for name, _ in nameserver.asked if "invalid" in name] == []


@pytest.mark.parametrize("relay", ["users", "nobody"])
def test_p17_strangers_get_no_relay(
    start_daemon: Callable[..., Daemon], callers: Callers, nameserver: Nameserver, relay: str
) -> None:
    daemon = start_daemon(f'[proxy]\nrelay = "{relay}"\nnameservers = ["{nameserver.address}"]\n')
    nameserver.asked.clear()
    alice = callers(daemon, "alice")
    for method in ("INVITE", "MESSAGE", "REGISTER", "SUBSCRIBE"):
        sent = alice.invite(CAROL, method=method)
        alice.send(sent)
        assert alice.final(sent).status == 403
    assert nameserver.asked == []
    assert daemon.rows() == []


def test_p4_a_foreign_request_is_forwarded_as_it_is(
    daemon: Daemon, callers: Callers, nameserver: Nameserver, domain: str
) -> None:
    alice, carol = callers(daemon, "alice"), callers(daemon, "carol", is_registered=False)
    serve(nameserver, domain, carol.port)
    uri = f"sip:carol@{domain}"
    alice.send(alice.invite(uri, "Subject: hi\r\nX-Odd:  kept \r\n", "MESSAGE"))
    request = carol.request()
    assert (header(request, b"subject"), header(request, b"max-forwards")) == (b"hi", b"69")
    assert len(values(request, b"via")) == 2
    assert values(request, b"record-route") == [], "not on a MESSAGE (RFC 3428 §9)"
    carol.answer(request)
    assert alice.response().status == 200
