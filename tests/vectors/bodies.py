"""Vectors about bodies, their length and their type (RFC 3261 §18.3, §20.14, §20.15; RFC 3428 §5)."""

from typing import Final

from tests.vectors.vector import WAITS, vector

LENGTHS: Final = (
    vector("length_short", "surplus of a datagram is dropped, of a stream is the next message (§18.3)", 202,
           suffix=b" and more\r\n\r\n", closes=True),
    vector("length_long", "a datagram is over, a stream goes on (§18.3)", 400,
           content_length=b"Content-Length: 6",
           stream=WAITS),
    vector("length_none", "to the end of the datagram; a stream needs it (§18.3, §20.14)", 202,
           content_length=b"",
           stream=400, closes=True),
    vector("length_padded", "some clients pad (§25.1)", content_length=b"Content-Length:     5  "),
    vector("length_zeros", "leading zeros are digits", content_length=b"Content-Length: 0000000005"),
    vector("length_negative", "no number", 400, content_length=b"Content-Length: -5", closes=True),
    vector("length_hex", "no number", 400, content_length=b"Content-Length: 0x5", closes=True),
    vector("length_float", "no number", 400, content_length=b"Content-Length: 5e0", closes=True),
    vector("length_huge", "more than anybody has", 400,
           content_length=b"Content-Length: 99999999999999999999",
           stream=413, closes=True),
    vector("length_twice_same", "twice the same says nothing new (§7.3.1)", 202, b"l: 5"),
    vector("length_twice_other", "two lengths are how requests are smuggled", 400, b"l: 0", closes=True),
    vector("empty_body", "nothing said is said too (RFC 3428 §5)", body=b""),
)  # fmt: skip

TYPES: Final = (
    vector("no_type", "RFC 2045 would say text/plain", content_type=b""),
    vector("nul_body", "bytes are kept (law 5)", body=b"\x00\x01\x00"),
    vector("every_octet", "bytes are kept (law 5)", body=bytes(range(256)),
           content_type=b"Content-Type: application/octet-stream"),
    vector("looks_like_sip", "a body is no message",
           body=b"SIP/2.0 200 OK\r\n\r\nMESSAGE sip:x SIP/2.0\r\n\r\n"),
    vector("only_line_ends", "a body of line ends is a body", body=b"\r\n\r\n\r\n"),
    vector("utf16", "the charset says how to read it",
           content_type=b"Content-Type: text/plain;charset=UTF-16",
           body="ahoj".encode("utf-16")),
    vector("cpim", "opaque (RFC 3862)", content_type=b"Content-Type: message/cpim",
           body=b"From: <im:a@x.test>\r\nTo: <im:b@x.test>\r\n\r\nContent-Type: text/plain\r\n\r\nhi"),
    vector("deflate", "Content-Encoding is the device's to undo (clients.md 2)", 202, b"Content-Encoding: deflate",
           content_type=b"Content-Type: message/imdn+xml", body=b"\x78\x9c\x03\x00\x00\x00\x00\x01"),
    vector("multipart", "boundary and all", content_type=b'Content-Type: multipart/mixed;boundary="--=_x"',
           body=b"----=_x\r\n\r\na\r\n----=_x--\r\n"),
    vector("composing", "soft state is never kept (RFC 3994 §3.3)", 480, b"Expires: 60",
           content_type=b"Content-Type: Application/Im-IsComposing+XML ; charset=UTF-8",
           body=b"<isComposing/>"),
    vector("type_255", "as long as anybody's", content_type=b"Content-Type: application/%b" % (b"x" * 243)),
)  # fmt: skip
