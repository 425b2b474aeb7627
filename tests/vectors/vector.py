"""A vector: bytes, and the right answer of a server for example.test.

The published vectors (RFC 4475, RFC 5118) hardly cover MESSAGE, limits, bodies and streams; these vectors do.
Each vector has a name, the bytes, the status of the answer of a daemon with the user bob away (202: stored in the
mailbox of bob; NOTHING: no answer at all), and the reason. `stream` differs from `udp` only by framing.

"""

from typing import Final, NamedTuple

NOTHING: Final = 0
# On a stream: not complete, so there is no answer yet.
WAITS: Final = -1

LINES: Final = {
    "start": b"MESSAGE sip:bob@example.test SIP/2.0",
    "via": b"Via: SIP/2.0/UDP 127.0.0.1:5071;rport;branch=z9hG4bK%b",
    "max_forwards": b"Max-Forwards: 70",
    "from_": b'From: "Alice" <sip:alice@example.test>;tag=3b1f',
    "to": b"To: <sip:bob@example.test>",
    "call_id": b"Call-ID: %b@127.0.0.1",
    "cseq": b"CSeq: 1 MESSAGE",
    "content_type": b"Content-Type: text/plain",
    "content_length": b"Content-Length: %d",
}


class Vector(NamedTuple):
    """`data` on a stream and as a datagram, the status for each, and the reason.

    `closes`: the daemon closes a stream after the vector, because the start of the next message is unknown.

    """

    name: str
    data: bytes
    udp: int
    stream: int
    why: str
    closes: bool


def vector(
    name: str,
    why: str,
    status: int = 202,
    *more: bytes,
    stream: int | None = None,
    closes: bool = False,
    body: bytes = b"hello",
    prefix: bytes = b"",
    suffix: bytes = b"",
    end: bytes = b"\r\n",
    **lines: bytes,
) -> Vector:
    """A MESSAGE with these `lines` in place of the usual ones (b"" leaves a line out) and `more` behind the lines.

    `prefix` is before the start line, `suffix` behind the body; `end` closes each line.

    """
    token = name.replace("_", "").encode()
    usual = dict(LINES)
    usual["via"] = usual["via"] % token
    usual["call_id"] = usual["call_id"] % token
    usual["content_length"] = usual["content_length"] % len(body)
    unknown = lines.keys() - usual.keys()
    assert not unknown, unknown
    head = [line for line in {**usual, **lines}.values() if line]
    data = prefix + end.join([*head[:-1], *more, head[-1], b"", b""]) + body + suffix
    return Vector(name, data, status, status if stream is None else stream, why, closes)
