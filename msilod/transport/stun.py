"""STUN: answers Binding requests on the SIP port, so that a phone behind NAT keeps its flow (RFC 5626 §4.4.2).

Rules: pure. A STUN message begins with two zero bits and has the magic cookie (RFC 5389 §6), and a SIP message
begins with a letter: the first byte decides. Only Binding requests are answered (RFC 5626 §8), without credentials.
The answer is hardly longer than the request.

    0                 2                 4                 8                20
    | type            | length          | magic cookie    | transaction id | attributes: type, length, value, padding
"""

import ipaddress
import struct
from typing import Final

MAGIC: Final = b"\x21\x12\xa4\x42"
HEADER: Final = struct.Struct("!HH4s12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ERROR: Final = 0x0111
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_XOR_MAPPED_ADDRESS: Final = 0x0020
# RFC 5389 §15: attributes below 0x8000 must be understood. USERNAME and MESSAGE-INTEGRITY are, and neither is required.
_OPTIONAL: Final = 0x8000
_UNDERSTOOD: Final = frozenset((0x0006, 0x0008))
_FAMILY: Final = {4: 1, 6: 2}


def is_stun(data: bytes) -> bool:
    """True for two zero bits, the cookie, and a right length (RFC 5389 §6, §7.3)."""
    return (
        len(data) >= HEADER.size
        and data[0] < 0x40
        and data[4:8] == MAGIC
        and HEADER.size + int.from_bytes(data[2:4], "big") == len(data)
        and len(data) % 4 == 0
    )


def answer(data: bytes, host: str, port: int) -> bytes | None:
    """Return the response to a STUN message from `host`, None when the message is no Binding request."""
    kind, _, _, transaction = HEADER.unpack_from(data)
    if kind != _BINDING_REQUEST:
        return None
    unknown = _not_understood(data)
    if unknown is None:
        return None
    if unknown:
        code = _attribute(_ERROR_CODE, struct.pack("!HBB", 0, 4, 20) + b"Unknown Attribute")
        names = b"".join([name.to_bytes(2, "big") for name in unknown])
        return _message(_BINDING_ERROR, transaction, code + _attribute(_UNKNOWN_ATTRIBUTES, names))
    return _message(_BINDING_SUCCESS, transaction, _mapped(host, port, transaction))


def _not_understood(data: bytes) -> list[int] | None:
    """Return the attributes that must be understood and are unknown; None for malformed attributes."""
    unknown: list[int] = []
    position = HEADER.size
    while position < len(data):
        if position + _ATTRIBUTE.size > len(data):
            return None
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        position += _ATTRIBUTE.size + length + -length % 4
        if kind < _OPTIONAL and kind not in _UNDERSTOOD:
            unknown.append(kind)
    # The answer must not grow with the request, so that a spoofed source yields no amplification.
    return unknown[:4] if position == len(data) else None


def _mapped(host: str, port: int, transaction: bytes) -> bytes:
    """XOR-MAPPED-ADDRESS (§15.2): some NATs rewrite each plain address in a datagram."""
    address = ipaddress.ip_address(host.partition("%")[0])
    key = (MAGIC + transaction)[: len(address.packed)]
    hidden = bytes([one ^ other for one, other in zip(address.packed, key, strict=True)])
    head = struct.pack("!BBH", 0, _FAMILY[address.version], port ^ 0x2112)
    return _attribute(_XOR_MAPPED_ADDRESS, head + hidden)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, attributes: bytes) -> bytes:
    return HEADER.pack(kind, len(attributes), MAGIC, transaction) + attributes
