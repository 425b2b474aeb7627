"""Judge: decides what the credentials of a request are worth (RFC 3261 §22, RFC 7616 §3.4, RFC 8760 §2).

    credentials                                   verdict     answer
    none for our realm, or in another form        NONE        a challenge
    a guess before its time                       TOO_SOON    503, Retry-After
    wrong, or an unknown user                     WRONG       a challenge
    right, but the nonce is old or used           STALE       a challenge with stale=true
    right, but for a URI that is not ours         ELSEWHERE   400
    right                                         RIGHT       the request goes on

Some clients answer each challenge, so a request may have several credentials for our realm. These count as one guess at
one user. The first four are checked, and the request is let in when one is right.

Credentials without qop have the form of RFC 2069 (RFC 3261 §22.4 items 8 and 9). Their nonce is valid for one request,
so a copy is worthless; sign_off.py has the one exception.

Rules: an unknown user costs the same time and gets the same answer as a wrong password (A10). Credentials without a
nonce of this server are not checked: their sender has received no challenge, and a guess must not get an answer for
free.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msilod.auth.judgement import Asked, Judgement, Verdict, Visitor
from msilod.auth.nonce import Nonce, Nonces
from msilod.auth.offers import Offers
from msilod.auth.replay import ReplayWindow
from msilod.auth.sign_off import SignOffs
from msilod.auth.throttle import Throttle
from msilod.auth.users import AT_DOMAIN, AT_REALM, Users
from msilod.errors import MalformedMessage
from msilod.sip.digest import HA1_SIZES, Credentials, challenge, parse_credentials
from msilod.sip.uri import user_of

# Values beyond this number are for other realms, of other proxies on the way.
MAX_LOOKED_AT: Final = 8
# Credentials for our realm in one request. A client that answers each of three challenges sends three.
MAX_CREDENTIALS: Final = 4
# A longer name is recorded by its hash, so a record of the throttle has a bounded size.
MAX_NAME: Final = 128
MAX_USUAL_NAME: Final = 32
_AT: Final = 0x40
_MD5: Final = b"MD5"

NO_CREDENTIALS: Final = "no Digest for our realm that can be read"
NEEDS_QOP: Final = 'no qop (RFC 2069), and [auth] qop is "required"'
ELSEWHERE: Final = "the digest uri is neither ours nor the Request-URI"
OTHER_ADDRESS: Final = "the nonce was given to another address"


_NOTHING: Final = Judgement(Verdict.NONE)


class _Shown:
    """Credentials with a nonce of this server, in the form that was asked for, and the AOR of the user they name.

    `form` tells which HA1 may have been made of the name, apart from the HA1 of the user part.
    """

    __slots__ = ("credentials", "form", "nonce", "user")

    def __init__(self, credentials: Credentials, nonce: Nonce, user: str, form: bytes = b"") -> None:
        self.credentials = credentials
        self.nonce = nonce
        self.user = user
        self.form = form


class Judge:
    """Judges credentials. `secret` (32 bytes) outlives restarts, `run` (2 bytes) does not.

    `algorithms` are those offered, best first. With `needs_qop` the form of RFC 2069 is refused.
    """

    def __init__(self, users: Users, algorithms: Sequence[bytes], secret: bytes, run: bytes) -> None:
        self.users = users
        self.algorithms = tuple(algorithms)
        self.needs_qop = False
        self.throttle = Throttle()
        self.offers = Offers()
        self._nonces = Nonces(secret, run)
        self._uses = ReplayWindow()
        self._sign_offs = SignOffs()
        # Replaces the HA1 of an unknown user. No password is known for this value.
        self._unknown_ha1 = {name: secret[:size].ljust(size, b"\1") for name, size in HA1_SIZES.items()}

    def challenges(
        self,
        realm: str,
        transaction: bytes,
        source: str,
        wall: float,
        is_stale: bool = False,
        is_single: bool = False,
    ) -> list[bytes]:
        """Return one challenge per algorithm, best first, all with one realm and one nonce (RFC 8760 §2.3).

        `is_single`: MD5 alone. The nonce depends on `transaction`, the key of the challenged request.
        """
        nonce = self._nonces.make(transaction, source, wall)
        name = realm.encode()
        algorithms = (_MD5,) if is_single else self.algorithms
        return [challenge(name, nonce, algorithm, is_stale) for algorithm in algorithms]

    def best_known(self, number: int) -> int:
        """Return the index, among `number` challenges of `challenges`, of the challenge that most clients can answer.

        This is MD5: few clients know another algorithm, and RFC 2069 and RFC 2617 define no other.
        """
        if number == len(self.algorithms) and _MD5 in self.algorithms:
            return self.algorithms.index(_MD5)
        return 0

    def offers_md5_alone(
        self,
        judgement: Judgement,
        aor: str,
        transaction: bytes,
        source: str,
        has_credentials: bool,
        now: float,
    ) -> bool:
        """True when the challenge after this judgement must offer MD5 alone, see offers.py.

        Also true for a right MD5 response to an old nonce: this client has chosen MD5 already.
        """
        if len(self.algorithms) < 2 or _MD5 not in self.algorithms:
            return False
        if judgement.verdict is Verdict.STALE and judgement.algorithm == _MD5:
            return True
        home = self._nonces.home_of(source)
        return self.offers.is_single(home, _bounded(aor), transaction, has_credentials, now)

    def judge(
        self,
        values: Sequence[bytes],
        method: bytes,
        uri: bytes,
        aor: str,
        realm: str,
        source: str,
        now: float,
        wall: float,
        visitor: Visitor,
    ) -> Judgement:
        """Judge the (Proxy-)Authorization `values` of a request that needs a password of `aor` in `realm`.

        `uri` is the Request-URI, `source` the source of the request; `now` is monotonic, `wall` seconds since 1970.
        """
        if len(values) == 1:
            # The usual case: one value, with qop, and a name without @. All other cases are judged below.
            one = self._usual(values[0], aor, realm)
            if one is not None:
                home, user = one.nonce.home, one.user
                if not self.throttle.wait(home, user, now):
                    credentials = one.credentials
                    if not self._is_made_of(credentials.algorithm, credentials, user, method):
                        return self._wrong((one,), home, user, aor, now)
                    if (
                        credentials.uri == uri
                        and self._nonces.is_fresh(one.nonce, source, wall)
                        and self._uses.use(one.nonce, credentials.count)
                    ):
                        self._succeeded(home, user, credentials)
                        return Judgement(Verdict.RIGHT, user)
        return self._judge_all(values, Asked(aor, realm, method, uri, source, visitor), now, wall)

    def _usual(self, value: bytes, aor: str, realm: str) -> "_Shown | None":
        """Read credentials in the form that most clients send. None for other forms."""
        try:
            credentials = parse_credentials(value)
        except MalformedMessage:
            return None
        if (
            credentials is None
            or credentials.realm != realm.encode()
            or credentials.qop != b"auth"
            or _AT in credentials.username
            or len(credentials.username) > MAX_USUAL_NAME
            or credentials.algorithm not in self.algorithms
            or not credentials.cnonce
            or not credentials.nc
        ):
            # `_judge_all` finds the reason.
            return None
        nonce = self._nonces.read(credentials.nonce)
        if nonce is None:
            return None
        return _Shown(credentials, nonce, f"{user_of(credentials.username)}@{aor.rpartition('@')[2]}")

    def _succeeded(self, home: bytes, user: str, credentials: Credentials) -> None:
        self.throttle.succeeded(home, user)
        if len(self.algorithms) > 1:
            self.offers.succeeded(home, user, credentials.algorithm == _MD5)

    def _judge_all(self, values: Sequence[bytes], asked: Asked, now: float, wall: float) -> Judgement:
        """Judge several credentials, or unusual ones."""
        found = _of_realm(values, asked.realm.encode())
        if not found:
            return Judgement(Verdict.NONE, reason=NO_CREDENTIALS) if values else _NOTHING
        shown: list[_Shown] = []
        reason = ""
        for credentials in found:
            nonce = self._nonces.read(credentials.nonce)
            why = "the nonce is not ours" if nonce is None else self._fault(credentials)
            if nonce is None or why:
                reason = reason or why
            else:
                user, form = self._named(credentials.username, asked)
                shown.append(_Shown(credentials, nonce, user, form))
        if not shown:
            judgement = Judgement(Verdict.NONE, reason=reason)
            judgement.is_mendable = reason is NEEDS_QOP
            return judgement
        return self._judge(shown if len(shown) == 1 else _one_guess(shown, asked.aor), asked, now, wall)

    def _judge(self, shown: Sequence[_Shown], asked: Asked, now: float, wall: float) -> Judgement:
        """Judge credentials of one user with nonces of one source, as one guess."""
        home, user = shown[0].nonce.home, shown[0].user
        booked = _bounded(user)
        wait = self.throttle.wait(home, booked, now)
        if wait and not asked.visitor.is_bound(user):
            return Judgement(Verdict.TOO_SOON, user, wait, "too many wrong passwords")
        best: Judgement | None = None
        for one in shown:
            if not self._is_right(one, asked.method):
                continue
            verdict, reason = self._age(one, asked, now, wall)
            if verdict is Verdict.RIGHT:
                self._succeeded(home, booked, one.credentials)
                return Judgement(verdict, user)
            if best is None:
                best = Judgement(verdict, user, reason=reason, algorithm=one.credentials.algorithm)
                best.nonce = b"" if reason is OTHER_ADDRESS else one.credentials.nonce
        if best is not None:
            self.throttle.succeeded(home, booked)
            return best
        return self._wrong(shown, home, booked, asked.aor, now)

    def _wrong(self, shown: Sequence[_Shown], home: bytes, booked: str, aor: str, now: float) -> Judgement:
        """Record one wrong guess."""
        self.throttle.failed(home, booked, now)
        first = shown[0]
        user, algorithm = first.user, first.credentials.algorithm
        if len(self.algorithms) > 1 and any(one.credentials.algorithm != _MD5 for one in shown):
            # Recorded on the source of the nonce: only a client at this source has received the challenge.
            self.offers.failed(home, _bounded(aor), now)
        judgement = Judgement(Verdict.WRONG, user, reason="wrong password", algorithm=algorithm)
        if not self.users.knows(user):
            judgement.reason = "unknown user"
        elif self.users.ha1(user, algorithm) is None:
            judgement.reason = (
                f"no {algorithm.decode()} hash is kept of the user for this realm; set the password again"
            )
            judgement.is_mendable = True
        elif first.form and self.users.ha1(user, algorithm + first.form) is None:
            judgement.reason = (
                "wrong password, or the name with its domain, of which no hash is kept for this user; "
                "set the password again, or let the phone authenticate by the name without domain"
            )
            judgement.is_mendable = True
        return judgement

    def _fault(self, credentials: Credentials) -> str:
        """Return why the credentials are not in a form that was asked for (RFC 8760 §2.6); "" when they are."""
        if credentials.algorithm not in self.algorithms:
            return "the algorithm was not offered"
        if not credentials.qop:
            return NEEDS_QOP if self.needs_qop else ""
        if credentials.qop != b"auth" or not credentials.cnonce or not credentials.nc:
            return "the qop was not offered, or its cnonce or nc is missing"
        return ""

    def _named(self, name: bytes, asked: Asked) -> tuple[str, bytes]:
        """Return the user and the form of a name.

        The name is `alice`, or `alice@example.test` with the realm or a domain of this server behind the @. A user part
        may contain an escaped @; a user with the whole name comes first.
        """
        domain = asked.aor.rpartition("@")[2]
        user = f"{user_of(name)}@{domain}"
        if _AT not in name or self.users.knows(user):
            return user, b""
        local, _, behind = name.rpartition(b"@")
        host = behind.decode("utf-8", "replace").lower()
        if host == asked.realm.lower():
            return f"{user_of(local)}@{domain}", AT_DOMAIN if host == domain else AT_REALM
        owner = asked.visitor.domain_of(host)
        if not owner:
            return user, b""
        # Another name of this server, as an address, may follow the @. No HA1 is kept for this form.
        return f"{user_of(local)}@{owner}", AT_DOMAIN if owner == host else b""

    def _is_right(self, one: _Shown, method: bytes) -> bool:
        """True when the response is made of the HA1 of the user.

        Some phones send the name `alice@example.test` and compute with `alice`, so both forms are tried for this name.
        """
        credentials = one.credentials
        is_right = self._is_made_of(credentials.algorithm, credentials, one.user, method)
        if one.form:
            is_right |= self._is_made_of(credentials.algorithm + one.form, credentials, one.user, method)
        return is_right

    def _is_made_of(self, key: bytes, credentials: Credentials, user: str, method: bytes) -> bool:
        known = self.users.ha1(user, key)
        is_right = credentials.is_right(known or self._unknown_ha1[credentials.algorithm], method)
        return is_right and known is not None

    def _age(self, one: _Shown, asked: Asked, now: float, wall: float) -> tuple[Verdict, str]:
        """Judge a right response by its URI, the age of its nonce, and earlier uses of the nonce."""
        credentials, nonce = one.credentials, one.nonce
        if credentials.uri != asked.uri and not asked.visitor.accepts(credentials.uri):
            return Verdict.ELSEWHERE, ELSEWHERE
        is_fresh = self._nonces.is_fresh(nonce, asked.source, wall)
        if not credentials.qop:
            return self._age_without_qop(one, asked, is_fresh, now)
        if not is_fresh:
            return Verdict.STALE, self._why_old(nonce, asked.source)
        if self._uses.use(nonce, credentials.count):
            return Verdict.RIGHT, ""
        return Verdict.STALE, "the nonce count was used before"

    def _age_without_qop(self, one: _Shown, asked: Asked, is_fresh: bool, now: float) -> tuple[Verdict, str]:
        """RFC 2069: the nonce is valid for one request, and once more for the removal of sign_off.py."""
        nonce, user, visitor = one.nonce, one.user, asked.visitor
        is_register = asked.method == b"REGISTER"
        if is_fresh and self._uses.use_once(nonce):
            if is_register and not visitor.is_removal():
                self._sign_offs.registered(user, visitor.place(), nonce, now)
            return Verdict.RIGHT, ""
        if is_register and visitor.is_removal() and self._sign_offs.take(user, visitor.place(), nonce, now):
            return Verdict.RIGHT, ""
        if is_fresh:
            return Verdict.STALE, "the nonce was used before, and there is no qop"
        return Verdict.STALE, self._why_old(nonce, asked.source)

    def _why_old(self, nonce: Nonce, source: str) -> str:
        if nonce.home != self._nonces.home_of(source):
            return OTHER_ADDRESS
        return "the nonce is old"


def _of_realm(values: Sequence[bytes], realm: bytes) -> list[Credentials]:
    """Return the first four credentials for our realm. Unreadable values are skipped (RFC 4475 §3.3.10)."""
    found: list[Credentials] = []
    for value in values[:MAX_LOOKED_AT]:
        try:
            credentials = parse_credentials(value)
        except MalformedMessage:
            continue
        if credentials is not None and credentials.realm == realm:
            found.append(credentials)
            if len(found) == MAX_CREDENTIALS:
                break
    return found


def _one_guess(shown: Sequence[_Shown], aor: str) -> list[_Shown]:
    """Return the credentials of `aor`, or else those of the first user, with nonces of one source.

    One request is recorded as one guess, so the request must not try a password on several users.
    """
    own = [one for one in shown if one.user == aor] or shown
    first = own[0]
    return [one for one in own if one.user == first.user and one.nonce.home == first.nonce.home]


def _bounded(name: str) -> str:
    """Return a name as the key of a record."""
    if len(name) <= MAX_NAME:
        return name
    return blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
