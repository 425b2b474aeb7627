"""Lines: the phone of tests/scenarios/phone.py over TCP, TLS, WebSocket and IPv6.

The phones write and frame messages with code of their own, so a fault of the daemon is not repeated in the tests.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Final

import wsproto
import wsproto.events as ws_events

from msilod.sip.flow import BY_LENGTH, BY_WEBSOCKET
from msilod.sip.framing import StreamFramer
from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.scenarios.phone import PATIENCE, Phone

STREAMS: Final = ("tcp", "tls", "ws", "wss")


class Line(Phone):
    """A phone of `user` on `transport` to `server`. `context`: for TLS. The host decides IPv4 or IPv6."""

    def __init__(
        self, user: str, transport: str, server: tuple[str, int], context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(user, server)
        self.transport = transport
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self.socket.close()
        if transport == "udp":
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.bind((server[0], 0))
            self.socket.settimeout(PATIENCE)
        else:
            self.socket = socket.create_connection(server, PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = self.socket.getsockname()[:2]
        if transport in ("tls", "wss"):
            assert context is not None
            self.socket = context.wrap_socket(self.socket, server_hostname=server[0])
        self.frames: list[bytes] = []
        self._framer = StreamFramer()
        self._ws: wsproto.WSConnection | None = None
        self.is_text = True
        if transport in ("ws", "wss"):
            self._shake_hands()

    def _shake_hands(self) -> None:
        self._ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        request = ws_events.Request(host="example.test", target="/chat", subprotocols=["sip"])
        self.socket.sendall(self._ws.send(request))
        accepted = self._events()[0]
        assert isinstance(accepted, ws_events.AcceptConnection), accepted
        assert accepted.subprotocol == "sip"

    def _events(self) -> Sequence[ws_events.Event]:
        assert self._ws is not None
        data = self.socket.recv(65535)
        if not data:
            raise ConnectionResetError("the connection has ended")
        self._ws.receive_data(data)
        found = list(self._ws.events())
        return found or self._events()

    # --- differences from UDP ------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return int(self.local[1])

    @property
    def contact(self) -> str:
        if self._ws is not None:
            return f"sip:{self.user}@q3x7.invalid;transport=ws"
        host = f"[{self.local[0]}]" if ":" in self.local[0] else self.local[0]
        parameter = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{self.user}@{host}:{self.port}{parameter}"

    def head(self, method: str, uri: str, to: str, call_id: str, cseq: int) -> str:
        lines = super().head(method, uri, to, call_id, cseq)
        host = f"[{self.local[0]}]" if ":" in self.local[0] else self.local[0]
        if self._ws is not None:
            # Browsers do not know an address, and send no rport.
            ours = f"{self.transport.upper()} q3x7.invalid;branch"
        else:
            ours = f"{self.transport.upper()} {host}:{self.port};rport;branch"
        return lines.replace(f"UDP 127.0.0.1:{self.port};rport;branch", ours)

    def send(self, data: bytes) -> None:
        if self.transport == "udp":
            self.socket.sendto(data, self.server)
        elif self._ws is None:
            self.socket.sendall(data)
        elif self.is_text:
            self.socket.sendall(self._ws.send(ws_events.TextMessage(data=data.decode())))
        else:
            self.socket.sendall(self._ws.send(ws_events.BytesMessage(data=data)))

    def receive(self, patience: float = PATIENCE) -> Request | Response:
        self.socket.settimeout(patience)
        if self.transport == "udp":
            return parse(self.socket.recv(65535))
        while not self.frames:
            self._read()
        return parse(self.frames.pop(0), BY_WEBSOCKET if self._ws is not None else BY_LENGTH)

    def _read(self) -> None:
        if self._ws is not None:
            for event in self._events():
                if isinstance(event, ws_events.TextMessage):
                    self.frames.append(event.data.encode())
                elif isinstance(event, ws_events.BytesMessage):
                    self.frames.append(bytes(event.data))
                elif isinstance(event, ws_events.Ping):
                    self.socket.sendall(self._ws.send(event.response()))
            return
        data = self.socket.recv(65535)
        if not data:
            raise ConnectionResetError("the connection has ended")
        self.frames += [frame for frame in self._framer.feed(data) if isinstance(frame, bytes)]

    def hang_up(self) -> None:
        """Close the connection without removing the binding."""
        self.socket.close()
