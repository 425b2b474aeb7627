"""SipUri: reads and compares SIP and SIPS URIs, and makes addresses-of-record (RFC 3261 §19.1, §10.3 step 5).

Rules: `parse` looks for the `@` first, since a user part may contain `;` and `?`. Unescaping never makes a raw control
or separator. A SipUri keeps the received spelling; `aor()` and `equals()` compare canonical spellings.
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
# A URI of so many octets stays within MAX_URI when printed: a `#` becomes `%23`.
_NEVER_LONG: Final = MAX_URI // 3
# RFC 3261 §19.1.4: two URIs differ when only one of the two has one of these parameters.
_DECISIVE: Final = ("user", "ttl", "method", "maddr", "transport")

Params = dict[str, str | None]


class SipUri:
    """A sip or sips URI.

    `user` and `password` are as received, None when absent. `host` is in lower case; an IPv6 address has brackets and
    the spelling of RFC 5952. `port` is None when absent. `params` have lower-case names and keep their order. `headers`
    is the text behind `?`.
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
        """Parse a URI. Raises MalformedMessage: 416 for another scheme, else 400 (RFC 3261 §8.2.2.1)."""
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
            # Some URIs get longer when printed, and printed URIs are parsed again.
            raise MalformedMessage("URI Too Long")
        return uri

    def aor(self) -> str:
        """Return `user@host`, the key of a mailbox: sip:%61lice@H;x=1 and sips:alice@h are alice@h.

        Escapes are decoded, and characters not allowed raw are escaped again. So two spellings of an address are one
        mailbox, and the key has no control byte (RFC 3261 §10.3 step 5). Raises MalformedMessage (400) without a user.
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
        """Compare by RFC 3261 §19.1.4. The relation is not transitive, so this is no `__eq__`."""
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
    """Return `uri` without surrounding angle brackets. RFC 4475 §3.1.2.7 permits to ignore these in a Request-URI."""
    return uri[1:-1] if uri[:1] == b"<" and uri[-1:] == b">" else uri


def escape_hash(uri: bytes) -> bytes:
    """Return `uri` with each raw `#` of the user part as `%23`.

    RFC 3261 §25.1 permits no `#` in a user part, but door stations send users like `9901#1`. A `#` elsewhere stays, and
    SipUri.parse refuses the URI.
    """
    userinfo, at, host = uri.rpartition(b"@")
    scheme, colon, user = userinfo.partition(b":")
    user, rest, password = user.partition(b":")
    return scheme + colon + user.replace(b"#", b"%23") + rest + password + at + host if at else uri


def canonical_user(user: str) -> str:
    """Return a user part without needless escapes. Other escapes are in upper case."""
    if "%" not in user:
        return user
    return "".join([chr(b) if b in _USER and b != 0x25 else f"%{b:02X}" for b in unescape(user)])


def user_of(name: bytes) -> str:
    """Return a plain name, as in digest credentials, as a canonical user part: special characters are escaped."""
    if name.translate(_USER_ONLY) == name and PERCENT not in name:
        return name.decode("ascii")
    return "".join([chr(byte) if byte in _USER and byte != PERCENT else f"%{byte:02X}" for byte in name])


def name_of(user: str) -> bytes:
    """Return the plain name for a user part. The inverse of `user_of`."""
    return unescape(user)


def parse_aor(text: str) -> str:
    """Return an address typed by a person, with or without `sip:`, as canonical `user@host`.

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


def request_uri(contact: str) -> bytes:
    """Return a contact as Request-URI, without headers and method parameter (§16.6 step 2, §19.1.1 table 1).

    Raises MalformedMessage for a contact with such parts that is no URI.
    """
    # An escape may hide a letter of "method" (RFC 4475 §3.1.1.3).
    if "?" not in contact and "%" not in contact and (";" not in contact or "method" not in contact.lower()):
        return contact.encode("utf-8", "replace")
    uri = SipUri.parse(contact)
    if not uri.headers and "method" not in uri.params:
        return contact.encode("ascii")
    uri.headers = ""
    uri.params = {name: value for name, value in uri.params.items() if name != "method"}
    return str(uri).encode("utf-8", "replace")


def canonical_host(text: str) -> str:
    """Return a host in the form of `SipUri.host`: lower case, no root dot, IPv6 in brackets, in canonical spelling."""
    shown = _bracketed(text)
    try:
        return SipUri.parse(f"sip:{shown}").host
    except MalformedMessage:
        return shown.lower()


def is_host(text: str) -> bool:
    """True for a host name, with or without a root dot, and for an IP literal; IPv6 with or without brackets."""
    try:
        uri = SipUri.parse(f"sip:{_bracketed(text)}")
    except MalformedMessage:
        return False
    return uri.user is None and uri.port is None and not uri.params and not uri.headers


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


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
        # A host name does not end in a number (§25.1 toplabel), and some resolvers take 127.1 for an address.
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
    """Remove escapes of unreserved characters: only such escapes do not change the meaning (§19.1.4, RFC 2396)."""
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
