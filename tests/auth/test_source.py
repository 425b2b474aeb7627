"""The source of a request: addresses, IPv6 networks, clients behind an edge, ports of loopback."""

import pytest

from msilod.auth.source import MAX_CLIENT, Sources, client_behind, network_of, sum_of
from msilod.sip.flow import Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse

ENDPOINT = Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")


def request(*vias: str) -> Request:
    lines = "".join(f"Via: {via}\r\n" for via in vias)
    parsed = parse(
        f"OPTIONS sip:example.test SIP/2.0\r\n{lines}From: <sip:a@b.test>;tag=1\r\nTo: <sip:a@b.test>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n".encode()
    )
    assert isinstance(parsed, Request)
    return parsed


EDGE_VIA = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKe"
PLAIN = request("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKc")


@pytest.mark.parametrize(
    ("host", "name", "in_sum"),
    [
        ("198.51.100.7", "198.51.100.7", ""),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64", "2001:db8::/56"),
        ("2001:db8:0:1ff::1", "2001:db8:0:1ff::/64", "2001:db8:0:100::/56"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/56"),
        ("::ffff:198.51.100.7", "198.51.100.7", ""),
        ("127.0.0.2", "127.0.0.2 5070", "loopback"),
        ("::1", "::1 5070", "loopback"),
    ],
)
def test_the_source_of_an_address(host: str, name: str, in_sum: str) -> None:
    source = Sources().of(PLAIN, Flow(ENDPOINT, host, 5070))
    assert (source, sum_of(source)) == (name, in_sum)


def test_loopback_with_limits_counts_like_any_address() -> None:
    sources = Sources(limits_loopback=True)
    assert sources.of(PLAIN, Flow(ENDPOINT, "127.0.0.2", 5070)) == "127.0.0.2"
    assert sum_of("127.0.0.2") == ""
    assert not sources.is_exempt(Flow(ENDPOINT, "127.0.0.2", 5070))
    assert Sources().is_exempt(Flow(ENDPOINT, "127.0.0.2", 5070))


@pytest.mark.parametrize(
    ("second", "client"),
    [
        (
            ("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKc;received=198.51.100.7;rport=9",),
            "198.51.100.7 by edge",
        ),
        (("SIP/2.0/UDP 198.51.100.8:5060;branch=z9hG4bKc",), "198.51.100.8 by edge"),
        (("SIP/2.0/WSS abc.invalid;branch=z9hG4bKc",), "abc.invalid by edge"),
        (("SIP/2.0/UDP [2001:db8:0:1::5];branch=z9hG4bKc",), "2001:db8:0:1::/64 by edge"),
        (("SIP/2.0/UDP h;branch=z9hG4bKc;received=2001:db8:0:1::6",), "2001:db8:0:1::/64 by edge"),
        ((f"SIP/2.0/UDP {'a' * (MAX_CLIENT + 1)};branch=z9hG4bKc",), ""),
        (("garbage",), ""),
        ((), ""),
    ],
)
def test_behind_an_edge_the_client_is_in_the_second_via(second: tuple[str, ...], client: str) -> None:
    assert client_behind(request(EDGE_VIA, *second)) == client
    if second:
        assert client_behind(request(f"{EDGE_VIA}, {second[0]}")) == client
    found = Sources(["192.0.2.0/28"]).of(request(EDGE_VIA, *second), Flow(ENDPOINT, "192.0.2.9", 5060))
    assert found == (client or "192.0.2.9")


def test_a_peer_that_is_no_edge_cannot_choose_its_source() -> None:
    forged = request(EDGE_VIA, "SIP/2.0/UDP 198.51.100.8:5060;branch=z9hG4bKc")
    assert Sources(["192.0.2.9"]).of(forged, Flow(ENDPOINT, "192.0.2.10", 5060)) == "192.0.2.10"


def test_a_client_behind_an_edge_counts_only_in_the_sum_of_its_own_network() -> None:
    assert sum_of("198.51.100.7 by edge") == sum_of("127.0.0.7 by edge") == sum_of("::1 by edge") == ""
    assert (
        sum_of("2001:db8:0:1::/64 by edge") == sum_of("2001:db8:0:ff::/64 by edge") == "2001:db8::/56 by edge"
    )
    assert network_of("198.51.100.7") == "198.51.100.7"
