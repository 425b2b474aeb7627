"""Sample messages for the tests of this room. Lines in, bytes out; every part can be replaced."""

from collections.abc import Callable
from typing import TypeVar

from msilod.errors import MalformedMessage
from msilod.sip.flow import BY_DATAGRAM, Endpoint, Flow
from msilod.sip.message import Request, Response
from msilod.sip.parser import parse

Parsed = TypeVar("Parsed")

REQUEST_LINE = b"MESSAGE sip:bob@example.test SIP/2.0"
VIA = b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5"
FIELDS = {
    b"Via": VIA,
    b"Max-Forwards": b"Max-Forwards: 70",
    b"From": b'From: "Alice" <sip:alice@example.test>;tag=3b1f',
    b"To": b"To: <sip:bob@example.test>",
    b"Call-ID": b"Call-ID: 5f0b2c1e@192.0.2.17",
    b"CSeq": b"CSeq: 20 MESSAGE",
    b"Content-Type": b"Content-Type: text/plain",
}
FLOW = Flow(Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060"), "198.51.100.7", 40001)


def message(
    *more: bytes,
    start: bytes = REQUEST_LINE,
    body: bytes | None = b"hello",
    end: bytes = b"\r\n",
    **other: bytes,
) -> bytes:
    """A MESSAGE. `other` takes whole lines by name (`call_id=b"i: x"`), b"" drops the field.

    `more` are further lines behind the others; `body` None adds neither body nor Content-Length.

    """
    lines = dict(FIELDS)
    spelled = {name.lower().replace(b"-", b"_").decode(): name for name in FIELDS}
    for name, line in other.items():
        lines[spelled[name]] = line
    kept = [start, *[line for line in lines.values() if line], *more]
    if body is not None:
        kept.append(b"Content-Length: %d" % len(body))
    return end.join([*kept, b"", body or b""])


def request(data: bytes) -> Request:
    """`data` parsed as a request."""
    parsed = parse(data)
    assert isinstance(parsed, Request)
    return parsed


def response(data: bytes) -> Response:
    """`data` parsed as a response."""
    parsed = parse(data)
    assert isinstance(parsed, Response)
    return parsed


def refusal(data: bytes, framing: int = BY_DATAGRAM) -> MalformedMessage:
    """The error of the refused `data`."""
    try:
        parsed = parse(data, framing)
    except MalformedMessage as error:
        return error
    raise AssertionError(f"parsed as {parsed!r}")


def outcome(parser: Callable[[bytes], Parsed], data: bytes) -> Parsed | None:
    """The result of `parser`; None for a refusal with 400. Other errors fail."""
    try:
        return parser(data)
    except MalformedMessage as error:
        if error.status != 400:
            raise
        return None
