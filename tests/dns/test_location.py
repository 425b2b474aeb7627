"""From a URI to hops (RFC 3263 §4.1, §4.2; rows P15, T13, and DNS of the hostile inputs)."""

import pytest

from msilod.errors import TransportError
from msilod.sip.hop import Hop
from tests.dns.zone import Zone, located

# The example of RFC 3263 §4.1, with addresses.
RFC_3263 = """
example.test NAPTR 50 50 s SIPS+D2T _sips._tcp.example.test
example.test NAPTR 90 50 s SIP+D2T _sip._tcp.example.test
example.test NAPTR 100 50 s SIP+D2U _sip._udp.example.test
_sip._tcp.example.test SRV 0 1 5060 server1.example.test
_sip._tcp.example.test SRV 1 2 5070 server2.example.test
_sip._udp.example.test SRV 0 0 5080 server1.example.test
server1.example.test A 192.0.2.1
server2.example.test A 192.0.2.2
server2.example.test AAAA 2001:db8::2
"""


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:alice@192.0.2.1", Hop("udp", "192.0.2.1", 5060)),
        ("sip:192.0.2.1:5070", Hop("udp", "192.0.2.1", 5070)),
        ("sip:192.0.2.1;transport=TCP", Hop("tcp", "192.0.2.1", 5060)),
        ("sip:[2001:db8::1]:5070;transport=tcp", Hop("tcp", "2001:db8::1", 5070)),
        ("sip:alice@example.test;maddr=192.0.2.9", Hop("udp", "192.0.2.9", 5060)),
        ("sip:alice@example.test:5070;maddr=[2001:DB8::9]", Hop("udp", "2001:db8::9", 5070)),
    ],
)
def test_p15_an_ip_literal_needs_no_question(uri: str, hop: Hop) -> None:
    zone = Zone()
    assert located(uri, zone) == [hop]
    assert not zone.asked


@pytest.mark.parametrize(
    ("params", "transport"), [("", "udp"), (";transport=tcp", "tcp"), (";transport=udp", "udp")]
)
def test_p15_a_port_goes_straight_to_the_address(params: str, transport: str) -> None:
    zone = Zone("example.test A 192.0.2.1\nexample.test AAAA 2001:db8::1")
    hops = located(f"sip:alice@example.test:5070{params}", zone)
    assert hops == [Hop(transport, "192.0.2.1", 5070), Hop(transport, "2001:db8::1", 5070)]
    assert {kind for _, kind in zone.asked} == {"A", "AAAA"}


def test_p15_naptr_names_the_transport_and_the_srv() -> None:
    zone = Zone(RFC_3263)
    assert located("sip:alice@EXAMPLE.test.", zone) == [
        Hop("tcp", "192.0.2.1", 5060),
        Hop("tcp", "192.0.2.2", 5070),
        Hop("tcp", "2001:db8::2", 5070),
        Hop("udp", "192.0.2.1", 5080),
    ]
    assert ("_sips._tcp.example.test", "SRV") not in zone.asked


def test_p15_naptr_of_equal_order_goes_by_preference() -> None:
    zone = Zone(RFC_3263.replace("NAPTR 90 50", "NAPTR 100 60"))
    assert [hop.transport for hop in located("sip:example.test", zone)] == ["udp", "tcp", "tcp", "tcp"]


def test_p15_a_naptr_service_we_do_not_listen_for_is_not_followed() -> None:
    zone = Zone(RFC_3263)
    assert located("sip:example.test", zone, {"udp": ("A",)}) == [Hop("udp", "192.0.2.1", 5080)]
    assert ("_sip._tcp.example.test", "SRV") not in zone.asked


@pytest.mark.parametrize(
    "naptr",
    [
        "example.test NAPTR 1 1 s SIPS+D2T _sips._tcp.example.test",
        "example.test NAPTR 1 1 s SIP+D2S _sip._sctp.example.test",
        "example.test NAPTR 1 1 a SIP+D2U example.test",
        "example.test NAPTR 1 1 s SIP+D2U .",
    ],
)
def test_p15_a_domain_that_offers_other_services_only_is_not_tried_in_the_clear(naptr: str) -> None:
    with pytest.raises(TransportError, match="no SIP service that we can use"):
        located("sip:example.test", Zone(f"{naptr}\nexample.test A 192.0.2.1"))


WITH_TLS = {"udp": ("A",), "tcp": ("A",), "tls": ("A",)}


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sips:example.test", Hop("tls", "192.0.2.3", 5071)),
        ("sips:example.test;transport=tcp", Hop("tls", "192.0.2.3", 5071)),
        ("sip:example.test;transport=tls", Hop("tls", "192.0.2.3", 5071)),
        ("sips:host.example.test", Hop("tls", "192.0.2.3", 5061)),
        ("sips:example.test:5099", Hop("tls", "192.0.2.4", 5099)),
        ("sips:192.0.2.9", Hop("tls", "192.0.2.9", 5061)),
        ("sip:example.test", Hop("udp", "192.0.2.4", 5060)),
    ],
)
def test_p15_t15_sips_goes_by_tls_and_sip_only_where_a_naptr_says_so(uri: str, hop: Hop) -> None:
    zone = Zone(
        "_sips._tcp.example.test SRV 0 0 5071 host.example.test\nhost.example.test A 192.0.2.3\n"
        "example.test A 192.0.2.4"
    )
    assert located(uri, zone, WITH_TLS) == [hop]


def test_p15_a_naptr_may_ask_for_tls() -> None:
    assert located("sip:example.test", Zone(RFC_3263), WITH_TLS)[0].transport in ("tls", "tcp")
    only = "example.test NAPTR 1 1 s SIPS+D2T s.example.test\ns.example.test SRV 0 0 5061 h.test\nh.test A 192.0.2.5"
    assert located("sip:example.test", Zone(only), WITH_TLS) == [Hop("tls", "192.0.2.5", 5061)]


def test_p15_naptr_records_of_other_protocols_are_ignored() -> None:
    zone = Zone("example.test NAPTR 1 1 u E2U+email !x!\nexample.test A 192.0.2.1")
    assert located("sip:example.test", zone) == [Hop("udp", "192.0.2.1", 5060)]


def test_p15_a_failed_naptr_question_counts_as_no_records() -> None:
    zone = Zone(RFC_3263)
    zone.failing = {("example.test", "NAPTR")}
    assert located("sip:example.test", zone)[0] == Hop("udp", "192.0.2.1", 5080)


def test_p15_without_naptr_srv_of_each_transport_is_asked_udp_first() -> None:
    lines = [line for line in RFC_3263.splitlines() if "NAPTR" not in line]
    hops = located("sip:example.test", Zone("\n".join(lines)), {"tcp": ("A",), "udp": ("A",)})
    assert hops == [
        Hop("udp", "192.0.2.1", 5080),
        Hop("tcp", "192.0.2.1", 5060),
        Hop("tcp", "192.0.2.2", 5070),
    ]


def test_p15_with_transport_and_without_port_only_its_srv_is_asked() -> None:
    zone = Zone(RFC_3263)
    assert located("sip:example.test;transport=udp", zone) == [Hop("udp", "192.0.2.1", 5080)]
    assert set(zone.asked) == {
        ("_sip._udp.example.test", "SRV"),
        ("server1.example.test", "A"),
        ("server1.example.test", "AAAA"),
    }


@pytest.mark.parametrize(("params", "transport"), [("", "udp"), (";transport=tcp", "tcp")])
def test_p15_without_srv_the_address_of_the_name_is_used_with_port_5060(params: str, transport: str) -> None:
    zone = Zone("example.test A 192.0.2.1")
    assert located(f"sip:example.test{params}", zone) == [Hop(transport, "192.0.2.1", 5060)]


def test_p15_without_srv_the_transport_of_naptr_stays() -> None:
    zone = Zone("example.test NAPTR 1 1 S sip+d2t _sip._tcp.example.test\nexample.test A 192.0.2.1")
    assert located("sip:example.test", zone) == [Hop("tcp", "192.0.2.1", 5060)]


def test_p15_with_only_a_tcp_listener_tcp_is_the_default() -> None:
    zone = Zone("example.test A 192.0.2.1")
    assert located("sip:example.test:5070", zone, {"tcp": ("A",)}) == [Hop("tcp", "192.0.2.1", 5070)]


def test_p15_only_address_kinds_we_listen_on_are_asked() -> None:
    zone = Zone(RFC_3263)
    hops = located("sip:server2.example.test:5060", zone, {"udp": ("AAAA",), "tcp": ("A",)})
    assert hops == [Hop("udp", "2001:db8::2", 5060)]
    assert set(zone.asked) == {("server2.example.test", "AAAA")}


def test_p15_maddr_is_the_target_of_every_question() -> None:
    zone = Zone("other.test A 192.0.2.7\nexample.test A 192.0.2.1")
    assert located("sip:example.test;maddr=Other.test", zone) == [Hop("udp", "192.0.2.7", 5060)]
    assert not [name for name, _ in zone.asked if "example" in name]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sips:alice@example.test", "by tls, and there is no such listener"),
        ("sips:192.0.2.1", "by tls, and there is no such listener"),
        ("sips:192.0.2.1;transport=udp", "udp is not secure"),
        ("sip:example.test;transport=tls", "by tls, and there is no such listener"),
        ("sip:192.0.2.1;transport=wss", "by wss, and there is no such listener"),
        ("sip:192.0.2.1;transport=%0Apigeon", "a transport that is unknown here"),
        ("sip:alice@x.invalid", "never looked up"),
        ("sip:alice@x.INVALID:5060", "never looked up"),
        ("sip:x.onion", "never looked up"),
        (f"sip:{'a' * 64}.test", "without a host name"),
        (f"sip:{'a.' * 200}test", "without a host name"),
        ("sip:a..test", "without a host name"),
        ("sip:example.test;maddr=%00", "without a host name"),
        ("sip:example.test;maddr=[", "without a host name"),
        ("sip:example.test;maddr=127.1", "without a host name"),
        ("sip:224.0.1.75", "not the address of a host"),
        ("sip:0.0.0.0", "not the address of a host"),
        ("sip:255.255.255.255", "not the address of a host"),
        ("sip:[ff02::1]", "not the address of a host"),
        ("sip:[::]", "not the address of a host"),
        ("sip:[::ffff:224.0.0.1]", "not the address of a host"),
        ("sip:example.test;maddr=239.1.1.1", "not the address of a host"),
    ],
)
def test_t13_an_unreachable_uri_has_a_reason_and_needs_no_question(uri: str, reason: str) -> None:
    zone = Zone()
    with pytest.raises(TransportError, match=reason) as caught:
        located(uri, zone)
    assert str(caught.value).isprintable()
    assert not zone.asked


def test_p15_an_address_of_a_family_without_listener_is_refused() -> None:
    with pytest.raises(TransportError, match="no udp listener"):
        located("sip:[2001:db8::1]", reach={"udp": ("A",)})
    with pytest.raises(TransportError, match="no such listener"):
        located("sip:192.0.2.1", reach={})
