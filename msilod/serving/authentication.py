"""Authentication: the password of a user, by Digest (RFC 3261 §22, RFC 7616, RFC 8760).

The judge (auth/judge.py) says what the credentials of a request are worth. This module asks the judge, counts and logs
the verdict, and makes the challenge or the refusal.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from msilod.auth.flood import MAX_IN_SUM, MAX_PER_EDGE, ChallengeRate
from msilod.auth.judge import Judge
from msilod.auth.judgement import Judgement, Verdict
from msilod.auth.members import Members
from msilod.auth.policy import AuthPolicy
from msilod.auth.source import Sources, sum_of
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.errors import RequestRefused, StatelessRefusal
from msilod.keeping.storing import Storing
from msilod.registrar.location import LocationService
from msilod.registrar.removal import is_removal
from msilod.routing.myself import Myself
from msilod.serving.incoming import Incoming
from msilod.serving.refusal_log import RefusalLog
from msilod.serving.shedding import Shedding
from msilod.sip.flow import Flow
from msilod.sip.message import Request, response_bytes
from msilod.sip.uri import SipUri, canonical_host, canonical_user, without_brackets

RETRY_AFTER: Final = (b"Retry-After", b"5")
# A placeholder with the length of this server's To tags.
_ANY_TAG: Final = bytes(17)
# Status: the field with the credentials, and the field with the challenge (§22.2, §22.3).
_FIELDS: Final = {
    401: (b"authorization", b"WWW-Authenticate"),
    407: (b"proxy-authorization", b"Proxy-Authenticate"),
}
_PHRASES: Final = {401: "Unauthorized", 407: "Proxy Authentication Required"}


class Authentication:
    """Asks for passwords. `judge` remembers nonces and failed guesses."""

    def __init__(
        self,
        judge: Judge,
        members: Members,
        shedding: Shedding,
        storing: Storing,
        myself: Myself,
        location: LocationService,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.judge = judge
        self.rate = ChallengeRate()
        self.sources = shedding.sources
        self.refusals = RefusalLog()
        self._members = members
        self._shedding = shedding
        self._storing = storing
        self._myself = myself
        self._location = location
        self._clock = clock
        self._counters = counters
        self.configure(members.policy)

    def configure(self, policy: AuthPolicy) -> None:
        """Use this policy from now on."""
        self.judge.algorithms = policy.algorithms
        self.judge.needs_qop = policy.needs_qop
        self.sources.configure(policy.edges, policy.limits_loopback)

    def authenticate(self, incoming: Incoming, status: int, aor: str, now: float) -> None:
        """Set `incoming.user` to `aor`, if the sender has shown the password of `aor`, else raise RequestRefused."""
        if not self._members.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [RETRY_AFTER])
        transaction, members = incoming.transaction, self._members
        request, flow = transaction.request, transaction.flow
        field = _FIELDS[status][0]
        values = _values(request, field)
        source = self.sources.of(request, flow)
        realm = members.realm_of(aor)
        visitor = _Visitor(self._location, self._clock, self._myself, self.sources, request, flow)
        judgement = self.judge.judge(
            values, request.method, request.uri, aor, realm, source, now, self._clock.wall(), visitor
        )
        if judgement.verdict is not Verdict.RIGHT:
            if judgement.verdict is Verdict.STALE and judgement.user == aor and self._storing.former:
                self._accept_copy(incoming, request, aor)
            raise self._refusal(judgement, incoming, status, aor, source, values, now)
        if judgement.user != aor:
            self.refusals.refused("the password of another user", aor, source, now)
            raise RequestRefused(403, "Credentials of Another User")
        self._counters.authenticated_requests += 1
        incoming.user = aor
        self._shedding.proven(flow, now)
        if status == 407 and len(values) == 1:
            # The only credentials are for our realm: the field is removed without being parsed again.
            request.headers.remove(field)

    def _accept_copy(self, incoming: Incoming, request: Request, aor: str) -> None:
        """Raise the 202 for a copy of a MESSAGE that the previous process has stored.

        The password is right, but the nonce is from the previous process. After a challenge the client would send
        the MESSAGE with a higher CSeq. A higher CSeq makes a new message (law 9), and the recipient would get the
        text twice.
        """
        if self._storing.is_former(request, incoming.aor, incoming.author.name):
            incoming.user = aor
            self._counters.duplicate_messages += 1
            raise RequestRefused(202, "Accepted")

    def _refusal(
        self,
        judgement: Judgement,
        incoming: Incoming,
        status: int,
        aor: str,
        source: str,
        values: Sequence[bytes],
        now: float,
    ) -> RequestRefused:
        """The answer to the verdict. The reason is logged, and is not part of the answer."""
        counters, verdict = self._counters, judgement.verdict
        if verdict is Verdict.STALE:
            self.refusals.stale(judgement.reason, judgement.nonce, aor, source, now)
        elif judgement.reason:
            self.refusals.refused(judgement.reason, aor, source, now, judgement.is_mendable)
        if verdict is Verdict.ELSEWHERE:
            return RequestRefused(400, "Digest URI Is Not The Request-URI", detail=judgement.reason)
        if verdict is Verdict.TOO_SOON:
            counters.delayed_guesses += 1
            return self._later(
                "Too Many Wrong Passwords", ceil(judgement.wait), source, incoming.transaction.flow
            )
        if verdict is Verdict.WRONG:
            counters.wrong_passwords += 1
        key = _request_key(incoming, values)
        challenges = self.judge.challenges(
            self._members.realm_of(aor),
            key,
            source,
            self._clock.wall(),
            verdict is Verdict.STALE,
            self.judge.offers_md5_alone(judgement, aor, key, source, bool(values), now),
        )
        name = _FIELDS[status][1]
        return self._challenge(incoming, source, status, [(name, value) for value in challenges], now)

    def _challenge(
        self,
        incoming: Incoming,
        source: str,
        status: int,
        challenges: list[tuple[bytes, bytes]],
        now: float,
    ) -> RequestRefused:
        """The challenge, or a 503 when `source` has had too many challenges (flood.py)."""
        counters, flow = self._counters, incoming.transaction.flow
        edge = self.sources.edge_of(source, flow)
        in_sum, most = (f"edge {edge}", MAX_PER_EDGE) if edge else (sum_of(source), MAX_IN_SUM)
        wait = 0 if self.sources.is_exempt(flow) else self.rate.wait(source, in_sum, most, now)
        if wait:
            challenges = [challenges[self.judge.best_known(len(challenges))]]
            if not _is_small(incoming.transaction.request, status, challenges):
                counters.shed_challenges += 1
                return self._later("Service Unavailable", wait, source, flow)
        counters.challenges += 1
        return StatelessRefusal(status, _PHRASES[status], challenges)

    def _later(self, phrase: str, wait: int, source: str, flow: Flow) -> StatelessRefusal:
        """The answer to a source that has to wait `wait` seconds: 503, or 500 for a client behind an edge.

        The Retry-After of a 503 is about the whole server: a proxy with a 503 should send no requests of any client
        to the server (RFC 3261 §21.5.4). Kamailio turns a 503 into a 500 without Retry-After (§16.7 item 6), and
        passes a 500 on.
        """
        status = 500 if self.sources.edge_of(source, flow) else 503
        return StatelessRefusal(status, phrase, [(b"Retry-After", b"%d" % wait)])


class _Visitor:
    """The request and its sender, for the questions of the judge (auth/judge.py)."""

    __slots__ = ("_clock", "_flow", "_location", "_myself", "_request", "_sources")

    def __init__(
        self,
        location: LocationService,
        clock: Clock,
        myself: Myself,
        sources: Sources,
        request: Request,
        flow: Flow,
    ) -> None:
        self._location = location
        self._clock = clock
        self._myself = myself
        self._sources = sources
        self._request = request
        self._flow = flow

    def is_bound(self, aor: str) -> bool:
        """True when `aor` is registered from this place, so that a guesser at the same address does not delay the user.

        A place shared by several users, e.g. behind a proxy, proves no user: any client behind the proxy could
        guess.
        """
        flow, sources = self._flow, self._sources
        if sources.edge_of(sources.of(self._request, flow), flow):
            return False
        bindings = self._location.bindings(aor, self._clock.wall())
        return any(
            binding.flow is not None
            and not binding.path
            and binding.flow.host == flow.host
            and binding.flow.port == flow.port
            for binding in bindings
        )

    def place(self) -> str:
        """Transport, address and port of the sender, and the client named by an edge proxy."""
        flow = self._flow
        source = self._sources.of(self._request, flow)
        return f"{flow.endpoint.transport} {flow.host} {flow.port} {source}"

    def is_removal(self) -> bool:
        """True for a REGISTER that removes bindings and adds none."""
        return is_removal(self._request)

    def accepts(self, uri: bytes) -> bool:
        """True for a digest uri with this server, one of its domains or users, or the place of the Request-URI.

        Clients write their registrar, their own AOR, or other parameters than in the Request-URI (SIPp, pyVoIP). RFC
        8760 §2.6 item 6 leaves the comparison to the server. Replays are not possible: the response includes a nonce
        and a count, and each pair is accepted once. An attacker on the path could replace the Request-URI by another
        URI of this server. Digest does not protect To, Contact and the body either; TLS does.
        """
        identify = self._myself.identify
        asked = identify(self._request.uri)
        uri = without_brackets(uri)
        for text in (uri, b"sip:" + uri):
            # The uri may have no scheme.
            meant = identify(text)
            if meant.is_ours or (meant.is_sip and asked.is_sip and _is_same_place(asked.uri, meant.uri)):
                return True
        return False

    def domain_of(self, host: str) -> str:
        """The domain of this server for `host`; "" for a foreign host."""
        myself = self._myself
        named = myself.identify(b"sip:" + host.encode("utf-8", "backslashreplace"))
        if not named.is_ours or named.uri.user is not None:
            return ""
        domain = canonical_host(named.uri.host)
        return domain if domain in myself.domains else myself.domains[0]


def _is_same_place(one: SipUri, other: SipUri) -> bool:
    """True when two URIs are equal except for parameters and headers."""
    users = canonical_user(one.user or ""), canonical_user(other.user or "")
    return users[0] == users[1] and (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _request_key(incoming: Incoming, values: Sequence[bytes]) -> bytes:
    """A key shared by a request and its copies only, also for a client with a constant Via branch."""
    request = incoming.transaction.request
    return b"\n".join((incoming.transaction.key, request.call_id, b"%d" % request.cseq, *values))


def _values(request: Request, field: bytes) -> Sequence[bytes]:
    """The values of the field. When no field of the request occurs twice, the fields need not be searched."""
    received, headers = request.received, request.headers
    if field not in received:
        return ()
    return (received[field],) if len(received) == len(headers.fields) else headers.get_all(field)


def _is_small(request: Request, status: int, challenges: list[tuple[bytes, bytes]]) -> bool:
    """True when the challenge is less than 1.5 times as large as the request: a 503 would be hardly smaller."""
    return len(response_bytes(request, status, _ANY_TAG, challenges)) <= request.size * 3 // 2
