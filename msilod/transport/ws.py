"""WebSocket and secure WebSocket: one SIP message per WebSocket message, text or binary (RFC 7118).

Rules: a handshake without the subprotocol `sip` is refused with 400, and from an Origin that is not on the list with
403. Any path is accepted. A ping is sent after `ping` seconds of silence. A peer that does not answer the ping in as
many seconds is gone. Only this file uses trio_websocket; the file is imported when there is a WebSocket listener.
"""

import socket
import ssl
from collections.abc import Callable, Collection
from typing import Final

import trio
import trio_websocket
from wsproto.utilities import ProtocolError

from msilod.sip.flow import Flow
from msilod.sip.framing import LONGEST, PING, PONG
from msilod.transport.streams import Connection, Streams
from msilod.transport.tls import Turnstile

SUBPROTOCOL: Final = "sip"
_CHUNK: Final = 16384
# Pieces of one message, from fragments and from reads. The library keeps each piece, empty pieces too.
MAX_PIECES: Final = 1_000
PIECE: Final = 64
_NOT_SIP: Final = b"This is a SIP server: ask for the WebSocket subprotocol sip (RFC 7118).\n"
_NOT_ALLOWED: Final = b"This origin is not allowed here.\n"


class WsConnection(Connection):
    """One WebSocket, with `context` a secure one. `origins` are in lower case; empty: any origin."""

    __slots__ = ("_context", "_idle_until", "_is_pinged", "_nursery", "_origins", "_turnstile", "_ws")

    def __init__(
        self,
        streams: Streams,
        sock: socket.socket,
        flow: Flow,
        context: ssl.SSLContext | None,
        turnstile: Turnstile,
        origins: Collection[str],
    ) -> None:
        super().__init__(streams, sock, flow)
        self.deadline = trio.current_time() + streams.limits.handshake
        self._context = context
        self._turnstile = turnstile
        self._origins = origins
        self._nursery: trio.Nursery | None = None
        self._ws: trio_websocket.WebSocketConnection | None = None
        self._idle_until = 0.0
        self._is_pinged = False

    # --- from the handshake to the end ---------------------------------------------------------------

    async def _run(self) -> None:
        stream: trio.abc.Stream | None = await self._stream()
        if stream is None:
            return
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._ws = await self._open(stream, nursery)
                if self._ws is not None:
                    await self._read(self._ws)
                nursery.cancel_scope.cancel()
        except* (
            trio_websocket.ConnectionClosed,
            trio.BrokenResourceError,
            ProtocolError,
            UnicodeDecodeError,
        ):
            # The peer closed the connection or sent invalid bytes. Only this connection ends.
            pass
        await self._end()

    async def _stream(self) -> trio.abc.Stream | None:
        """The stream below the WebSocket; None when the TLS handshake failed."""
        if self._context is None:
            return trio.SocketStream(trio.socket.from_stdlib_socket(self._socket))
        return await self._turnstile.shake(self._socket, self.flow.host, self._handshake)

    async def _handshake(self) -> trio.abc.Stream:
        assert self._context is not None
        stream = trio.SSLStream(
            trio.SocketStream(trio.socket.from_stdlib_socket(self._socket)),
            self._context,
            server_side=True,
            https_compatible=True,
        )
        await stream.do_handshake()
        return stream

    async def _open(
        self, stream: trio.abc.Stream, nursery: trio.Nursery
    ) -> trio_websocket.WebSocketConnection | None:
        """The opening handshake (RFC 7118 §4.1); None when we refused, or the peer sent no WebSocket handshake."""
        request = None
        with trio.CancelScope() as scope:
            told = _Told(stream, scope.cancel, self._count_pieces)
            request = await trio_websocket.wrap_server_stream(nursery, told, 1, LONGEST, _CHUNK)
        if request is None:
            return None
        origin = next((value for name, value in request.headers if name.lower() == b"origin"), b"")
        if self._origins and origin.decode("latin-1").lower() not in self._origins:
            await request.reject(403, body=_NOT_ALLOWED)
            return None
        if SUBPROTOCOL not in request.proposed_subprotocols:
            await request.reject(400, body=_NOT_SIP)
            return None
        return await request.accept(subprotocol=SUBPROTOCOL)

    async def _read(self, ws: trio_websocket.WebSocketConnection) -> None:
        receiver, limits = self.streams.receiver, self.streams.limits
        self._idle_until = trio.current_time() + limits.idle
        self.deadline = trio.current_time() + limits.ping
        while True:
            message = await ws.get_message()
            now = trio.current_time()
            self._idle_until, self.deadline = now + limits.idle, now + limits.ping
            self._is_pinged = False
            data = message.encode() if isinstance(message, str) else message
            if data == PING:
                self._say(PONG)
            elif data.strip(b"\r\n"):
                receiver.receive(data, self.flow)
            receiver.after_batch()

    def _count_pieces(self) -> None:
        """Called before each read, when a message may have begun. The library bounds the bytes, but not the pieces."""
        if self._ws is None:
            return
        pieces = len(self._ws._message_parts)
        held = self._ws._message_size + pieces * PIECE
        if pieces > MAX_PIECES:
            self.close()
        elif held != self.held:
            self.streams.hold(self, held)

    # --- sending ---------------------------------------------------------------------------------------

    def _take(self) -> bytes:
        """One SIP message per WebSocket message."""
        return self._unsent.pop(0)

    async def _put(self, data: bytes) -> None:
        """Send as text if `data` is UTF-8, as old SIP stacks in browsers expect, else as binary (RFC 7118 §4.2)."""
        if self._ws is None:
            return
        try:
            message: str | bytes = data.decode()
        except UnicodeDecodeError:
            message = data
        try:
            await self._ws.send_message(message)
        except (trio_websocket.ConnectionClosed, ProtocolError) as error:
            raise trio.BrokenResourceError from error

    def on_deadline(self, now: float) -> None:
        """Close after a late handshake, a ping without a pong, or idleness; otherwise send a ping."""
        is_idle = now >= self._idle_until and not self.streams.is_needed(self.flow)
        if self._ws is None or self._nursery is None or self._is_pinged or is_idle:
            self.close()
            return
        self._is_pinged = True
        self.deadline = now + self.streams.limits.ping
        self._nursery.start_soon(self._ping, self._ws)

    async def _ping(self, ws: trio_websocket.WebSocketConnection) -> None:
        await ws.ping()
        self._is_pinged = False
        self.deadline = trio.current_time() + self.streams.limits.ping


class _Told(trio.abc.Stream):
    """A stream that reports its end: the library would wait for the rest of a broken handshake forever."""

    def __init__(
        self, stream: trio.abc.Stream, ended: Callable[[], object], before_read: Callable[[], object]
    ) -> None:
        self._stream = stream
        self._ended = ended
        self._before_read = before_read

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        self._before_read()
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._ended()
            raise
        if not data:
            self._ended()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        self._ended()
        await self._stream.aclose()
