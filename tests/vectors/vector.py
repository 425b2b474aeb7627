"""What a vector of ours is: bytes, and what a server for example.test must make of them.

Rules: the published vectors (RFC 4475, RFC 5118) hardly know MESSAGE, limits, bodies and streams; these do.
Each has a name, the bytes, the status it is answered with by a daemon whose user bob is away (202: it is in
bob's mailbox; NOTHING: no answer at all), and why. `stream` differs from `udp` only where framing says so.
"""

from typing import Final, NamedTuple

NOTHING: Final = 0
# On a stream: not complete, so nobody is answered yet.
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
    """`data` on a stream and as a datagram, the status each is answered with, and the reason.

    `closes`: a stream is closed behind it, because nobody knows where its next message begins.
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
    """A MESSAGE with these `lines` in place of the usual ones (b"" leaves one out) and `more` behind them.

    `prefix` stands before the start line, `suffix` behind the body; `end` closes each line.
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
