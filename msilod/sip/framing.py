"""Messages on a stream: where one ends and the next begins (RFC 3261 §18.3, §7.5, RFC 5626 §4.4.1).

Rules: Content-Length decides and nothing else; when it cannot be trusted the stream cannot go on. No byte
is looked at twice, however the stream is cut. What is held is bounded by the limits of one message.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import CR, LF, WSP, number
from msilod.sip.headers import canonical, unfold, value_of
from msilod.sip.limits import MAX_BODY, MAX_HEADERS_BYTES
from msilod.sip.salvage import salvage


class KeepAlive:
    """A double CRLF between messages: answer one CRLF at once (RFC 5626 §4.4.1, T18)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<KeepAlive>"


KEEP_ALIVE: Final = KeepAlive()
PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
# No message that the parser takes is longer.
LONGEST: Final = MAX_HEADERS_BYTES + 4 + MAX_BODY
_VISIBLE: Final = 0x21
_DELETE: Final = 0x7F
_INITIALS: Final = frozenset((b"c", b"C", b"l", b"L"))


class FramingLost(MalformedMessage):
    """The stream cannot go on: answer `request` when it is not None, then close (T8).

    `messages` is what came whole before that, in the same segment: serve it first.
    """

    def __init__(
        self, phrase: str, status: int, request: object | None, messages: list[bytes | KeepAlive]
    ) -> None:
        super().__init__(phrase, status, request)
        self.messages = messages


class StreamFramer:
    """Cuts one connection's bytes into messages. `max_body` in bytes."""

    __slots__ = ("_buffer", "_max_body", "_need", "_scanned")

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._buffer = bytearray()
        self._max_body = max_body
        # Bytes of the message whose head is complete; 0 while it is not.
        self._need = 0
        # How much of the buffer is known to hold no end of a head.
        self._scanned = 0

    @property
    def pending(self) -> bool:
        """True when a message has begun and is not complete."""
        return bool(self._buffer) and not PING.startswith(self._buffer)

    @property
    def held(self) -> int:
        """Bytes of what is not complete."""
        return len(self._buffer)

    @property
    def is_in_body(self) -> bool:
        """True when the head of that message is complete."""
        return self._need > 0

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """The messages that `data` completes, in order, each head and body; KEEP_ALIVE for pings between.

        Raises FramingLost, a MalformedMessage: 400 for a head without a Content-Length to rely on, 413 for
        a body and 513 for a head beyond the limits. Do not feed again after that.
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
        """Take one thing from the front; False when more bytes are needed."""
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
        """Line ends between messages (§7.5); a double one is a ping, and a row of pings gets one answer."""
        buffer = self._buffer
        if buffer[:4] == PING:
            del buffer[:4]
            if not out or out[-1] is not KEEP_ALIVE:
                out.append(KEEP_ALIVE)
            return True
        if PING.startswith(buffer):
            return False
        if buffer[:2] != b"\r\n":
            # Also what a TLS client says to a TCP port: nothing that comes behind it can be a message.
            raise MalformedMessage("Bad Line End")
        del buffer[:2]
        return True

    def _measure(self) -> int:
        """The length of the message at the front, 0 while its head is not complete."""
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
        # Another reader might take a lone CR or LF for a line end, and see another length.
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
