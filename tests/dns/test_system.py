"""dnspython against a test nameserver on loopback (row P15)."""

import socket
from collections.abc import AsyncIterator
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
import trio

from msilod.dns.records import MAX_RECORDS, Address, Alias, Answer, Naptr, Srv
from msilod.dns.resolver import Resolver
from msilod.dns.system import SystemAsk, read_message
from msilod.errors import TransportError, UnavailableError
from msilod.sip.hop import Hop
from msilod.sip.uri import SipUri
from tests.dns.zone import REACH, always

ZONE = """
example.test. NAPTR 10 50 "s" "SIP+D2U" "" _sip._udp.example.test.
_sip._udp.example.test. SRV 0 0 5080 Server.example.test.
server.example.test. CNAME machine.example.test.
machine.example.test. A 192.0.2.1
machine.example.test. AAAA 2001:db8::1
none.test. SRV 0 0 0 .
odd.test. SRV 0 0 5060 a\\010b.test.
"""


def rrsets(zone: str) -> list[dns.rrset.RRset]:
    lines = [line.split(maxsplit=2) for line in zone.splitlines() if line]
    return [dns.rrset.from_text(name, 60, "IN", kind, data) for name, kind, data in lines]


def response(query: dns.message.Message) -> dns.message.Message:
    """The records of the zone; SERVFAIL for broken.test."""
    answer = dns.message.make_response(query)
    asked = query.question[0]
    if str(asked.name) == "broken.test.":
        answer.set_rcode(dns.rcode.SERVFAIL)
        return answer
    name, known = asked.name, False
    for rrset in rrsets(ZONE):
        known = known or rrset.name == name
        if rrset.name == name and rrset.rdtype.name in ("CNAME", asked.rdtype.name):
            answer.answer.append(rrset)
            name = rrset[0].target if rrset.rdtype.name == "CNAME" else name
    if not known:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


async def serve(sock: trio.socket.SocketType) -> None:
    while True:
        wire, peer = await sock.recvfrom(4096)
        query = dns.message.from_wire(wire)
        assert query.edns == 0
        if str(query.question[0].name) != "silent.test.":
            await sock.sendto(response(query).to_wire(), peer)


@pytest.fixture
async def ask() -> AsyncIterator[SystemAsk]:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = cast(int, sock.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, sock)
            yield SystemAsk(resolver)
            nursery.cancel_scope.cancel()


async def test_p15_from_naptr_to_hops_over_the_wire(ask: SystemAsk) -> None:
    resolver = Resolver(ask, REACH, always(0.0))
    assert await resolver.locate(SipUri.parse("sip:alice@example.test"), 0.0) == [
        Hop("udp", "192.0.2.1", 5080),
        Hop("udp", "2001:db8::1", 5080),
    ]


async def test_p15_records_come_as_plain_data(ask: SystemAsk) -> None:
    assert await ask("example.test", "NAPTR") == Answer(
        (Naptr("example.test", 10, 50, "s", "SIP+D2U", "_sip._udp.example.test"),), 60
    )
    assert await ask("_sip._udp.example.test", "SRV") == Answer(
        (Srv("_sip._udp.example.test", 0, 0, 5080, "server.example.test"),), 60
    )
    assert await ask("server.example.test", "A") == Answer(
        (
            Alias("server.example.test", "machine.example.test"),
            Address("machine.example.test", "A", "192.0.2.1"),
        ),
        60,
    )
    assert await ask("none.test", "SRV") == Answer((Srv("none.test", 0, 0, 0, ""),), 60)


async def test_dns_a_missing_name_and_a_missing_type_are_empty_answers(ask: SystemAsk) -> None:
    assert await ask("nowhere.test", "A") == Answer((), 0)
    assert await ask("example.test", "A") == Answer((), 0)


async def test_dns_a_target_that_is_no_host_name_is_dropped(ask: SystemAsk) -> None:
    assert await ask("odd.test", "SRV") == Answer((), 0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("broken.test", "DNS: the nameservers failed at broken.test A"), ("a..test", "failed at a..test A"),
     (f"{'a' * 64}.test", "failed at a")],
)  # fmt: skip
async def test_dns_a_failure_is_reported_in_one_line(ask: SystemAsk, name: str, reason: str) -> None:
    with pytest.raises(TransportError) as caught:
        await ask(name, "A")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_dns_a_silent_nameserver_ends_the_question(ask: SystemAsk) -> None:
    resolver = Resolver(ask, {"udp": ("A",)}, always(0.0), bound=0.2)
    with pytest.raises(TransportError, match=r"no answer for silent\.test within 0\.2 s"):
        await resolver.locate(SipUri.parse("sip:silent.test:5060"), 0.0)


def test_dns_the_first_records_of_a_too_large_answer_are_read() -> None:
    message = dns.message.QueryMessage()
    message.answer = [
        dns.rrset.from_text("a.test.", 7, "IN", "TXT", "x"),
        dns.rrset.from_text("a.test.", 60, "CH", "TXT", "x"),
        dns.rrset.from_text("a.test.", 60, "IN", "TYPE65280", r"\# 1 00"),
        dns.rrset.from_text("a.test.", 30, "IN", "A", *[f"192.0.2.{n}" for n in range(1, 40)]),
    ]
    answer = read_message(message)
    assert answer.ttl == 30
    assert [r.host for r in answer.records if isinstance(r, Address)] == [
        f"192.0.2.{n + 1}" for n in range(MAX_RECORDS)
    ]


def test_p15_a_machine_without_nameservers_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: object, f: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", missing)
    with pytest.raises(UnavailableError, match="names no nameserver"):
        SystemAsk()
