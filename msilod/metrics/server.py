"""Server: answers `/metrics`, `/healthz` and `/readyz` over HTTP/1.1, within bounds.

A connection is closed after one answer: a collector asks every few seconds, and needs no open connection in between.
At MAX_CLIENTS the connection that has waited longest without a whole request is closed, so that idle clients cannot
keep a collector out (law 8). h11 reads the requests.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Final

import h11
import trio

from msilod.log import get_log
from msilod.metrics.exposition import CONTENT_TYPE, Exposition
from msilod.metrics.figures import Figures
from msilod.metrics.health import Health
from msilod.metrics.silo_figures import SiloFigures
from msilod.stream_clients import StreamClients
from msilod.transport.address import bound_socket
from msilod.transport.listen import ListenSpec

MAX_CLIENTS: Final = 16
BACKLOG: Final = 64
# Octets of a request line with its header fields, and of a read.
MAX_REQUEST: Final = 8192
CHUNK: Final = 4096
# Seconds for a request to arrive, and then for its answer to be made and taken.
REQUEST_TIMEOUT: Final = 5.0
ANSWER_TIMEOUT: Final = 10.0
# Seconds, and reads, for a client to close its end. A close with unread octets would reset the connection, and the
# client could lose the answer.
LINGER: Final = 1.0
LINGER_READS: Final = 16
TEXT: Final = b"text/plain; charset=utf-8"
METHODS: Final = (b"GET", b"HEAD")
_PHRASES: Final = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    503: b"Service Unavailable",
}

# Status, Content-Type, body.
Answer = tuple[int, bytes, bytes]


class MetricsServer:
    """The listener on `spec`, bound by the constructor. Raises UnavailableError."""

    def __init__(
        self, spec: ListenSpec, figures: Figures, silo: SiloFigures, health: Health, exposition: Exposition
    ) -> None:
        self._figures = figures
        self._silo = silo
        self.health = health
        self._exposition = exposition
        # One page at a time. The threads of other rooms are not taken.
        self._limiter = trio.CapacityLimiter(1)
        self._pages: dict[bytes, Callable[[], Awaitable[Answer]]] = {
            b"/metrics": self._metrics,
            b"/healthz": self._healthz,
            b"/readyz": self._readyz,
        }
        # A client is idle before its whole request has come, and after its answer.
        self._clients = StreamClients(MAX_CLIENTS)
        self._nursery: trio.Nursery
        self._socket = _listening(spec)

    @property
    def port(self) -> int:
        """The port of the listener."""
        return int(self._socket.getsockname()[1])

    async def serve(self) -> None:
        """Accept clients and answer until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self._clients.accept(self._socket, self._serve_client, trio.aclose_forcefully)

    async def _serve_client(self, stream: trio.SocketStream) -> None:
        try:
            with trio.CancelScope(deadline=trio.current_time() + REQUEST_TIMEOUT) as scope:
                self._clients.mark_idle(stream, scope)
                await self._exchange(stream, scope)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            get_log().debug("a client of the metrics has closed its connection")
        except MemoryError:
            raise
        except Exception as error:
            get_log().error("the metrics could not be told", exc_info=error)
        finally:
            await trio.aclose_forcefully(stream)

    async def _exchange(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST)
        request, status = await _request(http, stream)
        if request is None and not status:
            return
        self._clients.mark_busy(stream)
        scope.deadline = trio.current_time() + ANSWER_TIMEOUT
        answer = await self._answer(request) if request is not None else _plain(status)
        is_head = request is not None and request.method == b"HEAD"
        await stream.send_all(_octets(http, answer, is_head))
        await stream.send_eof()
        # Only the end of the client is missing: the connection may make room for another.
        self._clients.mark_idle(stream, scope)
        with trio.move_on_after(LINGER):
            for _ in range(LINGER_READS):
                if not await stream.receive_some(CHUNK):
                    break

    async def _answer(self, request: h11.Request) -> Answer:
        page = self._pages.get(request.target.partition(b"?")[0])
        if page is None:
            return _plain(404)
        if request.method not in METHODS:
            return _plain(405)
        return await page()

    async def _metrics(self) -> Answer:
        await self._silo.refresh(self._nursery)
        samples = [*self._figures.samples(), *self._silo.samples()]
        page = await trio.to_thread.run_sync(self._exposition.page, samples, limiter=self._limiter)
        return 200, CONTENT_TYPE, page

    async def _healthz(self) -> Answer:
        """The event loop turns."""
        return 200, TEXT, b"ok\n"

    async def _readyz(self) -> Answer:
        problem = self.health.problem()
        return (503, TEXT, f"{problem}\n".encode()) if problem else (200, TEXT, b"ready\n")

    def close(self) -> None:
        """Close the listener."""
        self._socket.close()


async def _request(http: h11.Connection, stream: trio.SocketStream) -> tuple[h11.Request | None, int]:
    """The request; or the status for a malformed one; or (None, 0) when the client has gone. A body stays unread."""
    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            return None, error.error_status_hint
        if isinstance(event, h11.Request):
            return event, 0
        if event is not h11.NEED_DATA:
            return None, 0
        http.receive_data(await stream.receive_some(CHUNK))


def _plain(status: int) -> Answer:
    return status, TEXT, b"%s\n" % _PHRASES.get(status, b"Error")


def _octets(http: h11.Connection, answer: Answer, is_head: bool) -> bytes:
    status, content_type, body = answer
    headers = [
        (b"Content-Type", content_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Connection", b"close"),
    ]
    if status == 405:
        headers.append((b"Allow", b"GET, HEAD"))
    head = h11.Response(status_code=status, headers=headers, reason=_PHRASES.get(status, b"Error"))
    octets = http.send(head) or b""
    return octets if is_head else octets + body


def _listening(spec: ListenSpec) -> socket.socket:
    sock = bound_socket(spec, socket.SOCK_STREAM)
    sock.listen(BACKLOG)
    return sock
