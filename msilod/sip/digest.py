"""Digest: reads credentials, writes challenges, and computes responses (RFC 7616, RFC 8760).

    challenge    =  "Digest" LWS digest-cln *(COMMA digest-cln)        ; RFC 3261 §25.1
    credentials  =  "Digest" LWS dig-resp *(COMMA dig-resp)
    dig-resp     =  username / realm / nonce / digest-uri / dresponse / algorithm / cnonce
                    / opaque / message-qop / nonce-count / auth-param

Rules: user names and passwords are bytes, UTF-8 by RFC 8760 §2.6. Real clients send tokens in quotes and quoted values
without quotes (§22.4); both are read. A repeated parameter is refused. The module has no users and no passwords.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from hmac import compare_digest
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import WSP, only, quoted_end, split_outside

# RFC 8760 §2.3 and RFC 7616 §3.3. SHA-512-256 is SHA-512/256 of FIPS 180-4, not a truncated SHA-512.
_HASHES: Final[dict[bytes, Callable[[bytes], "hashlib._Hash"]]] = {
    b"MD5": partial(hashlib.md5, usedforsecurity=False),
    b"SHA-256": hashlib.sha256,
    b"SHA-512-256": partial(hashlib.new, "sha512_256"),
}
ALGORITHMS: Final = tuple(_HASHES)
HA1_SIZES: Final = {b"MD5": 16, b"SHA-256": 32, b"SHA-512-256": 32}
_BY_NAME: Final = {name.lower(): name for name in ALGORITHMS}

MAX_CREDENTIALS: Final = 2048
# A phone registers at the same URI again and again. A URI is part of credentials, so 4,096 entries take 9 MB at most.
CACHED_HA2: Final = 4096
MAX_PARAMS: Final = 32
_NC_DIGITS: Final = 8
_HEX_ONLY: Final = only(b"0123456789abcdefABCDEF")
_BACKSLASH: Final = 0x5C
_REQUIRED: Final = (b"username", b"realm", b"nonce", b"uri", b"response")


class Credentials:
    """The credentials of a client. `algorithm` is canonical, b"" when unknown; an absent algorithm is MD5.

    `qop` is in lower case, and b"" when absent (the form of RFC 2069). `nc` is the nonce count as text, `count` as a
    number. Without qop these are b"" and 0, even when the client sent a count.
    """

    __slots__ = ("algorithm", "cnonce", "count", "nc", "nonce", "qop", "realm", "response", "uri", "username")

    def __init__(self, params: dict[bytes, bytes]) -> None:
        self.username = params[b"username"]
        self.realm = params[b"realm"]
        self.nonce = params[b"nonce"]
        self.uri = params[b"uri"]
        self.response = params[b"response"]
        self.algorithm = _BY_NAME.get(params.get(b"algorithm", b"MD5").lower(), b"")
        self.cnonce = params.get(b"cnonce", b"")
        self.qop = params.get(b"qop", b"").lower()
        self.nc = params.get(b"nc", b"")
        self.count = int(self.nc, 16) if self.nc else 0

    def is_right(self, ha1: bytes, method: bytes) -> bool:
        """True when the client knows `ha1`. The comparison takes constant time (RFC 7616 §5, checklist A10)."""
        expected = response(
            self.algorithm,
            ha1,
            ha2(self.algorithm, method, self.uri),
            self.nonce,
            self.nc,
            self.cnonce,
            self.qop,
        )
        return compare_digest(expected, self.response.lower())


def challenge(realm: bytes, nonce: bytes, algorithm: bytes, is_stale: bool = False) -> bytes:
    """Return the value of a WWW-Authenticate or Proxy-Authenticate field.

    `stale` and `algorithm` have no quotes, `qop` has quotes (RFC 7616 §3.3). `qop` is always sent (RFC 8760 §2.6).
    """
    stale = b", stale=true" if is_stale else b""
    return b'Digest realm="%b", nonce="%b", algorithm=%b, qop="auth"%b' % (realm, nonce, algorithm, stale)


def parse_credentials(value: bytes) -> Credentials | None:
    """Parse an Authorization or Proxy-Authorization value; None for a scheme other than Digest.

    Raises MalformedMessage (400) for unreadable Digest credentials.
    """
    scheme, _, rest = value.strip(WSP).partition(b" ")
    if scheme.lower() != b"digest":
        return None
    if len(rest) > MAX_CREDENTIALS:
        raise MalformedMessage("Bad Credentials")
    params = _usual(rest)
    if params is None:
        params = _params(rest)
        if not all(params.get(name) for name in _REQUIRED):
            raise MalformedMessage("Bad Credentials")
    # Without qop the response does not cover the count. Some clients send a count of any form (RFC 2069).
    if not params.get(b"qop"):
        params.pop(b"nc", None)
    nc = params.get(b"nc")
    if nc and (len(nc) != _NC_DIGITS or nc.translate(_HEX_ONLY) != nc):
        raise MalformedMessage("Bad Credentials")
    return Credentials(params)


def _usual(rest: bytes) -> dict[bytes, bytes] | None:
    """Read the usual form: lower-case names, at most one space after a comma, no comma or escape in quotes.

    Nearly all clients send this form. Takes a quarter of the time of `_params`. Returns None for other forms.
    """
    if _BACKSLASH in rest:
        return None
    params = {}
    quotes = 0
    pieces = rest.replace(b", ", b",").split(b",")
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        if value[:1] == b'"':
            if len(value) < 2 or value[-1:] != b'"':
                return None
            # Two quotes at least. The sum below tells whether a piece has more.
            quotes += 2
            value = value[1:-1]
        params[name] = value
    if len(params) != len(pieces) or quotes != rest.count(b'"') or quotes < 2 or len(pieces) > MAX_PARAMS:
        return None
    found = params.get
    has_all = (
        found(b"username") and found(b"realm") and found(b"nonce") and found(b"uri") and found(b"response")
    )
    return params if has_all else None


def _params(rest: bytes) -> dict[bytes, bytes]:
    pieces = split_outside(rest, b",")
    if len(pieces) > MAX_PARAMS:
        raise MalformedMessage("Bad Credentials")
    params: dict[bytes, bytes] = {}
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        name = name.rstrip(WSP).lower()
        if not equals or name in params:
            raise MalformedMessage("Bad Credentials")
        params[name] = _unquoted(value.lstrip(WSP), name == b"username")
    return params


def _unquoted(value: bytes, is_name: bool) -> bytes:
    """Remove quotes. A user name is unescaped as well; other values are hashed as received (RFC 7616 §3.4)."""
    if value[:1] != b'"':
        return value
    if quoted_end(value) != len(value):
        raise MalformedMessage("Bad Credentials")
    text = value[1:-1]
    return _unescaped(text) if is_name and _BACKSLASH in text else text


def _unescaped(text: bytes) -> bytes:
    head, *rest = text.split(b"\\\\")
    return b"\\".join(piece.replace(b"\\", b"") for piece in (head, *rest))


# --- hashes (RFC 7616 §3.4) --------------------------------------------------------------------------


def ha1(algorithm: bytes, username: bytes, realm: bytes, password: bytes) -> bytes:
    """Return H(A1), HA1_SIZES[algorithm] raw bytes. The server stores this hash instead of the password."""
    return _HASHES[algorithm](b"%b:%b:%b" % (username, realm, password)).digest()


def session_ha1(algorithm: bytes, ha1: bytes, nonce: bytes, cnonce: bytes) -> bytes:
    """Return H(A1) of the `-sess` form (§3.4.2). This server offers no `-sess` algorithm."""
    return _HASHES[algorithm](b"%b:%b:%b" % (ha1.hex().encode(), nonce, cnonce)).digest()


@lru_cache(CACHED_HA2)
def ha2(algorithm: bytes, method: bytes, uri: bytes, body_hash: bytes = b"") -> bytes:
    """Return H(A2) in hex. With `body_hash`, H(entity-body) in hex, for auth-int (§3.4.3)."""
    text = b"%b:%b:%b" % (method, uri, body_hash) if body_hash else b"%b:%b" % (method, uri)
    return _HASHES[algorithm](text).hexdigest().encode()


def response(
    algorithm: bytes,
    ha1: bytes,
    ha2: bytes,
    nonce: bytes,
    nc: bytes = b"",
    cnonce: bytes = b"",
    qop: bytes = b"",
) -> bytes:
    """Return the response in hex; without `qop` in the form of RFC 2069."""
    secret = ha1.hex().encode()
    parts = (secret, nonce, nc, cnonce, qop, ha2) if qop else (secret, nonce, ha2)
    return _HASHES[algorithm](b":".join(parts)).hexdigest().encode()
