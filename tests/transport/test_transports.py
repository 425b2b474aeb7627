"""UDP and TCP on real loopback sockets: batches, framing, bounds, ICMP (rows T1 to T10, T18)."""

import pytest
import trio
import trio.testing

from msilod.errors import TransportError, UnavailableError
from msilod.transport.listen import parse_address, parse_spec
from msilod.transport.transports import Transports
from msilod.transport.udp import UdpEndpoint, top_branch
from tests.transport.ear import MESSAGE, Ear, all_of, dialled, phone, serving


@pytest.mark.parametrize(
    "spec", ["udp:127.0.0.1", "xmpp:127.0.0.1:1", "udp:host:5060", "udp:127.0.0.1:70000", "udp:::1:5060", ""]
)
def test_the_error_for_a_bad_spec_shows_a_right_spec(spec: str) -> None:
    with pytest.raises(ValueError, match=r"ADDR:PORT|IP address|brackets"):
        parse_spec(spec)


def test_specs_print_as_written() -> None:
    assert str(parse_spec("udp:[::1]:5060")) == "udp:[::1]:5060"
    assert parse_address("tcp", "127.0.0.1:0").is_loopback
    assert not parse_spec("udp:0.0.0.0:5060").is_loopback


async def test_t1_port_0_gives_tcp_the_port_of_udp() -> None:
    async with serving("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as (transports, _):
        udp, tcp = transports.listening()
        assert udp.port == tcp.port != 0
        with pytest.raises(UnavailableError, match=f"udp:127.0.0.1:{udp.port}.*taken"):
            Transports([parse_spec("tcp:127.0.0.1:0"), parse_spec(f"udp:127.0.0.1:{udp.port}")])


async def test_t3_datagrams_come_in_batches_and_noise_is_ignored() -> None:
    async with serving("udp:127.0.0.1:0") as (transports, ear):
        with phone() as one:
            address = ("127.0.0.1", transports.listening()[0].port)
            for data in (b"", b"\r\n\r\n", b"\x00\x00", b"ab", b"first", b"x" * 60000, b"last!"):
                one.sendto(data, address)
            await ear.until(3)
            assert [data[:5] for data, _ in ear.received] == [b"first", b"xxxxx", b"last!"]
            assert len(ear.received[1][0]) == 60000
            assert ear.batches < 7
            transports.send(b"answer", ear.received[0][1])
            transports.flush()
            assert one.recv(100) == b"answer"


def test_a_large_batch_of_datagrams_is_split_into_parts_of_eight() -> None:
    endpoint, ear = UdpEndpoint(parse_spec("udp:127.0.0.1:0")), Ear()
    with phone() as one:
        for number in range(20):
            one.sendto(b"number %d" % number, ("127.0.0.1", endpoint.endpoint.port))
        assert endpoint.drain(ear)
    assert (len(ear.received), ear.batches) == (20, 2)
    endpoint.close()


async def test_t9_an_icmp_error_names_the_branch_and_no_datagram_is_lost() -> None:
    async with serving("udp:127.0.0.1:0") as (transports, ear):
        with phone() as closed:
            port = closed.getsockname()[1]
        data = b"MESSAGE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bKgone\r\n\r\n"
        transports.send(data, transports.udp_flow("127.0.0.1", port))
        transports.flush()
        await ear.until(1, "lost")
        assert ear.lost == [(b"z9hG4bKgone", "127.0.0.1", port)]
        with phone() as other:
            transports.send(data, transports.udp_flow("127.0.0.1", port))
            transports.send(b"to another", transports.udp_flow("127.0.0.1", other.getsockname()[1]))
            transports.flush()
            assert other.recv(100) == b"to another"
        # The second send took the pending error of the first send. The error queue is read nevertheless.
        await ear.until(2, "lost")
        await trio.testing.wait_all_tasks_blocked()


def test_the_branch_is_read_from_the_datagram_in_the_error_queue() -> None:
    assert top_branch(b"MESSAGE x SIP/2.0\r\nVia: y;branch=z9hG4bK1\r\nFrom: z") == b"z9hG4bK1"
    assert top_branch(b"MESSAGE x SIP/2.0\r\nVia: y;branch=z9hG4") == b""
    assert top_branch(b"SIP/2.0 200 OK\r\nVia: y;branch=z9hG4bK1\r\n") == b""
    assert top_branch(b"") == b""


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_t7_messages_are_found_in_a_stream_cut_anywhere(step: int) -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        data = MESSAGE * 2
        for start in range(0, len(data), step):
            await stream.send_all(data[start : start + step])
        await ear.until(2)
        assert [received for received, _ in ear.received] == [MESSAGE, MESSAGE]
        assert ear.received[0][1].is_reliable
        transports.send(b"answer", ear.received[0][1])
        transports.flush()
        assert await stream.receive_some() == b"answer"
        await stream.aclose()
        await ear.until(1, "gone")
        assert not transports.is_open(ear.gone[0])
        with pytest.raises(TransportError):
            transports.send(b"late", ear.gone[0])


async def test_t18_a_double_crlf_is_answered_with_one_crlf() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await stream.send_all(b"\r\n\r\n")
        assert await stream.receive_some() == b"\r\n"
        assert ear.received == []


async def test_t8_a_stream_without_framing_is_answered_and_closed() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE + MESSAGE.replace(b"Content-Length", b"Content-Width"))
        seen = await all_of(stream)
        assert seen.startswith(b"SIP/2.0 400 ")
        assert len(ear.received) == 1, "what came whole before it is served"
        await ear.until(1, "gone")


async def test_half_a_message_before_the_end_is_dropped() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE[:50])
        await stream.aclose()
        await ear.until(1, "gone")
        assert (ear.received, ear.errors) == ([], [])


async def test_connecting_reuses_an_open_connection_and_fails_at_once_when_refused() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, _), serving("tcp:127.0.0.1:0") as (peer, ear):
        port = peer.listening()[0].port
        flow = await transports.connect("tcp", "127.0.0.1", port, "", 5)
        assert await transports.connect("tcp", "127.0.0.1", port, "", 5) == flow
        transports.send(MESSAGE, flow)
        transports.flush()
        await ear.until(1)
        with phone() as closed:
            unused = closed.getsockname()[1]
        with pytest.raises(TransportError):
            await transports.connect("tcp", "127.0.0.1", unused, "", 5)


async def test_a_udp_flow_is_found_again_after_a_restart() -> None:
    async with serving("udp:127.0.0.1:0", "udp:[::1]:0") as (transports, _):
        for host in ("127.0.0.1", "::1"):
            flow = transports.udp_flow(host, 5070)
            assert transports.find_flow(repr(flow)) == flow
        assert transports.find_flow("udp:127.0.0.1:1>1.2.3.4:5") is None
        assert transports.find_flow("tcp:127.0.0.1:1>1.2.3.4:5#7") is None
        assert transports.find_flow("") is None
        assert transports.local_addresses() == ["127.0.0.1", "::1"]


async def test_after_the_stop_no_new_connection_is_accepted_and_open_ones_go_on() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE)
        await ear.until(1)
        transports.stop_listening()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", transports.listening()[0].port)
        await stream.send_all(MESSAGE)
        await ear.until(2)
