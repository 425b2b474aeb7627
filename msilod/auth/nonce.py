"""Nonces: makes and checks nonces without remembering any (RFC 7616 §3.3, §5.4; checklist A4).

    nonce  =  base64( stamp(4) salt(6) run(2) home(7) mac(8) )

`stamp` counts spans of 16 s. `salt` is made of the transaction of the request, so a copy of the request gets the
same challenge (RFC 3261 §8.2.7), and another request does not. `run` marks the nonces of an earlier daemon, whose nonce
counts are lost. `home` stands for the source that got the nonce (source.py): four bytes for the source, three for its
source in sum, zero for none. The MAC can be made by this server alone.

Rule: a client that shows a nonce from `home` has received the nonce there. So guesses are recorded on `home`, and a
sender of forged datagrams cannot slow down another source.
"""

from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from msilod.auth.source import sum_of

LIFETIME: Final = 300.0
# Nonces of one span and one transaction are equal. With spans of 1 s a request and its copy would often differ.
SPAN: Final = 16
SPANS: Final = int(LIFETIME // SPAN) + 1
STAMP_BYTES: Final = 4
SALT_BYTES: Final = 6
RUN_BYTES: Final = 2
NAME_BYTES: Final = 4
SUM_BYTES: Final = 3
HOME_BYTES: Final = NAME_BYTES + SUM_BYTES
MAC_BYTES: Final = 8
BODY: Final = STAMP_BYTES + SALT_BYTES + RUN_BYTES + HOME_BYTES
LENGTH: Final = 4 * (BODY + MAC_BYTES) // 3
CACHED_HOMES: Final = 4096


class Nonce:
    """A nonce of this server: its time, request, run and source."""

    __slots__ = ("home", "run", "salt", "stamp")

    def __init__(self, body: bytes) -> None:
        self.stamp = int.from_bytes(body[:4], "big")
        self.salt = body[4:10]
        self.run = body[10:12]
        self.home = body[12:19]


class Nonces:
    """`secret`, 32 bytes, outlives a restart; `run`, 2 bytes, does not. `wall` is seconds since 1970."""

    def __init__(self, secret: bytes, run: bytes) -> None:
        self._mac = blake2b(digest_size=MAC_BYTES, key=secret, person=b"digest nonce")
        self._salt = blake2b(digest_size=SALT_BYTES, key=secret, person=b"digest salt")
        self._home = blake2b(digest_size=NAME_BYTES, key=secret, person=b"digest home")
        self._run = run
        self.home_of: Callable[[str], bytes] = lru_cache(CACHED_HOMES)(self._home_of)

    def make(self, transaction: bytes, source: str, wall: float) -> bytes:
        """Return the nonce for a challenge to a request from `source`; `transaction` is the key of the request."""
        salt = self._salt.copy()
        salt.update(transaction)
        stamp = (int(wall) // SPAN).to_bytes(STAMP_BYTES, "big")
        body = b"%b%b%b%b" % (stamp, salt.digest(), self._run, self.home_of(source))
        return b2a_base64(body + self._sign(body), newline=False)

    def read(self, text: bytes) -> Nonce | None:
        """Read `text`, of any age and run. None when this server did not make the nonce."""
        if len(text) != LENGTH:
            return None
        try:
            raw = a2b_base64(text)
        except Error:
            return None
        body = raw[:BODY]
        return Nonce(body) if compare_digest(self._sign(body), raw[BODY:]) else None

    def is_fresh(self, nonce: Nonce, source: str, wall: float) -> bool:
        """True when the nonce is valid now and from `source`. A clock set back ends a nonce as one set forward."""
        age = int(wall) // SPAN - nonce.stamp
        return 0 <= age < SPANS and nonce.run == self._run and nonce.home == self.home_of(source)

    def _sign(self, body: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(body)
        return mac.digest()

    def _home_of(self, source: str) -> bytes:
        in_sum = sum_of(source)
        return self._hashed(source) + (self._hashed(in_sum)[:SUM_BYTES] if in_sum else bytes(SUM_BYTES))

    def _hashed(self, name: str) -> bytes:
        home = self._home.copy()
        home.update(name.encode())
        return home.digest()
