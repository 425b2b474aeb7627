"""NameAddr: reads and writes the values of From, To, Contact, Route and Path (RFC 3261 §20.10, §25.1).

Rules: without angle brackets the text behind the first `;` is header parameters (§20). The URI stays bytes and is
parsed on use, since the scheme may be any.
"""

from functools import lru_cache
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import (
    COMMA,
    CONTROLS,
    HASH,
    TOKEN_ONLY,
    URI_ONLY,
    WSP,
    is_param_value,
    is_token,
    quoted_end,
    split_outside,
)
from msilod.sip.uri import escape_hash

MAX_ADDRESS: Final = 4096

Params = tuple[tuple[bytes, bytes | None], ...]

_QUESTION: Final = 0x3F
# Unquoted display names should be tokens. Phones send other characters too; only these are refused.
_NEVER_IN_DISPLAY: Final = CONTROLS.replace(b"\t", b"") + b',;"<>\\'


class NameAddr:
    """One address. `display` is as received with quotes, `uri` raw, `params` are the header parameters in order.

    `tag` is the value of the tag parameter, b"" without one (RFC 3261 §19.3). Read only: equal addresses without a tag
    share one object.
    """

    __slots__ = ("display", "params", "tag", "uri")

    def __init__(self, display: bytes, uri: bytes, params: Params = (), tag: bytes = b"") -> None:
        self.display = display
        self.uri = uri
        self.params = params
        self.tag = tag

    @classmethod
    def parse(cls, value: bytes) -> "NameAddr":
        """Parse one value of From, To, Contact, Route and similar fields. Raises MalformedMessage (400)."""
        if len(value) > MAX_USUAL:
            return _parse_unusual(value)
        # The usual form, `"Display" <uri>;tag=token` or less, takes a third of the time of the full grammar.
        head, _, tail = value.strip(WSP).rpartition(b">")
        usual = _remembered(head)
        if usual is not None:
            if not tail:
                return usual
            between, _, tag = tail.partition(b";tag=")
            if tag and not between and tag.translate(TOKEN_ONLY) == tag:
                return NameAddr(usual.display, usual.uri, ((b"tag", tag),), tag)
        return _parse_unusual(value)

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a parameter, b"" without a value, None when absent; `name` is in lower case."""
        for key, value in self.params:
            if key.lower() == name:
                return value or b""
        return None

    def to_bytes(self) -> bytes:
        """Return the address in angle brackets, so that header parameters never become URI parameters (§20.10)."""
        display = self.display + b" " if self.display else b""
        params = b"".join([b";" + k if v is None else b";%b=%b" % (k, v) for k, v in self.params])
        return b"%b<%b>%b" % (display, self.uri, params)

    def __repr__(self) -> str:
        return f"<NameAddr {self.to_bytes()!r}>"


def _parse_unusual(value: bytes) -> NameAddr:
    """Parse a value with the full grammar."""
    if len(value) > MAX_ADDRESS:
        raise MalformedMessage("Address Too Long")
    display, uri, tail = _cut(value.strip(WSP))
    if HASH in uri:
        uri = escape_hash(uri)
    if not uri or uri.translate(URI_ONLY) != uri or uri.find(b":") < 1:
        raise MalformedMessage("Bad Address")
    params = _params(tail) if tail else ()
    tags = [value for name, value in params if name.lower() == b"tag"]
    return NameAddr(display, uri, params, (tags[0] or b"") if tags else b"")


def _usual_head(head: bytes) -> NameAddr | None:
    """Parse `"Display" <uri`, or less; None for other forms."""
    start = 0
    if head[:1] == b'"':
        start = head.find(b'" <') + 2
        if head.find(b'"', 1) != start - 2 or b"\\" in head:
            return None
    uri = head[start + 1 :]
    if head[start : start + 1] != b"<" or uri.translate(URI_ONLY) != uri or uri.find(b":") < 1:
        return None
    return NameAddr(head[: start - 1] if start else b"", uri)


# Senders and recipients recur, and only the tag is new: 0.8 us instead of 1.5, and 0.4 without a tag. Hostile traffic
# can only evict entries. A full cache takes 10 MB.
MAX_USUAL: Final = 160
_remembered: Final = lru_cache(16_384)(_usual_head)


def _cut(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Return display name, URI, and the rest from the first `;` on."""
    if value[:1] == b'"':
        end = quoted_end(value)
        rest = value[end:].lstrip(WSP)
        if end < 0 or rest[:1] != b"<":
            raise MalformedMessage("Bad Display Name")
        return value[:end], *_bracketed(rest)
    less = value.find(b"<")
    quote = value.find(b'"')
    if less < 0 or 0 <= quote < less:
        return _bare(value)
    display = value[:less]
    if display.translate(None, _NEVER_IN_DISPLAY) != display:
        # A `;` before the `<` is nonsense, or an addr-spec with a bracket in a parameter. Both are refused.
        raise MalformedMessage("Bad Display Name")
    if b":" in display and b"@" in display:
        # `sip:alice@a.test <sip:mallory@a.test>`: a token has neither `:` nor `@`, and some parsers take the first URI.
        raise MalformedMessage("Bad Display Name")
    return display.rstrip(WSP), *_bracketed(value[less:])


def _bracketed(value: bytes) -> tuple[bytes, bytes]:
    uri, closed, tail = value[1:].partition(b">")
    if not closed:
        raise MalformedMessage("Bad Address")
    return uri, tail.strip(WSP)


def _bare(value: bytes) -> tuple[bytes, bytes, bytes]:
    uri, semicolon, tail = value.partition(b";")
    if _QUESTION in uri or COMMA in uri:
        raise MalformedMessage("Address Needs Angle Brackets")
    return b"", uri.rstrip(WSP), semicolon + tail


def _params(tail: bytes) -> Params:
    empty, *pieces = split_outside(tail, b";")
    if empty:
        raise MalformedMessage("Bad Address Parameters")
    params = tuple([_param(piece) for piece in pieces])
    # RFC 3261 §7.3.1: a parameter must not be repeated. Two tags would make two dialogs of one message.
    if len({key.lower() for key, _ in params}) != len(params):
        raise MalformedMessage("Repeated Address Parameter")
    return params


def _param(piece: bytes) -> tuple[bytes, bytes | None]:
    name, equals, value = piece.partition(b"=")
    name = name.rstrip(WSP)
    value = value.lstrip(WSP)
    if not is_token(name) or not is_param_value(value):
        raise MalformedMessage("Bad Address Parameters")
    return name, value if equals else None
