"""Flows: two flows are equal when bytes on either leave on the same path."""

import pytest

from msilod.sip.flow import TCP, UDP, Endpoint, Flow

UDP_END = Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
TCP_END = Endpoint(TCP, "::1", 5060, b"SIP/2.0/TCP [::1]:5060")


def test_flows_with_the_same_path_are_equal() -> None:
    flow = Flow(UDP_END, "192.0.2.9", 5071)
    assert flow == Flow(UDP_END, "192.0.2.9", 5071)
    assert hash(flow) == hash(Flow(UDP_END, "192.0.2.9", 5071))
    assert (flow.transport, flow.is_reliable) == ("udp", False)
    stream = Flow(TCP_END, "::2", 40001, connection=7)
    assert (stream.transport, stream.is_reliable) == ("tcp", True)


@pytest.mark.parametrize(
    "other",
    [
        Flow(UDP_END, "192.0.2.9", 5072),
        Flow(UDP_END, "192.0.2.8", 5071),
        Flow(UDP_END, "192.0.2.9", 5071, 1),
        Flow(Endpoint(UDP, "192.0.2.1", 5060, UDP_END.via), "192.0.2.9", 5071),
        "udp:192.0.2.1:5060>192.0.2.9:5071",
    ],
)
def test_another_path_is_another_flow(other: object) -> None:
    assert Flow(UDP_END, "192.0.2.9", 5071) != other


def test_our_via_asks_for_rport_on_udp_only() -> None:
    assert UDP_END.via_line == b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch="
    assert TCP_END.via_line == b"Via: SIP/2.0/TCP [::1]:5060;branch="


def test_a_flow_is_shown_with_both_ends() -> None:
    assert repr(Flow(UDP_END, "192.0.2.9", 5071)) == "udp:192.0.2.1:5060>192.0.2.9:5071"
    assert repr(Flow(TCP_END, "::2", 40001, 7)) == "tcp:[::1]:5060>[::2]:40001#7"
