"""Framing: cuts a stream into messages (RFC 3261 §18.3, §7.5, RFC 5626 §4.4.1).

Rules: Content-Length alone decides where a message ends. A stream without a reliable Content-Length is closed. Each
byte is looked at once, no matter how the stream is cut into segments. The limits of one message bound the buffer.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import CR, LF, WSP, number
from msilod.sip.headers import canonical, unfold, value_of
from msilod.sip.limits import MAX_BODY, MAX_HEADERS_BYTES
from msilod.sip.salvage import salvage


class KeepAlive:
    """A double CRLF between messages: the peer gets one CRLF at once (RFC 5626 §4.4.1, T18)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<KeepAlive>"


KEEP_ALIVE: Final = KeepAlive()
PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
# The parser refuses messages with more bytes.
LONGEST: Final = MAX_HEADERS_BYTES + 4 + MAX_BODY
_VISIBLE: Final = 0x21
_DELETE: Final = 0x7F
_INITIALS: Final = frozenset((b"c", b"C", b"l", b"L"))


class FramingLost(MalformedMessage):
    """The stream cannot go on: answer `request` when `request` is not None, then close (T8).

    `messages` are the complete messages before the fault, in the same segment. Serve these first.
    """

    def __init__(
        self, phrase: str, status: int, request: object | None, messages: list[bytes | KeepAlive]
    ) -> None:
        super().__init__(phrase, status, request)
        self.messages = messages


class StreamFramer:
    """Cuts the bytes of one connection into messages. `max_body` is in bytes."""

    __slots__ = ("_buffer", "_max_body", "_need", "_scanned")

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._buffer = bytearray()
        self._max_body = max_body
        # Bytes of the first message when its head is complete, else 0.
        self._need = 0
        # The first so many bytes of the buffer contain no end of a head.
        self._scanned = 0

    @property
    def pending(self) -> bool:
        """True when the buffer holds the start of a message."""
        return bool(self._buffer) and not PING.startswith(self._buffer)

    @property
    def held(self) -> int:
        """Bytes of the incomplete message."""
        return len(self._buffer)

    @property
    def is_in_body(self) -> bool:
        """True when the head of the incomplete message is complete."""
        return self._need > 0

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """Return the messages completed by `data`, in order, each with head and body; KEEP_ALIVE for a ping.

        Raises FramingLost, a MalformedMessage: 400 for a head without a reliable Content-Length, 413 for a body and 513
        for a head beyond the limits. After an exception `feed` must not be called again.
        """
        self._buffer += data
        out: list[bytes | KeepAlive] = []
        try:
            while self._buffer and self._next(out):
                pass
        except MalformedMessage as error:
            raise FramingLost(error.phrase, error.status, salvage(bytes(self._buffer)), out) from error
        return out

    def _next(self, out: list[bytes | KeepAlive]) -> bool:
        """Take one message or line end from the front; False when more bytes are needed."""
        buffer = self._buffer
        if not self._need:
            if not _VISIBLE <= buffer[0] < _DELETE:
                return self._line_ends(out)
            self._need = self._measure()
        if not self._need or len(buffer) < self._need:
            return False
        out.append(bytes(buffer[: self._need]))
        del buffer[: self._need]
        self._need = self._scanned = 0
        return True

    def _line_ends(self, out: list[bytes | KeepAlive]) -> bool:
        """Take line ends between messages (§7.5). A double CRLF is a ping; a row of pings gets one answer."""
        buffer = self._buffer
        if buffer[:4] == PING:
            del buffer[:4]
            if not out or out[-1] is not KEEP_ALIVE:
                out.append(KEEP_ALIVE)
            return True
        if PING.startswith(buffer):
            return False
        if buffer[:2] != b"\r\n":
            # A TLS client on a TCP port ends up here as well. No message can follow.
            raise MalformedMessage("Bad Line End")
        del buffer[:2]
        return True

    def _measure(self) -> int:
        """Return the length of the message at the front; 0 while the head is incomplete."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", self._scanned, MAX_HEADERS_BYTES + 4)
        if end < 0:
            if len(buffer) > MAX_HEADERS_BYTES:
                raise MalformedMessage("Message Too Large", status=513)
            if buffer.find(b"\n\n", self._scanned) >= 0:
                raise MalformedMessage("Bad Line End")
            self._scanned = max(0, len(buffer) - 3)
            return 0
        return end + 4 + self._content_length(bytes(buffer[:end]))

    def _content_length(self, head: bytes) -> int:
        lines = head.split(b"\r\n")
        rest = b"".join(lines)
        # Another parser might take a lone CR or LF for a line end, and read another length.
        if CR in rest or LF in rest:
            raise MalformedMessage("Bad Line End")
        if head.find(b"\r\n ") >= 0 or head.find(b"\r\n\t") >= 0:
            lines = unfold(lines)
        values = {value_of(text) for text in lines[1:] if text[:1] in _INITIALS and _is_length(text)}
        if not values:
            raise MalformedMessage("Missing Content-Length")
        value = values.pop()
        if values or not value.isdigit():
            raise MalformedMessage("Bad Content-Length")
        length = number(value, self._max_body)
        if length is None:
            raise MalformedMessage("Request Entity Too Large", status=413)
        return length


def _is_length(text: bytes) -> bool:
    name, colon, _ = text.partition(b":")
    return bool(colon) and canonical(name.rstrip(WSP)) == b"content-length"
