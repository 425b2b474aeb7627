"""Via: reads the sender and the way back of a message (RFC 3261 §18, §20.42, RFC 3581).

Rules: only the topmost value is parsed, and stamp.py changes only this value. The values below belong to other servers
and go back unchanged.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import (
    DIGIT,
    HEX,
    HOST_ONLY,
    TOKEN_ONLY,
    VALUE_ONLY,
    WSP,
    is_param_value,
    is_token,
    number,
    only,
    split_outside,
    words,
)

COOKIE: Final = b"z9hG4bK"
MAX_PORT: Final = 65535
DEFAULT_PORT: Final = 5060

_PROTOCOLS: Final = {b"SIP/2.0/" + name: name for name in (b"UDP", b"TCP", b"TLS", b"WS", b"WSS")}
_DEFAULT_PORTS: Final = {b"TLS": 5061, b"TLS-SCTP": 5061, b"WS": 80, b"WSS": 443}
_NAME_ONLY: Final = only(DIGIT + b"abcdefghijklmnopqrstuvwxyz-_.")
_IPV6_ONLY: Final = only(HEX + b":.")

Params = dict[bytes, bytes | None]
# Transport, host, port, and `host:port` with the default port filled in (see Via.sent_by).
Sender = tuple[bytes, bytes, int | None, bytes]


class Via:
    """One Via value.

    `transport` is in upper case. `host` is in lower case; an IPv6 address has brackets. `port` is None when absent.
    `sent_by` is `host:port` with the default port of the transport filled in (§17.2.3, §18.1.1). `branch` is b"" when
    absent. `raw` is the received value. `asks_rport`: True when the only parameters are the branch and an `rport`
    without a value; this saves the search for other parameters.
    """

    __slots__ = ("_params", "asks_rport", "branch", "host", "port", "raw", "sent_by", "transport")

    def __init__(
        self,
        transport: bytes,
        host: bytes,
        port: int | None,
        sent_by: bytes,
        branch: bytes,
        raw: bytes,
        asks_rport: bool = False,
    ) -> None:
        self.asks_rport = asks_rport
        self.transport = transport
        self.host = host
        self.port = port
        self.sent_by = sent_by
        self.branch = branch
        self.raw = raw
        self._params: Params | None = None

    @property
    def params(self) -> Params:
        """The parameters by lower-case name, in order; read only. Of two with one name the first counts."""
        if self._params is None:
            self._params = _read_params(self.raw)
        return self._params

    @property
    def has_cookie(self) -> bool:
        """True when the branch is a transaction identifier of RFC 3261 (§8.1.1.7), not of RFC 2543.

        A branch of only the cookie identifies no transaction (RFC 4475 §3.2.1).
        """
        return self.branch[:7] == COOKIE != self.branch

    def stamp(self, raw: bytes) -> None:
        """Exchange the text. Only parameters other than the branch may differ."""
        self.asks_rport = False
        self.raw = raw
        self._params = None

    def __bytes__(self) -> bytes:
        return self.raw

    def __repr__(self) -> str:
        return f"<Via {self.raw!r}>"


# The Via of a request of this server, before sending.
NO_VIA: Final = Via(b"", b"", None, b"", b"", b"")


def parse_via(value: bytes) -> Via:
    """Parse one trimmed Via value. Raises MalformedMessage (400)."""
    head, _, tail = value.partition(b";branch=")
    sent, more, before = head.partition(b";")
    branch, still_more, rest = tail.partition(b";")
    # Nearly all phones send no other parameter beside the branch.
    asks_rport = (before == b"rport" and not rest) or (rest == b"rport" and not before)
    if (
        not branch
        or branch.translate(TOKEN_ONLY) != branch
        or ((more or still_more) and not asks_rport and not _are_plain(head, tail))
    ):
        return _parse_spaced(value)
    transport, host, port, sent_by = _sender(sent) if len(sent) < MAX_REMEMBERED else _read_sender(sent)
    return Via(transport, host, port, sent_by, branch, value, asks_rport)


def _are_plain(head: bytes, tail: bytes) -> bool:
    """True when the parameters have no white space, no quotes, no capitals in names and no repeated name.

    `head` is the text before the branch, `tail` the text after the branch.
    """
    names = {b"branch"}
    pieces = head.split(b";")[1:] + tail.split(b";")[1:]
    for piece in pieces:
        name, _, content = piece.partition(b"=")
        if not name or name.translate(_NAME_ONLY) != name or content.translate(VALUE_ONLY) != content:
            return False
        names.add(name)
    return len(names) == len(pieces) + 1


def top_value(value: bytes) -> bytes:
    """Return the first of the comma-separated values of a Via line."""
    return split_outside(value, b",")[0]


def _parse_spaced(value: bytes) -> Via:
    """Parse a value with white space (SEMI and EQUAL of §25.1), quoted parameters, or no branch."""
    sent, *pieces = split_outside(value, b";")
    params = dict(_param(piece) for piece in pieces)
    if len(params) != len(pieces):
        raise MalformedMessage("Bad Via Parameters")
    return Via(*_read_sender(sent), params.get(b"branch") or b"", value)


def parse_outline(value: bytes) -> Via:
    """Return transport and sent-by of a Via with unreadable parameters or of another SIP version.

    This is enough for an answer of 400 or 505. Raises MalformedMessage (400).
    """
    return Via(*_read_sender(value.partition(b";")[0], None), b"", value)


def _read_sender(sent: bytes, version: bytes | None = b"2.0") -> Sender:
    """Parse `SIP/2.0/UDP host:port`, with white space around `/` and `:`. With `version` None any version is read."""
    transport, sent_by = _protocol(sent, version)
    host, port = _host_port(sent_by)
    return transport, host, port, b"%b:%d" % (host, port or _DEFAULT_PORTS.get(transport, DEFAULT_PORT))


def _protocol(sent: bytes, version: bytes | None) -> tuple[bytes, bytes]:
    """Return the transport in upper case and the text behind."""
    protocol, _, sent_by = sent.partition(b" ")
    transport = _PROTOCOLS.get(protocol)
    if transport is not None:
        return transport, sent_by.strip(WSP)
    name, _, rest = sent.partition(b"/")
    found, _, rest = rest.partition(b"/")
    parts = words(rest)
    if name.strip(WSP).upper() != b"SIP" or version not in (None, found.strip(WSP)) or len(parts) < 2:
        raise MalformedMessage("Bad Via")
    if not is_token(parts[0]):
        raise MalformedMessage("Bad Via")
    return parts[0].upper(), b" ".join(parts[1:])


# Most requests come from recently seen senders: a look-up takes 0.1 us instead of 0.7. Hostile traffic can only evict
# entries. 4096 keys of less than MAX_REMEMBERED bytes take at most 1 MB.
MAX_REMEMBERED: Final = 80
_sender: Final = lru_cache(4096)(_read_sender)


def _param(piece: bytes) -> tuple[bytes, bytes | None]:
    name, equals, content = piece.partition(b"=")
    name = name.rstrip(WSP).lower()
    content = content.lstrip(WSP)
    if not is_token(name) or not is_param_value(content):
        raise MalformedMessage("Bad Via Parameters")
    return name, content if equals else None


def _host_port(sent_by: bytes) -> tuple[bytes, int | None]:
    if sent_by[:1] == b"[":
        inside, closed, rest = sent_by[1:].partition(b"]")
        host = b"[%b]" % inside
        empty, colon, digits = rest.partition(b":")
        good = closed and inside and inside.translate(_IPV6_ONLY) == inside and not empty.strip(WSP)
    else:
        host, colon, digits = sent_by.partition(b":")
        host = host.rstrip(WSP)
        good = host and host.translate(HOST_ONLY) == host
    if not good:
        raise MalformedMessage("Bad Via Host")
    port = number(digits.strip(WSP), MAX_PORT) if colon else None
    if colon and not port:
        raise MalformedMessage("Bad Via Port")
    return host.lower(), port


def _read_params(raw: bytes) -> Params:
    params: Params = {}
    for piece in split_outside(raw, b";")[1:]:
        name, equals, content = piece.partition(b"=")
        params.setdefault(name.rstrip(WSP).lower(), content.lstrip(WSP) if equals else None)
    return params


def response_address(via: Via) -> tuple[str, int]:
    """Return host (without brackets) and port for a response without its flow (RFC 3261 §18.2.2, RFC 3581 §4).

    Raises MalformedMessage for a bad port and for an address which is not the address of one host (RFC 4475 §3.3.10).
    """
    params = via.params
    default = via.port or _DEFAULT_PORTS.get(via.transport, DEFAULT_PORT)
    maddr = params.get(b"maddr") if via.transport == b"UDP" else None
    if maddr:
        return _one_host(maddr), default
    rport = params.get(b"rport") if via.transport == b"UDP" else None
    port = number(rport, MAX_PORT) if rport else default
    if not port:
        raise MalformedMessage("Bad Via Port")
    return _one_host(params.get(b"received") or via.host), port


def _one_host(host: bytes) -> str:
    if host.translate(VALUE_ONLY) != host:
        raise MalformedMessage("Bad Via Host")
    text = host.decode("ascii").lower().removeprefix("[").removesuffix("]")
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        raise MalformedMessage("Bad Via Host")
    return text
