"""Stream clients: accepts the clients of a listener for the operator: the control socket, and the metrics.

At the limit the client that has been idle longest is disconnected, so that idle clients cannot keep others out (law 8).
"""

import socket
from collections.abc import Awaitable, Callable
from typing import Final

import trio

# Seconds to pause after a failed accept(): the process has no descriptor left.
ACCEPT_PAUSE: Final = 0.2
Serve = Callable[[trio.SocketStream], Awaitable[None]]


class StreamClients:
    """The clients of one listener, at most `most` at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        # Clients without an open request, the one that has been idle longest first.
        self._idle: dict[trio.SocketStream, trio.CancelScope] = {}

    async def accept(self, sock: socket.socket, serve: Serve, refuse: Serve) -> None:
        """Accept clients until cancelled. Each client gets a task with `serve`, or `refuse` when all are busy."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except OSError:
                    await trio.sleep(ACCEPT_PAUSE)
                    continue
                if self._count >= self._most and not self._disconnect_oldest():
                    await refuse(stream)
                else:
                    self._count += 1
                    nursery.start_soon(self._serve, serve, stream)

    async def _serve(self, serve: Serve, stream: trio.SocketStream) -> None:
        try:
            await serve(stream)
        finally:
            self.mark_busy(stream)
            self._count -= 1

    def mark_idle(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        """The client has no open request: `scope` may be cancelled. A client that is idle already keeps its place."""
        self._idle.setdefault(stream, scope)

    def mark_busy(self, stream: trio.SocketStream) -> None:
        """The client has an open request, or has gone: its scope is not cancelled."""
        self._idle.pop(stream, None)

    def _disconnect_oldest(self) -> bool:
        """Disconnect the client that has been idle longest; False when every client has an open request."""
        if not self._idle:
            return False
        self._idle.pop(next(iter(self._idle))).cancel()
        return True
