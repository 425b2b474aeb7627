"""Requests: the bytes of requests as a client writes requests, and the requests derived from a sent request.

Text is encoded as UTF-8 with `surrogateescape`, so bytes taken from a received message are sent unchanged. A test may
also send bytes written by hand: no function here checks a message.
"""

import re
from collections.abc import Iterator
from typing import Final

from msilod.sip.message import Request, Response
from tests.credentials import answer_of

_OF_THE_HOP: Final = (b"via:", b"max-forwards:", b"from:", b"to:", b"call-id:", b"cseq:", b"route:")


def decoded(value: bytes | None) -> str:
    """A header value as text; "" for None."""
    return (value or b"").decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def head(
    method: str, uri: str, via: str, from_: str, to: str, call_id: str, cseq: int, lines: str = ""
) -> str:
    """The request line and the header fields of all requests. `lines`: further header lines, each with CRLF."""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from_}\r\nTo: {to}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{lines}"
    )


def with_body(head: str, body: bytes | str = b"") -> bytes:
    """The bytes of a request with these header fields."""
    content = encoded(body) if isinstance(body, str) else body
    return encoded(f"{head}Content-Length: {len(content)}\r\n\r\n") + content


def of_same_hop(request: bytes, method: bytes, to: bytes = b"") -> bytes:
    """The CANCEL of an INVITE, or the ACK of a failure, with the To of the response (RFC 3261 §9.1, §17.1.1.3)."""
    first, *fields = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    asked, uri, version = first.split(b" ", 2)
    kept = [b"%b %b %b" % (method, uri, version)]
    for line in fields:
        name = line.lower()
        if name.startswith(b"to:") and to:
            kept.append(b"To: " + to)
        elif name.startswith(b"cseq:"):
            kept.append(line.replace(asked, method))
        elif name.startswith(_OF_THE_HOP):
            kept.append(line)
    return b"\r\n".join([*kept, b"Content-Length: 0", b"", b""])


def acknowledged(invite: bytes, response: Response) -> bytes:
    """The ACK of a failure of an INVITE."""
    return of_same_hop(invite, b"ACK", response.headers.get(b"to") or b"")


def with_credentials(request: bytes, challenge: Response, branch: str, name: str, password: str) -> bytes:
    """The request again, as the answer to a 401 or 407: with credentials, a new branch and the next CSeq (§22.2)."""
    method, uri = request.split(b" ", 2)[:2]
    line = encoded(answer_of(challenge, decoded(method), decoded(uri), name, password))
    head, _, body = request.partition(b"\r\n\r\n")
    head = re.sub(rb"branch=[^\s;]+", encoded(f"branch={branch}"), head, count=1)
    head = re.sub(rb"CSeq: (\d+)", lambda found: b"CSeq: %d" % (int(found[1]) + 1), head, count=1)
    return b"%b\r\n%b\r\n\r\n%b" % (head, line, body)


def recorded(request: Request) -> list[tuple[bytes, bytes]]:
    """The Record-Route lines of a request, for the response (§12.1.1)."""
    return [(b"Record-Route", value) for value in request.headers.split(b"record-route")]


class Pieces:
    """The messages of a stream, by Content-Length (§18.3). A message without Content-Length is an error."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add received bytes; yields each complete message."""
        self._rest += data
        while (length := _length(self._rest)) is not None and len(self._rest) >= length:
            message, self._rest = self._rest[:length], self._rest[length:]
            yield message


def _length(data: bytes) -> int | None:
    """The length of the first message in `data`; None when the header fields are incomplete."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"l"):
            return len(head) + 4 + int(value)
    raise AssertionError(f"a message without Content-Length on a stream: {head!r}")
