"""MESSAGEs as the parser makes them, for the tests of this room."""

from msilod.sip.message import Request
from msilod.sip.parser import parse

SENDER = "alice@example.test"
VIA = b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;rport"
FROM = b'From: "Alice" <sip:alice@example.test>;tag=1928'


def message(
    *lines: bytes,
    body: bytes = b"Hello",
    uri: bytes = b"sip:bob@example.test",
    from_: bytes = FROM,
    to: bytes = b"To: <sip:bob@example.test>",
    content_type: bytes | None = b"Content-Type: text/plain;charset=UTF-8",
) -> Request:
    """A MESSAGE with further header `lines`."""
    head = [b"MESSAGE %b SIP/2.0" % uri, VIA, from_, to, b"Call-ID: c1@pc", b"CSeq: 7 MESSAGE", *lines]
    if content_type is not None:
        head.append(content_type)
    head.append(b"Content-Length: %d" % len(body))
    request = parse(b"\r\n".join([*head, b"", body]))
    assert isinstance(request, Request)
    return request
