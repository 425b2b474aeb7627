"""WebSocket on real sockets, plain and secure: T12, T14 (RFC 7118), and hostile peers."""

import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
import trio_websocket

from msilod.sip.framing import LONGEST
from msilod.transport.streams import Limits
from msilod.transport.transports import Transports
from tests.transport.authority import Authority
from tests.transport.ear import MESSAGE, all_of, dialled, serving

LISTEN = "ws:127.0.0.1:0"
OPENING = (
    b"GET /any/path HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)


@asynccontextmanager
async def browser(
    transports: Transports,
    subprotocol: str = "sip",
    origin: str = "",
    authority: Authority | None = None,
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """A client with the headers of a browser."""
    port = transports.listening()[0].port
    async with trio.open_nursery() as nursery:
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        if authority is not None:
            stream = trio.SSLStream(
                stream, authority.client(), server_hostname="127.0.0.1", https_compatible=True
            )
        with trio.fail_after(10):
            ws = await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                "127.0.0.1",
                "/",
                subprotocols=[subprotocol] if subprotocol else None,
                extra_headers=[(b"Origin", origin.encode())] if origin else None,
            )
        try:
            yield ws
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)


async def refused(transports: Transports, opening: bytes) -> bytes:
    """The response to a refused handshake."""
    async with dialled(transports) as stream:
        await stream.send_all(opening)
        return await all_of(stream)


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_t12_text_and_binary_frames_carry_messages_both_ways(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificates = authority.certificates("127.0.0.1")
    async with serving(f"{transport}:127.0.0.1:0", certificates=certificates) as (transports, ear):
        async with browser(transports, authority=authority if transport == "wss" else None) as ws:
            assert ws.subprotocol == "sip"
            await ws.send_message(MESSAGE.decode())
            await ws.send_message(MESSAGE)
            await ear.until(2)
            assert [data for data, _ in ear.received] == [MESSAGE, MESSAGE]
            flow = ear.received[0][1]
            assert flow.endpoint.via.startswith(b"SIP/2.0/%b 127.0.0.1:" % transport.upper().encode())
            assert flow.is_reliable
            for answer in (b"one", "zw\u00f6lf \U0001f600".encode(), b"\xff\xfe"):
                transports.send(answer, flow)
            transports.flush()
            assert [await ws.get_message() for _ in range(3)] == ["one", "zw\u00f6lf \U0001f600", b"\xff\xfe"]
        await ear.until(1, "gone")
        assert not transports.is_open(flow)


async def test_t12_without_the_subprotocol_sip_the_handshake_is_refused() -> None:
    async with serving(LISTEN) as (transports, ear):
        for line in (b"", b"Sec-WebSocket-Protocol: xmpp, msrp\r\n"):
            opening = OPENING.replace(b"Sec-WebSocket-Protocol: sip\r\n", line)
            assert (await refused(transports, opening)).startswith(b"HTTP/1.1 400 ")
        await ear.until(2, "gone")
        chosen = OPENING.replace(b"Protocol: sip", b"Protocol: msrp, sip")
        async with dialled(transports) as stream:
            await stream.send_all(chosen)
            assert b"sec-websocket-protocol: sip\r\n" in (await stream.receive_some()).lower()


async def test_t14_a_foreign_origin_is_refused() -> None:
    async with serving(LISTEN, origins=("https://Chat.example.test", "null")) as (transports, _):
        for line in (
            b"",
            b"Origin: https://evil.test\r\n",
            b"Origin: https://chat.example.test.evil.test\r\n",
        ):
            opening = OPENING.replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\n" + line)
            assert (await refused(transports, opening)).startswith(b"HTTP/1.1 403 ")
        async with browser(transports, origin="https://chat.EXAMPLE.test") as ws:
            assert ws.subprotocol == "sip"


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00",
        MESSAGE,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        OPENING.replace(b"Version: 13", b"Version: 8"),
        OPENING.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000,
        OPENING.replace(b"Connection: Upgrade", b"Connection: Upgr\xe4de"),
        OPENING.replace(b"Protocol: sip", b"Protocol: s\xefp"),
        OPENING.replace(b"GET /any", b"GET /\xff"),
    ],
)
async def test_t12_a_connection_without_websocket_is_closed_at_once(said: bytes) -> None:
    async with serving(LISTEN) as (transports, ear):
        assert (await refused(transports, said))[:10] in (b"", b"HTTP/1.1 4")
        await ear.until(1, "gone")
        assert ear.faults == []
        async with browser(transports) as ws:
            await ws.send_message(MESSAGE)
            await ear.until(1)


async def test_an_endless_handshake_is_closed() -> None:
    limits = Limits(handshake=0.1, look=0.01)
    async with serving(LISTEN, limits=limits) as (transports, ear):
        async with dialled(transports) as silent, dialled(transports) as half:
            await half.send_all(OPENING[:60])
            assert await all_of(silent) == b""
            assert await all_of(half) == b""
        await ear.until(2, "gone")


async def test_an_aborted_handshake_is_forgotten_at_once() -> None:
    async with serving(LISTEN) as (transports, ear):
        async with dialled(transports) as half:
            await half.send_all(OPENING[:60])
        await ear.until(1, "gone")


async def test_t14_pings_are_sent_and_a_silent_peer_is_closed() -> None:
    limits = Limits(ping=0.6, look=0.02)
    async with (
        serving(LISTEN, limits=limits) as (transports, ear),
        browser(transports) as alive,
        dialled(transports) as dead,
    ):
        await dead.send_all(OPENING)
        seen = await all_of(dead)
        assert seen.endswith(b"\x89\x04" + seen[-4:]), "a ping was all that came"
        assert len(ear.gone) == 1
        await alive.send_message(MESSAGE)
        await ear.until(1)
        assert ear.gone != [ear.received[0][1]], "the library answered its pings"


async def test_an_idle_socket_without_a_binding_is_closed() -> None:
    limits = Limits(ping=0.05, idle=0.1, look=0.02)
    async with serving(LISTEN, limits=limits) as (transports, ear), browser(transports):
        await ear.until(1, "gone")


async def test_t18_keep_alive_line_ends_are_answered_inside_the_websocket() -> None:
    async with serving(LISTEN) as (transports, ear), browser(transports) as ws:
        await ws.send_message("\r\n\r\n")
        assert await ws.get_message() == "\r\n"
        for noise in ("\r\n", ""):
            await ws.send_message(noise)
        await ws.send_message(MESSAGE)
        await ear.until(1)


def frame(payload: bytes, first: int = 0x82, length: int | None = None) -> bytes:
    """One masked frame; `length` is the length in the frame header."""
    size = len(payload) if length is None else length
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = bytes((first, 0xFE)) + struct.pack("!H", size)
    else:
        head = bytes((first, 0xFF)) + struct.pack("!Q", size)
    return head + bytes(4) + payload


@pytest.mark.parametrize(
    "said",
    [
        frame(b"x" * LONGEST * 2),
        frame(b"", length=2**62),
        frame(b"x" * 60_000, 0x02) + frame(b"x" * 60_000, 0x80),
        frame(b"\xff\xfe", 0x81),
        b"\x82\x05hello",
        frame(b"x", 0xF2),
        frame(b"x", 0x8B),
        frame(b"x", 0x80),
    ],
    ids=["large", "huge", "fragments", "not UTF-8", "unmasked", "reserved bits", "no opcode", "no beginning"],
)
async def test_t12_bad_frames_close_only_their_own_connection(said: bytes) -> None:
    limits = Limits(ping=0.2, look=0.02)
    async with serving(LISTEN, limits=limits) as (transports, ear):
        async with dialled(transports) as stream:
            await stream.send_all(OPENING)
            await stream.receive_some()
            with trio.fail_after(10):
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(said)
                await ear.until(1, "gone")
        assert ear.received == []
        async with browser(transports) as ws:
            await ws.send_message(MESSAGE)
            await ear.until(1)


async def test_half_a_frame_before_the_end_is_dropped() -> None:
    async with serving(LISTEN) as (transports, ear):
        async with dialled(transports) as stream:
            await stream.send_all(OPENING)
            await stream.receive_some()
            await stream.send_all(frame(MESSAGE)[:-10])
        await ear.until(1, "gone")
        assert ear.received == []


async def test_a_browser_that_does_not_read_is_closed() -> None:
    limits = Limits(write=0.2, unsent=64 * 1024 * 1024, ping=60, look=0.02)
    async with serving(LISTEN, limits=limits) as (transports, ear), dialled(transports) as stream:
        await stream.send_all(OPENING)
        await stream.receive_some()
        await stream.send_all(frame(MESSAGE))
        await ear.until(1)
        transports.send(b"x" * 32 * 1024 * 1024, ear.received[0][1])
        transports.flush()
        await ear.until(1, "gone")


@pytest.mark.parametrize("seed", range(4))
async def test_after_noise_from_many_peers_all_connections_are_closed(seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(ping=0.3, look=0.02, last_words=0.1)

    def said() -> bytes:
        kind = chance.choice((0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, 0x08))
        data = bytearray(
            chance.choice(
                (OPENING, MESSAGE, frame(MESSAGE), frame(chance.randbytes(chance.randrange(300)), kind))
            )
        )
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)

    async with serving(LISTEN, limits=limits) as (transports, ear):

        async def noisy() -> None:
            async with dialled(transports) as stream:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(OPENING if chance.random() < 0.7 else said())
                    with trio.move_on_after(0.02):
                        await stream.receive_some()
                    for _ in range(chance.randrange(1, 5)):
                        await stream.send_all(said())

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(noisy)
        await ear.until(40, "gone")
        assert ear.faults == []
        async with browser(transports) as ws:
            await ws.send_message(MESSAGE)
            await ear.until(len(ear.received) + 1)


async def test_an_unexpected_exception_ends_one_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(LISTEN, "tcp:127.0.0.1:0") as (transports, ear):
        with monkeypatch.context() as patch:
            patch.setattr(ear, "receive", lambda data, flow: 1 // 0)
            async with browser(transports) as ws:
                await ws.send_message(MESSAGE)
                await ear.until(1, "gone")
        assert len(ear.faults) == 1
        assert transports.streams.connections == {}
        async with browser(transports) as ws:
            await ws.send_message(MESSAGE)
            await ear.until(1)
