"""SIP and SIPS URIs: parsing, the address-of-record, equality (RFC 3261 §19.1, §10.3 step 5).

Rules: the `@` is looked for first, since a user part may hold `;` and `?`; an escaped byte is never turned
into a raw control or separator; a URI is as it was sent until `aor()` or `equals()` is asked.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import (
    ALPHANUM,
    HASH,
    HOST_ONLY,
    PERCENT,
    UNRESERVED,
    escapes_are_whole,
    ipv4,
    ipv6,
    number,
    only,
    unescape,
)
from msilod.sip.limits import MAX_URI, MAX_URI_PARAMS

_USER: Final = UNRESERVED + b"&=+$,;?/%"
_USER_ONLY: Final = only(_USER)
_PASSWORD: Final = only(UNRESERVED + b"&=+$,%")
_PARAMS: Final = only(UNRESERVED + b"[]/:&+$%;=")
_HEADERS: Final = only(UNRESERVED + b"[]/?:+$%&=")
_SCHEME: Final = only(ALPHANUM + b"+-.")
# A URI of so many octets is within MAX_URI also when it is written: a `#` becomes `%23`.
_NEVER_LONG: Final = MAX_URI // 3
# RFC 3261 §19.1.4: these never match when only one of two URIs has them.
_DECISIVE: Final = ("user", "ttl", "method", "maddr", "transport")

Params = dict[str, str | None]


class SipUri:
    """A sip or sips URI.

    `user` and `password` as sent (None when absent), `host` in lower case (IPv6 in brackets and in its one
    spelling), `port` None when not sent, `params` by lower-case name in order, `headers` what follows `?`.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "user")

    def __init__(
        self,
        scheme: str,
        user: str | None,
        host: str,
        port: int | None = None,
        params: Params | None = None,
        headers: str = "",
        password: str | None = None,
    ) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.params: Params = {} if params is None else params
        self.headers = headers
        self.password = password

    @classmethod
    def parse(cls, raw: bytes | str) -> "SipUri":
        """Raises MalformedMessage: 416 for another scheme, 400 for what is no URI (RFC 3261 §8.2.2.1)."""
        data = raw if isinstance(raw, bytes) else _encoded(raw)
        scheme, rest = _scheme(data)
        userinfo, at, tail = rest.rpartition(b"@")
        user, password = _userinfo(userinfo) if at else (None, None)
        tail, _, headers = tail.partition(b"?")
        hostport, semicolon, params = tail.partition(b";")
        if headers and headers.translate(_HEADERS) != headers:
            raise MalformedMessage("Bad URI Headers")
        if PERCENT in data and not escapes_are_whole(data):
            raise MalformedMessage("Bad URI Escape")
        host, port = _hostport(hostport)
        found = _params(params) if semicolon else {}
        uri = cls(scheme, user, host, port, found, headers.decode("ascii"), password)
        if len(data) > _NEVER_LONG and max(len(data), len(str(uri))) > MAX_URI:
            # Some are longer when they are written, and what is written here is parsed again.
            raise MalformedMessage("URI Too Long")
        return uri

    def aor(self) -> str:
        """`user@host` as the key of a mailbox: sip:%61lice@H;x=1 and sips:alice@h are alice@h.

        Escapes are decoded and what may not stand raw is escaped again, so that no two spellings make two
        mailboxes and no control byte comes out (RFC 3261 §10.3 step 5). Raises MalformedMessage (400)
        without a user.
        """
        if self.user is None:
            raise MalformedMessage("URI Without User")
        return f"{canonical_user(self.user)}@{self.host}"

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, None when absent."""
        found = _comparable(self.params.get("transport"))
        return found.lower() if found else None

    @property
    def is_ip_literal(self) -> bool:
        """True for an IPv4 or IPv6 address as host."""
        return self.host[:1] == "[" or ipv4(self.host) is not None

    def __str__(self) -> str:
        password = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{password}@"
        port = "" if self.port is None else f":{self.port}"
        params = "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.params.items())
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{params}{headers}"

    def __repr__(self) -> str:
        return f"<SipUri {self}>"

    def equals(self, other: "SipUri") -> bool:
        """RFC 3261 §19.1.4. Not transitive, so it is no `__eq__`."""
        return (
            self.scheme == other.scheme
            and self.host == other.host
            and self.port == other.port
            and _comparable(self.user) == _comparable(other.user)
            and _comparable(self.password) == _comparable(other.password)
            and _params_match(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )


def without_brackets(uri: bytes) -> bytes:
    """`uri` without angle brackets around it, which RFC 4475 §3.1.2.7 allows to ignore in a Request-URI."""
    return uri[1:-1] if uri[:1] == b"<" and uri[-1:] == b">" else uri


def escape_hash(uri: bytes) -> bytes:
    """`uri` with each raw `#` of its user part as `%23`.

    RFC 3261 §25.1 has no `#` in a user part, but door stations send users like `9901#1`. They are read, and written
    as the RFC wants. A `#` elsewhere stays, and SipUri.parse refuses it.
    """
    userinfo, at, host = uri.rpartition(b"@")
    scheme, colon, user = userinfo.partition(b":")
    user, rest, password = user.partition(b":")
    return scheme + colon + user.replace(b"#", b"%23") + rest + password + at + host if at else uri


def canonical_user(user: str) -> str:
    """A user part with every escape that needs none removed and the others in upper case."""
    if "%" not in user:
        return user
    return "".join([chr(b) if b in _USER and b != 0x25 else f"%{b:02X}" for b in unescape(user)])


def user_of(name: bytes) -> str:
    """A name as people and digests have it, as a canonical user part: what may not stand raw is escaped."""
    if name.translate(_USER_ONLY) == name and PERCENT not in name:
        return name.decode("ascii")
    return "".join([chr(byte) if byte in _USER and byte != PERCENT else f"%{byte:02X}" for byte in name])


def name_of(user: str) -> bytes:
    """The other way: the name that a user part stands for."""
    return unescape(user)


def parse_aor(text: str) -> str:
    """What a person types, with or without `sip:`, as canonical `user@host`.

    Raises ValueError with the reason in plain words.
    """
    text = text.strip(" ")
    if not text:
        raise ValueError("an empty address")
    try:
        uri = SipUri.parse(text if has_scheme(text) else f"sip:{text}")
        return uri.aor()
    except MalformedMessage as error:
        raise ValueError(f"{text!r} is no address like alice@example.test: {error.phrase.lower()}") from error


def has_scheme(text: str) -> bool:
    """True for `sip:alice@h`, False for `alice@h` and `alice:password@h`."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and "@" not in scheme


def _encoded(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise MalformedMessage("URI Not ASCII") from error


def _scheme(data: bytes) -> tuple[str, bytes]:
    head, colon, rest = data.partition(b":")
    scheme = head.lower()
    if scheme == b"sip" and rest:
        return "sip", rest
    if scheme == b"sips" and rest:
        return "sips", rest
    if not colon or not rest or not scheme[:1].isalpha() or scheme.translate(_SCHEME) != scheme:
        raise MalformedMessage("Bad URI")
    raise MalformedMessage("Unsupported URI Scheme", status=416)


def _userinfo(userinfo: bytes) -> tuple[str, str | None]:
    user, colon, password = userinfo.partition(b":")
    if HASH in user:
        user = user.replace(b"#", b"%23")
    if not user or user.translate(_USER_ONLY) != user or password.translate(_PASSWORD) != password:
        raise MalformedMessage("Bad User In URI")
    return user.decode("ascii"), password.decode("ascii") if colon else None


def _hostport(hostport: bytes) -> tuple[str, int | None]:
    if hostport[:1] == b"[":
        inside, closed, rest = hostport[1:].partition(b"]")
        address = ipv6(inside.decode("latin-1")) if closed else None
        if address is None or rest[:1] not in (b"", b":"):
            raise MalformedMessage("Bad Host In URI")
        return f"[{address}]", _port(rest[1:]) if rest else None
    name, colon, digits = hostport.partition(b":")
    if not name or name.translate(HOST_ONLY) != name:
        raise MalformedMessage("Bad Host In URI")
    host = name.decode("ascii").lower()
    has_root = host[-1] == "."
    if has_root:
        # `example.test.` is the same host as `example.test` (RFC 1034 §3.1); an address has no dot at its end.
        host = host[:-1]
    last = host.rpartition(".")[2]
    if not last or (last.isdigit() and (has_root or ipv4(host) is None)):
        # A name does not end in a number (§25.1 toplabel), and 127.1 is an address to some resolvers.
        raise MalformedMessage("Bad Host In URI")
    return host, _port(digits) if colon else None


def _port(digits: bytes) -> int:
    port = number(digits, 65535)
    if not port:
        raise MalformedMessage("Bad Port In URI")
    return port


def _params(text: bytes) -> Params:
    if text.translate(_PARAMS) != text:
        raise MalformedMessage("Bad URI Parameters")
    params: Params = {}
    pieces = text.decode("ascii").split(";")
    if len(pieces) > MAX_URI_PARAMS:
        raise MalformedMessage("Too Many URI Parameters")
    for piece in pieces:
        name, equals, value = piece.partition("=")
        # RFC 4475 §3.1.1.3: `;%6C%72` is `;lr`.
        params[(_comparable(name) or "").lower()] = value if equals else None
    if "" in params or len(params) != len(pieces):
        raise MalformedMessage("Bad URI Parameters")
    return params


def _comparable(part: str | None) -> str | None:
    """With the escapes of unreserved characters removed: only those mean the same (§19.1.4, RFC 2396)."""
    if part is None or "%" not in part:
        return part
    head, *pieces = part.split("%")
    decoded = [(bytes((int(p[:2], 16),)), p) for p in pieces]
    return head + "".join(
        [byte.decode() + p[2:] if byte in UNRESERVED else f"%{p[:2].upper()}{p[2:]}" for byte, p in decoded]
    )


def _params_match(mine: Params, others: Params) -> bool:
    if any((name in mine) != (name in others) for name in _DECISIVE):
        return False
    return all(_folded(mine[name]) == _folded(others[name]) for name in mine.keys() & others.keys())


def _folded(value: str | None) -> bytes | None:
    return None if value is None else unescape(value).lower()


def _header_set(headers: str) -> list[tuple[bytes, bytes]]:
    pairs = [piece.partition("=") for piece in headers.split("&") if piece]
    return sorted((unescape(name).lower(), unescape(value)) for name, _, value in pairs)
