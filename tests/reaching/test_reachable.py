"""The hops that a request of an unknown sender may be sent to (checklist §4, SSRF; rows P15, P17)."""

import pytest

from msilod.auth.trust import Trust
from msilod.config import parse_nameserver
from msilod.errors import TransportError
from msilod.reaching.reachable import LazyAsk, Reachable, reach_of
from msilod.routing.myself import Myself
from msilod.sip.flow import TCP, UDP, Endpoint
from msilod.sip.hop import Hop

OUTSIDE = Endpoint(UDP, "192.0.2.1", 5060, b"")
INSIDE = Endpoint(TCP, "127.0.0.1", 5060, b"")


def reachable(*listening: Endpoint, trusted: tuple[str, ...] = ()) -> Reachable:
    myself = Myself(["example.test"], listening, [endpoint.host for endpoint in listening])
    return Reachable(myself, Trust(trusted), listening)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1"])
def test_p17_a_sender_outside_cannot_reach_internal_addresses(host: str) -> None:
    with pytest.raises(TransportError, match="may not be sent to"):
        reachable(OUTSIDE, INSIDE).allowed([Hop(UDP, host, 6379)])


def test_p17_only_permitted_hops_are_left() -> None:
    hops = [Hop(UDP, "127.0.0.1", 5080), Hop(UDP, "198.51.100.1", 5060), Hop(UDP, "192.0.2.1", 5061)]
    assert reachable(OUTSIDE).allowed(hops) == hops[1:2], "another port of our machine is another program's"


def test_p17_a_listener_of_ours_is_no_hop() -> None:
    for listening in ([OUTSIDE], [INSIDE]):
        with pytest.raises(TransportError):
            reachable(*listening, trusted=("0.0.0.0/0",)).allowed([Hop(UDP, listening[0].host, 5060)])


def test_p17_the_operator_may_name_networks() -> None:
    hop = Hop(UDP, "127.0.0.1", 5080)
    assert reachable(OUTSIDE, trusted=("127.0.0.0/8",)).allowed([hop]) == [hop]


def test_p17_a_sender_on_loopback_may_reach_loopback() -> None:
    hop = Hop(UDP, "127.0.0.1", 5080)
    assert reachable(INSIDE).allowed([hop]) == [hop]


def test_p15_reachable_transports_are_those_with_a_listener() -> None:
    v6 = Endpoint(UDP, "::1", 5060, b"")
    web = Endpoint("ws", "192.0.2.1", 80, b"")
    assert reach_of([OUTSIDE, v6, INSIDE, web]) == {"udp": ("A", "AAAA"), "tcp": ("A",)}


@pytest.mark.parametrize(
    ("text", "nameserver"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_nameserver_is_an_address_with_an_optional_port(text: str, nameserver: tuple[str, int]) -> None:
    assert parse_nameserver(text) == nameserver


@pytest.mark.parametrize("text", ["", "localhost", "2001:db8::1", "192.0.2.1:x", "192.0.2.1:99999", ":53"])
def test_a_bad_nameserver_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its text is parse_address's)
        parse_nameserver(text)


async def test_p15_no_nameserver_is_a_transport_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from msilod.dns import system
    from msilod.errors import UnavailableError

    def missing(resolver: object) -> None:
        raise UnavailableError("DNS: /etc/resolv.conf is missing")

    monkeypatch.setattr(system, "SystemAsk", missing)
    with pytest.raises(TransportError, match=r"resolv\.conf"):
        await LazyAsk([])("example.test", "A")


def test_other_name_servers_are_asked_by_a_new_resolver() -> None:
    ask = LazyAsk(["192.0.2.53"])
    ask._ask = ask._made()
    ask.configure(["192.0.2.54"])
    assert ask._ask is None
