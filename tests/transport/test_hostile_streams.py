"""Peers that hold connections open: each is closed or answered, and other peers are served meanwhile (§4, hoarding)."""

import socket

import pytest
import trio
import trio.testing

from msilod.errors import TransportError
from msilod.sip.flow import Endpoint, Flow
from msilod.transport import streams
from msilod.transport.streams import Limits, Streams
from msilod.transport.tcp import TcpConnection, connect
from tests.transport.ear import MESSAGE, Ear, all_of, dialled, much_follows_in_order, serving

HEAD, BODY = MESSAGE[:-2], MESSAGE[-2:]


async def test_a_peer_that_does_not_read_is_closed() -> None:
    limits = Limits(unsent=1000, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE)
        await ear.until(1)
        for _ in range(5):
            transports.send(b"x" * 200, ear.received[0][1])
        with pytest.raises(TransportError, match="does not read"):
            transports.send(b"x", ear.received[0][1])
        await ear.until(1, "gone")


async def test_a_peer_that_stops_reading_is_closed_after_the_write_time() -> None:
    limits = Limits(write=0.1, unsent=64 * 1024 * 1024, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE)
        await ear.until(1)
        # More than the buffers of the kernel on both sides hold.
        transports.send(b"x" * 32 * 1024 * 1024, ear.received[0][1])
        transports.flush()
        assert transports.streams.writing
        await ear.until(1, "gone")
        await trio.testing.wait_all_tasks_blocked()
        assert not transports.streams.writing


async def test_many_peers_that_do_not_read_share_one_bound() -> None:
    limits = Limits(unsent_in_all=20 * 1024 * 1024, unsent=64 * 1024 * 1024, look=0.02)
    async with (
        serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear),
        dialled(transports) as greedy,
        dialled(transports) as modest,
    ):
        for count, (stream, size) in enumerate(((greedy, 40), (modest, 10)), 1):
            await stream.send_all(MESSAGE)
            await ear.until(count)
            flow = ear.received[-1][1]
            transports.send(b"x" * size * 1024 * 1024, flow)
            transports.flush()
        await ear.until(1, "gone")
        assert ear.gone == [ear.received[0][1]], "only who holds most"


async def test_bytes_beyond_the_buffer_of_the_kernel_follow_in_order() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await much_follows_in_order(transports, ear, stream)


@pytest.mark.parametrize("part", [MESSAGE[:20], HEAD, b"M"])
async def test_a_connection_with_an_endless_message_is_closed(part: bytes) -> None:
    limits = Limits(head=0.1, message=0.1, idle=60, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(part)
        assert await all_of(stream) == b""
        assert ear.received == []


async def test_a_steady_drip_of_bytes_does_not_extend_the_time_of_a_message(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Slowloris: ten seconds for a head and thirty for a message, counted from the first byte."""
    streams_of_one, ours, theirs = Streams(), *socket.socketpair()
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            streams_of_one.begin(Ear(), nursery)
            flow = Flow(Endpoint("tcp", "127.0.0.1", 5060, b""), "127.0.0.1", 9, 1)
            connection = TcpConnection(streams_of_one, ours, flow)
            began = mock_clock.current_time()
            for byte in HEAD[:-1]:
                assert connection._feed(bytes((byte,)))
                assert connection.deadline == began + 10
                mock_clock.jump(0.01)
            connection._feed(HEAD[-1:] + BODY[:1])
            assert connection.deadline == began + 30
            mock_clock.jump(5)
            connection._feed(BODY[1:] + MESSAGE[:3])
            assert connection.deadline == mock_clock.current_time() + 10, (
                "the next message has a time of its own"
            )
            connection._feed(MESSAGE[3:])
            assert connection.deadline == mock_clock.current_time() + Limits().idle


async def test_an_idle_connection_is_closed_unless_a_binding_needs_it() -> None:
    limits = Limits(idle=0.1, look=0.01)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(MESSAGE)
        await ear.until(1)
        ear.needed.append(ear.received[0][1])
        async with dialled(transports) as other:
            assert await all_of(other) == b""
        assert ear.gone != ear.needed
        ear.needed.clear()
        assert await all_of(stream) == b""


async def test_t10_a_connection_outlives_the_longest_transaction_after_its_last_use() -> None:
    async with (
        serving("tcp:127.0.0.1:0", limits=Limits()) as (transports, ear),
        dialled(transports) as stream,
    ):
        for count in (1, 2):
            await stream.send_all(MESSAGE)
            await ear.until(count)
            (connection,) = transports.streams.connections.values()
            # Timers F and H: 64*T1.
            assert connection.deadline >= trio.current_time() + 32


async def test_connections_are_counted_per_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "is_loopback", lambda host: False)
    limits = Limits(per_address=1, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), dialled(transports) as first:
        await first.send_all(MESSAGE)
        await ear.until(1)
        async with dialled(transports) as second:
            assert await all_of(second) == b""
        assert transports.streams.refused == 1
        await first.aclose()
        await ear.until(1, "gone")
        async with dialled(transports) as third:
            await third.send_all(MESSAGE)
            await ear.until(2)


async def test_connections_are_counted_in_sum() -> None:
    async with (
        serving("tcp:127.0.0.1:0", limits=Limits(connections=1)) as (transports, ear),
        dialled(transports) as first,
        dialled(transports) as second,
    ):
        assert await all_of(second) == b""
        await first.send_all(MESSAGE)
        await ear.until(1)
        assert transports.streams.counts() == {"tcp": 1}


async def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    counts = Streams(Limits(per_address=1))
    assert counts.has_room("2001:db8:1:2::1")
    counts._by_address[streams.counted("2001:db8:1:2::1")] += 1
    assert not counts.has_room("2001:db8:1:2:ffff::9")
    assert counts.has_room("2001:db8:1:3::1")
    assert counts.has_room("fe80::1%eth0")


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 10, b" x", b"\xff\xfe"])
async def test_t15_tls_and_other_garbage_on_the_tcp_port_is_closed_at_once(junk: bytes) -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as stream:
        await stream.send_all(junk)
        assert await all_of(stream) == b""
        assert len(ear.errors) == 1
        async with dialled(transports) as other:
            await other.send_all(MESSAGE)
            await ear.until(1)


async def test_an_answer_reaches_the_peer_although_more_bytes_came_after_the_fault() -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, _), dialled(transports) as stream:
        await stream.send_all(MESSAGE.replace(b"Content-Length", b"Content-Width"))
        assert (await stream.receive_some()).startswith(b"SIP/2.0 400 ")
        for _ in range(10):
            await stream.send_all(b"x" * 10_000)
        assert await all_of(stream) == b""


async def test_the_kernel_notices_a_vanished_peer() -> None:
    """Half-open connections: a phone without power or without a NAT mapping never sends a FIN."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        await connect("127.0.0.1", server.getsockname()[1]) as sock,
    ):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every, times = (
            sock.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * times <= 120
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


async def test_an_error_after_the_end_of_a_connection_ends_no_other_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("tcp:127.0.0.1:0") as (transports, ear), dialled(transports) as other:
        await other.send_all(MESSAGE)
        await ear.until(1)
        monkeypatch.setattr(ear, "closed", lambda flow: 1 // 0)
        async with dialled(transports) as stream:
            await stream.send_all(MESSAGE)
            await ear.until(2)
        await ear.until(1, "faults")
        await other.send_all(MESSAGE)
        await ear.until(3)
        monkeypatch.undo()
