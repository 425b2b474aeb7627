"""Listener: accepts connections, counts connections, and makes connection objects of the transport's kind.

Rule: a connection over a limit is closed at once, before any memory is spent.
"""

import socket
from collections.abc import Callable
from typing import Final

import trio

from msilod.errors import UnavailableError
from msilod.sip.flow import Endpoint, Flow
from msilod.transport.address import bound_socket, sent_by
from msilod.transport.listen import ListenSpec
from msilod.transport.streams import Connection, Streams
from msilod.transport.tcp import prepare

BACKLOG: Final = 4096
# Connections that are accepted per wake-up. Then datagrams are read.
BATCH: Final = 64
ACCEPT_PAUSE: Final = 0.2

# Makes the connection of an accepted socket.
Make = Callable[[socket.socket, Flow], Connection]


class StreamListener:
    """One listener. Raises UnavailableError when the port cannot be had."""

    def __init__(self, spec: ListenSpec, streams: Streams, make: Make) -> None:
        self.socket = bound_socket(spec, socket.SOCK_STREAM)
        try:
            self.socket.listen(BACKLOG)
        except OSError as error:
            self.socket.close()
            raise UnavailableError(f"cannot listen on {spec}: the port is taken") from error
        port = int(self.socket.getsockname()[1])
        self.endpoint = Endpoint(spec.transport, spec.host, port, sent_by(spec.transport, spec.host, port))
        self.is_v6 = self.socket.family == socket.AF_INET6
        self._streams = streams
        self._make = make
        self._accepting = trio.CancelScope()

    async def serve(self) -> None:
        """Accept until `stop_accepting`. After that the kernel refuses connections."""
        with self._accepting:
            while True:
                await trio.lowlevel.wait_readable(self.socket)
                if not self._accept():
                    # The process has no free file descriptors. Idle connections will time out.
                    await trio.sleep(ACCEPT_PAUSE)
        self.socket.close()

    def _accept(self) -> bool:
        for _ in range(BATCH):
            try:
                sock, address = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return True
            except OSError:
                return False
            if not self._admit(sock, address[0], address[1]):
                sock.close()
        return True

    def _admit(self, sock: socket.socket, host: str, port: int) -> bool:
        streams = self._streams
        if not streams.has_room(host):
            streams.refused += 1
            return False
        try:
            prepare(sock)
        except OSError:
            return False
        streams.admit(self._make(sock, Flow(self.endpoint, host, port, streams.next_serial())))
        return True

    def stop_accepting(self) -> None:
        """Accept no new connections. Open connections go on."""
        self._accepting.cancel()

    def close(self) -> None:
        """Close the listening socket."""
        self.socket.close()
