"""The dialog token: the facts about a dialog in our Record-Route, as bytes (RFC 3261 §12, §16.6 step 4).

    token = MAC(12) cipher(flags(1) ends_at(4) side(4) caller callee [instance(4)] [callee's AOR])
    place = kind(1) [listener(2)] [connection(4)] [port(2) address(4 or 16)] [client(8)]

The MAC also covers the parts repeated in every request of the dialog: Call-ID, the caller's tag, and the addresses in
From and To with their AORs on this server. The token does not contain these parts, and so is shorter than 90 characters
with IPv4 and 120 with IPv6. Each client behind an edge proxy takes eleven more. The text is enciphered under the MAC (a
synthetic IV, as in registrar/gruu.py), so a peer learns no address from the token.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b, shake_256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Endpoint, Flow
from msilod.sip.tel import is_tel, parse_tel
from msilod.sip.uri import SipUri, canonical_user

# The value of auth/source.py for an indistinguishable client behind an edge proxy.
NOT_TOLD: Final = "-"
_TRANSPORTS: Final = (UDP, TCP, TLS, WS, WSS)
_MAC_BYTES: Final = 12
_FIXED: Final = 9
_IPV6: Final = 0x08
_STREAM: Final = 0x10
_CLIENT: Final = 0x20
_CLIENT_BYTES: Final = 8
_NOWHERE: Final = 0xFF
_MOST_SECONDS: Final = 2**32 - 1
# The token contains the AOR only when To has another AOR.
MAX_AOR: Final = 128

# Flags.
CALLER_IS_HIDDEN: Final = 1
CALLER_IS_USER: Final = 2
CALLEE_IS_BOUND: Final = 4
CALLEE_IS_USER: Final = 8
_HAS_INSTANCE: Final = 16
CALLEE_IS_IN_TO: Final = 32
# The callee's place is the place of a contact, or from the routing policy. The Request-URI of a caller proves nothing
# about To.
CALLEE_IS_PROVEN: Final = 64
# The caller has shown a password, or sent from the place where the AOR in From is registered.
CALLER_IS_PROVEN: Final = 128


class Place:
    """Where the messages of one peer come from: our listener, the peer's address and port, the connection of a stream.

    `listener` is a hash of the listener, 16 bits. `connection` is 0 on UDP. `host` is "" for an unknown place. `client`
    is a hash of the client behind an edge proxy, b"" without an edge proxy.
    """

    __slots__ = ("client", "connection", "host", "listener", "port", "transport")

    def __init__(
        self, transport: str, listener: bytes, host: str, port: int, connection: int, client: bytes = b""
    ) -> None:
        self.client = client
        self.transport = transport
        self.listener = listener
        self.host = host
        self.port = port
        self.connection = connection

    def is_source_of(self, flow: Flow, client: str = "") -> bool:
        """True when a message on `flow` came from this place; `client` is the client behind an edge proxy, or ""."""
        if client and (client == NOT_TOLD or self.client != _client(client)):
            return False
        return (
            bool(self.host)
            and flow.host == self.host
            and flow.port == self.port
            and flow.connection == self.connection
            and flow.transport == self.transport
        )

    def name(self, listening: Iterable[Endpoint]) -> str:
        """Return `repr` of the flow from one of these listeners to this place; "" when the listener is gone."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        tail = f"#{self.connection}" if self.connection else ""
        for endpoint in listening if host else ():
            if endpoint.transport == self.transport and _listener(endpoint) == self.listener:
                return f"{endpoint!r}>{host}:{self.port}{tail}"
        return ""


NOWHERE: Final = Place("", b"", "", 0, 0)


class DialogToken:
    """The content of one token. `ends_at` is in seconds since 1970.

    `side` is a hash of host and port of the caller's side. `instance` is a hash of the callee's +sip.instance, b""
    without one. `callee_aor` is the AOR of the contact which received the INVITE; "" when To has this AOR
    (`CALLEE_IS_IN_TO`), or without an AOR.
    """

    __slots__ = ("callee", "callee_aor", "caller", "ends_at", "flags", "instance", "side")

    def __init__(
        self,
        flags: int,
        ends_at: int,
        side: bytes,
        caller: Place,
        callee: Place,
        instance: bytes = b"",
        callee_aor: str = "",
    ) -> None:
        self.flags = flags
        self.ends_at = ends_at
        self.side = side
        self.caller = caller
        self.callee = callee
        self.instance = instance
        self.callee_aor = callee_aor


class DialogNames:
    """The parts repeated in each request of a dialog, seen from the caller. The MAC of a token covers these.

    `caller` and `callee` are URIs. `caller_aor` and `callee_aor` are their AORs on this server, "" for foreign URIs.
    The AORs are needed since `peer` leaves out ports and contexts: `sip:alice@example.test:9` is a foreign URI.
    """

    __slots__ = ("covered",)

    def __init__(
        self,
        call_id: bytes,
        caller_tag: bytes,
        caller: bytes,
        callee: bytes,
        caller_aor: str,
        callee_aor: str,
    ) -> None:
        parts = (call_id, caller_tag, peer(caller), peer(callee), caller_aor.encode(), callee_aor.encode())
        self.covered = b"".join([b"%d:%b" % (len(part), part) for part in parts])


class DialogTokens:
    """Makes and reads tokens.

    `secret` has 16 to 64 bytes and is kept over restarts, since dialogs outlive a restart.
    """

    def __init__(self, secret: bytes) -> None:
        self._mac = blake2b(digest_size=_MAC_BYTES, key=secret, person=b"dialog-mac")
        self._key = blake2b(key=secret, person=b"dialog-cipher").digest()

    def seal(self, names: DialogNames, token: DialogToken) -> str:
        """Return the text of `token` for the dialog `names`: letters, digits, `-` and `_`."""
        flags = token.flags | (_HAS_INSTANCE if token.instance else 0)
        ends_at = min(max(token.ends_at, 0), _MOST_SECONDS)
        plain = (
            bytes((flags,)) + ends_at.to_bytes(4, "big") + token.side
            + _packed(token.caller) + _packed(token.callee) + token.instance + token.callee_aor.encode()
        )  # fmt: skip
        mac = self._mac_of(names, plain)
        return urlsafe_b64encode(mac + self._ciphered(plain, mac)).rstrip(b"=").decode()

    def open(self, names: DialogNames, text: str) -> DialogToken | None:
        """Return the content of `text`; None for a text of another server or another dialog."""
        try:
            data = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        mac = data[:_MAC_BYTES]
        plain = self._ciphered(data[_MAC_BYTES:], mac)
        if len(plain) < _FIXED or not compare_digest(self._mac_of(names, plain), mac):
            return None
        return _unpacked(plain)

    def _mac_of(self, names: DialogNames, plain: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(names.covered)
        mac.update(plain)
        return mac.digest()

    def _ciphered(self, text: bytes, mac: bytes) -> bytes:
        """Encipher or decipher."""
        stream = shake_256(self._key + mac).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")


def place_of(flow: Flow, client: str = "") -> Place:
    """Return the place of the sender of a message on `flow`; `client` is the client behind an edge proxy, or ""."""
    hashed = _client(client) if client else b""
    return Place(flow.transport, _listener(flow.endpoint), flow.host, flow.port, flow.connection, hashed)


def short_hash(text: str) -> bytes:
    """Return a four-byte hash of a host or an instance."""
    return blake2b(text.encode("utf-8", "replace").lower(), digest_size=4).digest()


def peer(uri: bytes) -> bytes:
    """Return the address in From or To in one spelling: `user@host`, or the digits of a tel URI.

    Scheme, port and parameters are left out, since phones leave these out or add these inside a dialog. A URI of
    another scheme is returned in lower case.
    """
    try:
        if is_tel(uri):
            return b"tel:" + parse_tel(uri)[0].encode()
        found = SipUri.parse(uri)
    except MalformedMessage:
        return uri.lower()
    return f"{canonical_user(found.user or '')}@{found.host}".encode()


def _client(client: str) -> bytes:
    """Return an eight-byte hash.

    A client can choose its port and part of its IPv6 address, and could soon find a second client with one four-byte
    hash.
    """
    return blake2b(client.encode("utf-8", "replace"), digest_size=_CLIENT_BYTES).digest()


def _listener(endpoint: Endpoint) -> bytes:
    return blake2b(repr(endpoint).encode(), digest_size=2).digest()


def _packed(place: Place) -> bytes:
    try:
        address = ip_address(place.host).packed
    except ValueError:
        return bytes((_NOWHERE,))
    if "%" in place.host or place.connection > _MOST_SECONDS:
        # A scope (fe80::1%eth0) does not fit into 16 bytes.
        return bytes((_NOWHERE,))
    kind = _TRANSPORTS.index(place.transport)
    if len(address) == 16:
        kind |= _IPV6
    serial = b""
    if place.connection:
        kind |= _STREAM
        serial = place.connection.to_bytes(4, "big")
    if place.client:
        kind |= _CLIENT
    return bytes((kind,)) + place.listener + serial + place.port.to_bytes(2, "big") + address + place.client


def _unpacked(plain: bytes) -> DialogToken:
    """Read a text with a right MAC. All lengths are right, since this server made the text."""
    flags, at = plain[0], _FIXED
    caller, at = _place(plain, at)
    callee, at = _place(plain, at)
    instance = b""
    if flags & _HAS_INSTANCE:
        instance = plain[at : at + 4]
        at += 4
    ends_at = int.from_bytes(plain[1:5], "big")
    return DialogToken(flags, ends_at, plain[5:9], caller, callee, instance, plain[at:].decode())


def _place(plain: bytes, at: int) -> tuple[Place, int]:
    kind = plain[at]
    if kind == _NOWHERE:
        return NOWHERE, at + 1
    listener = plain[at + 1 : at + 3]
    at += 3
    connection = 0
    if kind & _STREAM:
        connection = int.from_bytes(plain[at : at + 4], "big")
        at += 4
    port = int.from_bytes(plain[at : at + 2], "big")
    at += 2
    length = 16 if kind & _IPV6 else 4
    host = ip_address(plain[at : at + length]).compressed
    at += length
    client = b""
    if kind & _CLIENT:
        client = plain[at : at + _CLIENT_BYTES]
        at += _CLIENT_BYTES
    return Place(_TRANSPORTS[kind & 7], listener, host, port, connection, client), at
