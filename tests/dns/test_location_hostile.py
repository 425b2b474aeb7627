"""Failed, empty and too large answers (row P15, and DNS of the hostile inputs)."""

import pytest

from msilod.errors import TransportError
from msilod.sip.hop import Hop
from tests.dns.zone import Zone, located


def test_dns_a_failed_srv_does_not_fall_to_the_address() -> None:
    zone = Zone("example.test A 192.0.2.1")
    zone.failing = {("_sip._tcp.example.test", "SRV")}
    with pytest.raises(TransportError, match=r"failed at _sip\._tcp\.example\.test SRV"):
        located("sip:example.test", zone)


def test_dns_found_records_are_used_beside_a_failure() -> None:
    zone = Zone("_sip._udp.example.test SRV 0 0 5060 a.test\na.test A 192.0.2.1")
    zone.failing = {("_sip._tcp.example.test", "SRV"), ("a.test", "AAAA")}
    assert located("sip:example.test", zone) == [Hop("udp", "192.0.2.1", 5060)]


def test_dns_failed_address_questions_fail_the_search() -> None:
    zone = Zone()
    zone.failing = {("example.test", "AAAA")}
    with pytest.raises(TransportError, match=r"failed at example\.test AAAA"):
        located("sip:example.test:5060", zone)


def test_dns_a_name_without_addresses_is_reported() -> None:
    with pytest.raises(TransportError, match=r"no address of a host for example\.test"):
        located("sip:example.test")


@pytest.mark.parametrize("srv", ["0 0 5060 .", "0 0 0 a.test"])
def test_dns_a_service_denied_by_its_domain_is_not_searched(srv: str) -> None:
    zone = Zone(f"_sip._udp.example.test SRV {srv}\nexample.test A 192.0.2.1\na.test A 192.0.2.1")
    with pytest.raises(TransportError, match="has no SIP server"):
        located("sip:example.test", zone)


def test_dns_a_denied_transport_leaves_the_other() -> None:
    zone = Zone(
        "_sip._udp.example.test SRV 0 0 5060 .\n_sip._tcp.example.test SRV 0 0 5060 a.test\na.test A 192.0.2.1"
    )
    assert located("sip:example.test", zone) == [Hop("tcp", "192.0.2.1", 5060)]


@pytest.mark.parametrize(
    "address",
    ["A 224.0.0.1", "A 0.0.0.0", "A 255.255.255.255", "AAAA ::", "AAAA ff02::1", "AAAA ::ffff:127.0.0.1"],
)
def test_dns_addresses_that_belong_to_no_host_are_dropped(address: str) -> None:
    with pytest.raises(TransportError, match="no address of a host"):
        located("sip:a.test:5060", Zone(f"a.test {address}"))
    zone = Zone(f"a.test {address}\na.test A 192.0.2.1")
    assert located("sip:a.test:5060", zone) == [Hop("udp", "192.0.2.1", 5060)]


def test_dns_at_most_eight_hops_and_sixteen_records() -> None:
    zone = Zone("\n".join(f"a.test A 192.0.2.{n}" for n in range(1, 40)))
    assert [hop.host for hop in located("sip:a.test:5060", zone)] == [f"192.0.2.{n}" for n in range(1, 9)]
    # Records after the sixteenth are not read, even when the first records are useless.
    lines = ["a.test A 224.0.0.1"] * 15 + ["a.test A 192.0.2.1", "a.test A 192.0.2.2"]
    assert located("sip:a.test:5060", Zone("\n".join(lines))) == [Hop("udp", "192.0.2.1", 5060)]


def test_dns_at_most_eight_targets_are_asked() -> None:
    lines = [f"_sip._udp.example.test SRV {n} 0 5060 s{n}.test" for n in range(12)]
    zone = Zone("\n".join(lines))
    with pytest.raises(TransportError):
        located("sip:example.test", zone)
    assert {name for name, kind in zone.asked if kind == "A"} == {f"s{n}.test" for n in range(8)}


def test_dns_at_most_four_services_are_asked() -> None:
    lines = [f"example.test NAPTR {n} 0 s SIP+D2U _sip._udp.s{n}.test" for n in range(16)]
    zone = Zone("\n".join(lines))
    with pytest.raises(TransportError):
        located("sip:example.test", zone)
    assert sum(kind == "SRV" for _, kind in zone.asked) == 4


def test_dns_the_same_hop_is_listed_once_and_a_shared_target_is_asked_once() -> None:
    zone = Zone(
        "_sip._udp.example.test SRV 0 0 5060 a.test\n_sip._udp.example.test SRV 1 0 5060 a.test\na.test A 192.0.2.1"
    )
    assert located("sip:example.test", zone) == [Hop("udp", "192.0.2.1", 5060)]
    assert zone.asked["a.test", "A"] == 1
