"""The judge: what the credentials of a request are worth (RFC 3261 §22, RFC 7616 §3.4, RFC 8760 §2).

    credentials                                   verdict     answer
    none for our realm, not as we asked           NONE        a challenge
    a guess before its time                       TOO_SOON    503, Retry-After
    wrong, or nobody of that name                 WRONG       a challenge
    right, but the nonce is old or used           STALE       a challenge with stale=true
    right                                         RIGHT       it goes on

Rules: somebody who is unknown costs and looks like a wrong password (A10). What is not in our own nonces is not
looked at: whoever sends it has not been here, and the answer to a guess must not be had for nothing.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from msilod.auth.nonce import Nonce, Nonces
from msilod.auth.replay import ReplayWindow
from msilod.auth.throttle import Throttle
from msilod.auth.users import Users
from msilod.errors import MalformedMessage
from msilod.sip.digest import HA1_SIZES, Credentials, challenge, parse_credentials
from msilod.sip.uri import user_of

# Beyond it are those of other realms, for other proxies on the way.
MAX_LOOKED_AT: Final = 8


class Verdict(Enum):
    """What credentials are worth."""

    NONE = auto()
    TOO_SOON = auto()
    WRONG = auto()
    STALE = auto()
    RIGHT = auto()


class Judgement:
    """`user` is the AOR that was named, "" for none; `uri` the digest's; `wait` seconds of TOO_SOON."""

    __slots__ = ("uri", "user", "verdict", "wait")

    def __init__(self, verdict: Verdict, user: str = "", wait: float = 0.0, uri: bytes = b"") -> None:
        self.verdict = verdict
        self.user = user
        self.wait = wait
        self.uri = uri


_NOTHING: Final = Judgement(Verdict.NONE)


class Judge:
    """`secret` (32 bytes) outlives restarts, `run` (2 bytes) does not; `algorithms` are those we offer, best first."""

    def __init__(self, users: Users, algorithms: Sequence[bytes], secret: bytes, run: bytes) -> None:
        self.users = users
        self.algorithms = tuple(algorithms)
        self.throttle = Throttle()
        self._nonces = Nonces(secret, run)
        self._uses = ReplayWindow()
        # In the place of those that an unknown user does not have; nobody knows a password for it.
        self._nobody = {name: secret[:size].ljust(size, b"\1") for name, size in HA1_SIZES.items()}

    def challenges(
        self, realm: str, transaction: bytes, source: str, wall: float, is_stale: bool = False
    ) -> list[bytes]:
        """One value per algorithm, best first, all with one realm and one nonce (RFC 8760 §2.3)."""
        nonce = self._nonces.make(transaction, source, wall)
        name = realm.encode()
        return [challenge(name, nonce, algorithm, is_stale) for algorithm in self.algorithms]

    def judge(
        self,
        values: Sequence[bytes],
        method: bytes,
        realm: str,
        domain: str,
        source: str,
        now: float,
        wall: float,
        is_exempt: Callable[[str], bool],
    ) -> Judgement:
        """Judge the (Proxy-)Authorization `values` of a request from `source` for a user of `domain`.

        `is_exempt(aor)` is asked when a guess comes too soon: True for who is known there.
        """
        credentials = _of_realm(values, realm.encode())
        if credentials is None:
            return _NOTHING
        nonce = self._nonces.read(credentials.nonce)
        if nonce is None or not self._is_as_asked(credentials):
            return _NOTHING
        user = f"{user_of(credentials.username)}@{domain}"
        wait = self.throttle.wait(nonce.home, user, now)
        if wait and not is_exempt(user):
            return Judgement(Verdict.TOO_SOON, user, wait)
        if not self._is_right(credentials, user, method):
            self.throttle.failed(nonce.home, user, now)
            return Judgement(Verdict.WRONG, user)
        self.throttle.succeeded(nonce.home, user)
        return Judgement(self._age(nonce, credentials, source, wall), user, uri=credentials.uri)

    def _is_as_asked(self, credentials: Credentials) -> bool:
        """An algorithm that we offered, qop=auth with its nonce count and cnonce (RFC 8760 §2.6)."""
        return (
            credentials.algorithm in self.algorithms
            and credentials.qop == b"auth"
            and bool(credentials.cnonce)
            and bool(credentials.nc)
        )

    def _is_right(self, credentials: Credentials, user: str, method: bytes) -> bool:
        known = self.users.ha1(user, credentials.algorithm)
        is_right = credentials.is_right(known or self._nobody[credentials.algorithm], method)
        return is_right and known is not None

    def _age(self, nonce: Nonce, credentials: Credentials, source: str, wall: float) -> Verdict:
        if not self._nonces.is_fresh(nonce, source, wall):
            return Verdict.STALE
        return Verdict.RIGHT if self._uses.use(nonce, credentials.count) else Verdict.STALE


def _of_realm(values: Sequence[bytes], realm: bytes) -> Credentials | None:
    """The first that are for our realm; what cannot be read is none (RFC 4475 §3.3.10)."""
    for value in values[:MAX_LOOKED_AT]:
        try:
            credentials = parse_credentials(value)
        except MalformedMessage:
            continue
        if credentials is not None and credentials.realm == realm:
            return credentials
    return None
