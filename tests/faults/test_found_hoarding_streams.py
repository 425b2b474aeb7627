"""Found by attack: one address held 160 MB of unfinished messages, one WebSocket any number of empty fragments."""

import gc
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.sip.framing import FramingLost
from msilod.transport import streams as streams_module
from msilod.transport import udp as udp_module
from msilod.transport.listen import parse_spec
from msilod.transport.streams import Limits
from msilod.transport.tcp import TcpConnection
from msilod.transport.udp import UdpEndpoint
from msilod.transport.ws import MAX_PIECES
from tests.faults.doorway import Doorway, with_auth
from tests.network.world import World, play
from tests.transport.authority import Authority
from tests.transport.ear import MESSAGE, all_of, dialled, serving
from tests.transport.test_ws import LISTEN, OPENING, frame

BEGUN = MESSAGE[:-2].replace(b"Content-Length: 2", b"Content-Length: 60000") + b"x" * 50_000


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_unfinished_messages_are_bounded_in_sum(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path) if transport == "tls" else None
    limits = Limits(unfinished=400_000, look=0.02)
    certificates = authority.certificates("127.0.0.1") if authority is not None else None
    async with (
        serving(f"{transport}:127.0.0.1:0", limits=limits, certificates=certificates) as (
            transports,
            ear,
        ),
        AsyncExitStack() as stack,
    ):
        streams: list[trio.abc.Stream] = []
        for number in range(12):
            stream: trio.abc.Stream = await stack.enter_async_context(dialled(transports))
            if authority is not None:
                stream = trio.SSLStream(
                    stream, authority.client(), server_hostname="127.0.0.1", https_compatible=True
                )
            streams.append(stream)
            if number:
                await stream.send_all(BEGUN)
            else:
                await stream.send_all(MESSAGE)
                await ear.until(1)
        await ear.until(4, "gone")
        await trio.testing.wait_all_tasks_blocked()
        assert transports.streams._unfinished.bytes <= 400_000
        assert transports.streams.closed_for_room == len(ear.gone)
        await streams[0].send_all(MESSAGE)
        await ear.until(2)
        await streams[-1].send_all(b"x" * 10_000)
        await ear.until(3)


async def test_what_is_closed_for_room_is_freed_at_once() -> None:
    limits = Limits(unfinished=90_000)
    async with (
        serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear),
        dialled(transports) as first,
        dialled(transports) as second,
    ):
        await first.send_all(BEGUN)
        await trio.testing.wait_all_tasks_blocked()
        (victim,) = [one for one in transports.streams.connections.values() if one.held]
        assert isinstance(victim, TcpConnection)
        await second.send_all(BEGUN)
        await ear.until(1, "gone")
        assert victim._framer.held == 0


async def test_what_cannot_be_framed_leaves_no_ring() -> None:
    gc.collect()
    gc.disable()
    try:
        async with serving("tcp:127.0.0.1:0") as (transports, ear):
            async with dialled(transports) as stream:
                await stream.send_all(b"INVITE x\r\nContent-Length: x\r\n\r\n")
                await all_of(stream)
            assert len(ear.errors) == 1
            ear.errors.clear()
            await trio.testing.wait_all_tasks_blocked()
            assert not [one for one in gc.get_objects() if isinstance(one, FramingLost)]
    finally:
        gc.enable()


async def test_a_peer_that_sends_on_behind_its_fault_does_not_keep_the_loop() -> None:
    class Endless:
        """A socket with endless data."""

        def recv(self, size: int) -> bytes:
            return b"x" * size

    with trio.move_on_after(0.05) as scope:
        while await streams_module._received(Endless()):  # type: ignore[arg-type]
            pass
    assert scope.cancelled_caught


async def test_a_connection_with_a_password_does_not_pay_for_strangers() -> None:
    limits = Limits(unfinished=200_000, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), AsyncExitStack() as stack:
        user = await stack.enter_async_context(dialled(transports))
        await user.send_all(MESSAGE)
        await ear.until(1)
        await user.send_all(BEGUN)
        await trio.testing.wait_all_tasks_blocked()
        transports.prove(ear.received[0][1])
        for _ in range(8):
            stranger = await stack.enter_async_context(dialled(transports))
            await stranger.send_all(BEGUN)
        await ear.until(4, "gone")
        await user.send_all(b"x" * 10_000)
        await ear.until(2)


async def test_strangers_with_idle_connections_are_bounded_where_passwords_are_asked_for() -> None:
    limits = Limits(strangers=45_000, look=0.02)
    async with serving("tcp:127.0.0.1:0", limits=limits) as (transports, ear), AsyncExitStack() as stack:
        transports.streams.source_of = lambda host: host
        transports.streams.are_strangers_limited = True
        user = await stack.enter_async_context(dialled(transports))
        await user.send_all(MESSAGE)
        await ear.until(1)
        transports.prove(ear.received[0][1])
        for _ in range(12):
            await stack.enter_async_context(dialled(transports))
        await ear.until(2, "gone")
        await trio.testing.wait_all_tasks_blocked()
        assert len(transports.streams.connections) == 11
        await user.send_all(MESSAGE)
        await ear.until(2)


@pytest.mark.parametrize("piece", [b"", b"x"])
async def test_a_websocket_message_has_so_many_pieces(piece: bytes) -> None:
    async with serving(LISTEN) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(OPENING)
        await stream.receive_some()
        with trio.fail_after(10):
            try:
                await stream.send_all(frame(piece, 0x02))
                while not ear.gone:
                    await stream.send_all(frame(piece, 0x00) * MAX_PIECES)
            except trio.BrokenResourceError:
                await ear.until(1, "gone")
        assert ear.received == []


async def test_a_websocket_message_in_pieces_is_received() -> None:
    async with serving(LISTEN) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(OPENING)
        await stream.receive_some()
        pieces = [MESSAGE[place : place + 1] for place in range(len(MESSAGE))]
        await stream.send_all(
            frame(pieces[0], 0x02)
            + b"".join([frame(one, 0x00) for one in pieces[1:-1]])
            + frame(pieces[-1], 0x80)
        )
        await ear.until(1)
        await trio.testing.wait_all_tasks_blocked()
        assert transports.streams._unfinished.bytes == 0


def test_answers_that_the_kernel_has_no_room_for_are_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = UdpEndpoint(parse_spec("udp:127.0.0.1:0"))

    class Full:
        """A socket with a full or an empty buffer."""

        is_full = True

        def sendto(self, data: bytes, place: object) -> int:
            if self.is_full:
                raise BlockingIOError(11, "full")
            return len(data)

    real, full = endpoint.socket, Full()
    monkeypatch.setattr(endpoint, "socket", full)
    monkeypatch.setattr(udp_module, "MAX_WAITING_BYTES", 100_000)
    flow = Flow(endpoint.endpoint, "127.0.0.1", 9)
    try:
        for _ in range(6):
            endpoint.send(b"x" * 16_000, flow)
        for _ in range(3):
            with pytest.raises(TransportError):
                endpoint.send(b"x" * 16_000, flow)
        endpoint.send(b"x" * 1_000, flow)
        assert sum(len(data) for data, _ in endpoint._waiting) == 97_000
        full.is_full = False
        for _ in range(20):
            endpoint.send(b"x" * 16_000, flow)
        endpoint.flush()
        assert not endpoint._waiting
    finally:
        real.close()


def test_refused_requests_on_a_connection_close_it_and_a_user_s_connection_stays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        server, ended = world.parts, list[tuple[int, bool]]()
        proven = {1}
        world.transports.is_proven = lambda flow: flow.connection in proven  # type: ignore[method-assign]
        unsent = list[Flow]()
        server.replies.unsent = lambda data, flow: unsent.append(flow)  # type: ignore[method-assign]
        closed = set[int]()

        def end(flow: Flow, shun_until: float = 0.0) -> None:
            ended.append((flow.connection, bool(shun_until)))
            closed.add(flow.connection)

        def sent(data: bytes, flow: Flow) -> None:
            if flow.connection in closed:
                raise TransportError("closed")

        world.transports.end = end  # type: ignore[method-assign]
        server.layer._servers._send = sent
        await trio.sleep(0.1)

        def refused(connection: int, number: int, host: str = "203.0.113.7") -> None:
            flow = Flow(world.transports.tcp_endpoint, host, 5_000 + connection, connection)
            for _ in range(number):
                server.receiver.receive(door.request("INVITE"), flow)

        refused(1, 500)
        refused(2, 50)
        assert ended == []
        refused(2, 1)
        assert ended == [(2, False)]
        assert unsent == [], "no connection is dialled for the answer"
        ended.clear()
        for connection in range(3, 12):
            refused(connection, 40)
        assert ended[-1] == (11, True), "all connections of the source together"
        ended.clear()
        refused(1, 400)
        refused(20, 40, "203.0.113.8")
        assert ended == [], "not of a user, not of others"
        refused(1, 200)
        assert ended[0] == (1, False)

    play(tmp_path, story, config=with_auth())
