"""The gate: whose requests go on (RFC 3261 §22, §26.3.2; RFC 3325 §5). Behind validation, before the policy (§16.3).

    request                                  must show
    ACK, CANCEL                              nothing (§22.1); they never come here
    from a `trusted` network                 nothing
    OPTIONS to the server itself             nothing: it is a ping
    of a dialog that we let through          nothing; in the name of a user 407, unless it comes from the place of that
                                             user in the dialog (dialogs.py); a MESSAGE as one outside of dialogs
    REGISTER for a domain of ours            401: a password of the user in To
    From in a domain of ours                 407: a password of the user in From
    any other From                           nothing, if [auth] inbound lets it in; else 403

Rules: open to everybody until there has been a user, or by `mode = "off"`; users that cannot be read shut it (503).
Whoever is let in has `incoming.user`, and his P-Asserted-Identity is ours; a stranger's is removed in any case.
"""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

from msilod.auth.flood import MAX_IN_SUM, MAX_PER_EDGE, ChallengeRate
from msilod.auth.identity import assert_identity, drop_own_credentials
from msilod.auth.judge import Judge
from msilod.auth.judgement import Judgement, Verdict
from msilod.auth.policy import AuthPolicy
from msilod.auth.source import sum_of
from msilod.auth.users import Users
from msilod.errors import MalformedMessage, RequestRefused, StatelessRefusal
from msilod.registrar.removal import is_removal
from msilod.routing.domains import canonical_host
from msilod.routing.myself import Named
from msilod.serving.refusal_log import RefusalLog
from msilod.sip.flow import Flow
from msilod.sip.message import Request, response_bytes
from msilod.sip.privacy import ASSERTED, PREFERRED, REMOTE_PARTY, guard_identity
from msilod.sip.uri import SipUri, canonical_user, without_brackets
from msilod.transaction.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.server import Server
    from msilod.relaying.dialogs import Dialog
    from msilod.serving.incoming import Incoming

_RETRY_AFTER: Final = (b"Retry-After", b"5")
# As long as the To tags that we make.
_ANY_TAG: Final = bytes(16)
# Status: where the credentials are, and what asks for them (§22.2, §22.3).
_FIELDS: Final = {
    401: (b"authorization", b"WWW-Authenticate"),
    407: (b"proxy-authorization", b"Proxy-Authenticate"),
}
_PHRASES: Final = {401: "Unauthorized", 407: "Proxy Authentication Required"}


class Gate:
    """`secret` (32 bytes) outlives restarts, `run` (2 bytes) does not. `refresh` after a change of users."""

    def __init__(self, server: "Server", policy: AuthPolicy, users: Users, secret: bytes, run: bytes) -> None:
        self.server = server
        self.users = users
        self.judge = Judge(users, policy.algorithms, secret, run)
        self.rate = ChallengeRate()
        self.sources = server.shedding.sources
        self.refusals = RefusalLog()
        self.configure(policy)

    def configure(self, policy: AuthPolicy) -> None:
        """Serve by this policy from now on."""
        self.policy = policy
        self.judge.algorithms = policy.algorithms
        self.sources.configure(policy.edges, policy.limits_loopback)
        self.judge.needs_qop = policy.needs_qop
        self.refresh()

    def refresh(self) -> None:
        """The users are others now, or can or cannot be read."""
        mode, users = self.policy.mode, self.users
        may_exist = users.existed or not users.is_readable
        self.is_closed = mode == "required" or (mode == "auto" and may_exist)
        self.knows_names = mode != "off" and users.existed
        # Without passwords there are no users who could be crowded out.
        self.server.shedding.is_active = self.is_closed

    def is_known(self, aor: str) -> bool:
        """False for a name in a domain of ours that is no user's; until there are users all names are known."""
        return not self.knows_names or self.users.knows(aor) or aor == self.server.silo.policy.registrar_aor

    def realm_of(self, aor: str) -> str:
        """The realm that a user's password was hashed with."""
        return self.policy.realm_of(aor.rpartition("@")[2])

    # --- the way in ----------------------------------------------------------------------------------

    def admit(self, incoming: "Incoming", now: float) -> None:
        """Let the request go on, and clean it of what nobody has proved.

        Raises RequestRefused: 401 and 407 with challenges, 403, 400 (another digest uri), 503; MalformedMessage.
        """
        request = incoming.message
        if request.method == b"REGISTER" and incoming.is_myself:
            # It goes no further, and nothing of it is kept but contacts. The registrar binds the AOR that was checked.
            aor = incoming.author.aor
            if not aor:
                self._refuse_registration(incoming.author)
            if self.is_closed:
                self._check_register(incoming, aor, now)
            incoming.registrant = aor
            return
        if self.is_closed:
            self._check(incoming, request, self.server.trust.trusts(incoming.transaction.flow), now)
        received = request.received
        if (
            ASSERTED in received
            or PREFERRED in received
            or REMOTE_PARTY in received
            or b"proxy-authorization" in received
            or b"authorization" in received
        ):
            self.clean(request, self.server.trust.trusts(incoming.transaction.flow))
        if incoming.user is not None:
            assert_identity(request, incoming.user, received.get(PREFERRED), self._aor_of)

    def clean(self, request: Request, is_trusted: bool) -> None:
        """Remove credentials of our realms, and what a stranger says of his own identity."""
        received = request.received
        if ASSERTED in received or PREFERRED in received or REMOTE_PARTY in received:
            guard_identity(request.headers, is_trusted, True)
        if b"proxy-authorization" in received or b"authorization" in received:
            drop_own_credentials(request, self._is_own_realm)

    def _check(self, incoming: "Incoming", request: Request, is_trusted: bool, now: float) -> None:
        if request.method == b"OPTIONS" and incoming.is_for_server:
            return
        dialog = incoming.dialog
        if dialog is not None and dialog.is_from_place and request.method != b"MESSAGE":
            return
        author = incoming.author
        aor = author.aor
        if dialog is not None and dialog.sender_aor:
            # The INVITE was for another name of this user's, and From has that name.
            aor = dialog.sender_aor
        elif not author.is_ours:
            if dialog is None:
                self._check_inbound(is_trusted)
                if not is_trusted:
                    self._take_room(incoming.transaction, now)
            return
        if not aor:
            raise RequestRefused(403, "Forbidden")
        if not is_trusted:
            self._authenticate(incoming, 407, aor, now)

    def passes_ack(self, request: Request, author: Named, dialog: "Dialog | None", flow: Flow) -> bool:
        """True for an ACK that may go on: an ACK cannot be challenged (§22.1).

        It belongs to a dialog that we let through, or it comes from where `author`, which From names, is registered.
        """
        if dialog is not None or not self.is_closed or self.server.trust.trusts(flow):
            return True
        return self.server.dialogs.is_bound_at(flow, author.aor, self.sources.client_at(request, flow))

    def _check_inbound(self, is_trusted: bool) -> None:
        """[auth] inbound: senders of foreign domains. Raises RequestRefused."""
        if not self.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [_RETRY_AFTER])
        inbound = self.policy.inbound
        if inbound == "nobody" or (inbound == "trusted" and not is_trusted):
            raise RequestRefused(403, "Forbidden")

    def _take_room(self, transaction: ServerTransaction, now: float) -> None:
        """A stranger's request takes the room of strangers, never that of users. Raises StatelessRefusal 503."""
        if not transaction.takes_room_of_strangers(now):
            self.server.counters.refused_strangers += 1
            raise StatelessRefusal(503, "Service Unavailable", [_RETRY_AFTER])

    def _check_register(self, incoming: "Incoming", aor: str, now: float) -> None:
        """A REGISTER for `aor` needs the password of `aor`. A trusted network needs none, for an `aor` that is a user.

        Raises RequestRefused.
        """
        if not self.server.trust.trusts(incoming.transaction.flow):
            self._authenticate(incoming, 401, aor, now)
        elif not self.is_known(aor):
            raise RequestRefused(404, "To Names No User")

    def _refuse_registration(self, to: Named) -> None:
        """Raise the refusal of a REGISTER with a To that names no AOR of this server (RFC 3261 §10.3 item 5)."""
        if not to.is_sip:
            # 416 is a word about the Request-URI; a To that names no AOR is a bad request (RFC 4475 §3.3.4).
            raise MalformedMessage("Bad To")
        raise RequestRefused(404, "To Names No Address of This Server")

    # --- passwords -----------------------------------------------------------------------------------

    def _authenticate(self, incoming: "Incoming", status: int, aor: str, now: float) -> None:
        """`incoming.user` is who has shown a password, and he is `aor`; or it raises."""
        if not self.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [_RETRY_AFTER])
        transaction, server = incoming.transaction, self.server
        request, flow = transaction.request, transaction.flow
        field = _FIELDS[status][0]
        values = _values(request, field)
        source = self.sources.of(request, flow)
        realm = self.policy.realm_of(aor.rpartition("@")[2])
        judgement = self.judge.judge(
            values, request.method, request.uri, aor, realm, source, now, server.clock.wall(),
            _Visitor(self, incoming),
        )  # fmt: skip
        if judgement.verdict is not Verdict.RIGHT:
            if judgement.verdict is Verdict.STALE and judgement.user == aor and server.silo.former:
                self._accept_copy(incoming, request, aor)
            self._refuse(judgement, incoming, status, aor, source, values, now)
        if judgement.user != aor:
            self.refusals.refused("the password of another user", aor, source, now)
            raise RequestRefused(403, "Credentials of Another User")
        server.counters.authenticated_requests += 1
        incoming.user = aor
        server.shedding.proven(flow, now)
        if status == 407 and len(values) == 1:
            # Known to be ours: it need not be read again to be removed.
            request.headers.remove(field)

    def _accept_copy(self, incoming: "Incoming", request: Request, aor: str) -> None:
        """Raise the 202 for the copy of a MESSAGE that the process before this one has stored.

        Its password is right, and only its nonce is that of the process before. After a challenge the client would
        send it with a higher CSeq, which makes it another message (law 9), and the recipient would get it twice.
        """
        server = self.server
        if server.silo.is_former(request, incoming.aor, incoming.author.name):
            incoming.user = aor
            server.counters.duplicate_messages += 1
            raise RequestRefused(202, "Accepted")

    def _refuse(
        self,
        judgement: Judgement,
        incoming: "Incoming",
        status: int,
        aor: str,
        source: str,
        values: Sequence[bytes],
        now: float,
    ) -> None:
        """Raise the answer to the verdict. The answer does not say why; the log does."""
        counters, verdict = self.server.counters, judgement.verdict
        if verdict is Verdict.STALE:
            self.refusals.stale(judgement.reason, judgement.nonce, aor, source, now)
        elif judgement.reason:
            self.refusals.refused(judgement.reason, aor, source, now, judgement.is_mendable)
        if verdict is Verdict.ELSEWHERE:
            raise RequestRefused(400, "Digest URI Is Not The Request-URI", detail=judgement.reason)
        if verdict is Verdict.TOO_SOON:
            counters.delayed_guesses += 1
            raise self._later(
                "Too Many Wrong Passwords", ceil(judgement.wait), source, incoming.transaction.flow
            )
        if verdict is Verdict.WRONG:
            counters.wrong_passwords += 1
        key = _request_key(incoming, values)
        challenges = self.judge.challenges(
            self.realm_of(aor),
            key,
            source,
            self.server.clock.wall(),
            verdict is Verdict.STALE,
            self.judge.offers_md5_alone(judgement, aor, key, source, bool(values), now),
        )
        name = _FIELDS[status][1]
        self._challenge(incoming, source, status, [(name, value) for value in challenges], now)

    def _challenge(
        self,
        incoming: "Incoming",
        source: str,
        status: int,
        challenges: list[tuple[bytes, bytes]],
        now: float,
    ) -> None:
        """Raises the challenge, or a 503 when `source` has had too many (flood.py)."""
        counters, flow = self.server.counters, incoming.transaction.flow
        edge = self.sources.edge_of(source, flow)
        in_sum, most = (f"edge {edge}", MAX_PER_EDGE) if edge else (sum_of(source), MAX_IN_SUM)
        wait = 0 if self.sources.is_exempt(flow) else self.rate.wait(source, in_sum, most, now)
        if wait:
            challenges = [challenges[self.judge.best_known(len(challenges))]]
            if not _is_small(incoming.transaction.request, status, challenges):
                counters.shed_challenges += 1
                raise self._later("Service Unavailable", wait, source, flow)
        counters.challenges += 1
        raise StatelessRefusal(status, _PHRASES[status], challenges)

    def _later(self, phrase: str, wait: int, source: str, flow: Flow) -> StatelessRefusal:
        """What a source that has to wait so many seconds is answered.

        That is 503, and 500 for a client behind an edge. The Retry-After of a 503 is about the whole server, and a
        proxy that receives one should send nothing more of anybody to it (RFC 3261 §21.5.4). Kamailio turns a 503 into
        a 500 without Retry-After (§16.7 item 6); a 500 is passed on as it is.
        """
        status = 500 if self.sources.edge_of(source, flow) else 503
        return StatelessRefusal(status, phrase, [(b"Retry-After", b"%d" % wait)])

    def _is_own_realm(self, realm: bytes) -> bool:
        name = realm.decode("utf-8", "replace")
        return name == self.policy.realm or name.lower() in self.server.myself.domains

    def _aor_of(self, uri: bytes) -> str:
        return self.server.myself.identify(uri).aor


class _Visitor:
    """The request and its sender, for the questions of the judge (auth/judge.py)."""

    __slots__ = ("_gate", "_incoming")

    def __init__(self, gate: Gate, incoming: "Incoming") -> None:
        self._gate = gate
        self._incoming = incoming

    def is_bound(self, aor: str) -> bool:
        """True when `aor` is registered from this place: a guesser at the same address does not delay the user.

        A place that several users share, as that of a proxy between, proves nobody: anybody behind it could guess.
        """
        server, flow, sources = self._gate.server, self._incoming.flow, self._gate.sources
        if sources.edge_of(sources.of(self._incoming.message, flow), flow):
            return False
        bindings = server.location.bindings(aor, server.clock.wall())
        return any(
            binding.flow is not None
            and not binding.path
            and binding.flow.host == flow.host
            and binding.flow.port == flow.port
            for binding in bindings
        )

    def place(self) -> str:
        """Transport, address and port that the request came from, and the client that an edge proxy names."""
        flow = self._incoming.flow
        source = self._gate.sources.of(self._incoming.message, flow)
        return f"{flow.endpoint.transport} {flow.host} {flow.port} {source}"

    def is_removal(self) -> bool:
        """True for a REGISTER that only removes bindings."""
        return is_removal(self._incoming.message)

    def accepts(self, uri: bytes) -> bool:
        """True for a digest uri that names this server, one of its domains or users, or the place of the Request-URI.

        Clients write their registrar, their own AOR, or a parameter more or less than in the Request-URI (SIPp, pyVoIP;
        RFC 8760 §2.6 item 6 leaves the comparison to the server). That is no risk of replay: the response is made of
        a nonce and its count, and each is taken once. An attacker on the path could change the Request-URI to another
        one of this server. Digest protects To, Contact and the body from no change either; TLS does.
        """
        identify = self._gate.server.myself.identify
        asked = identify(self._incoming.message.uri)
        uri = without_brackets(uri)
        for text in (uri, b"sip:" + uri):
            # Perhaps it has no scheme.
            meant = identify(text)
            if meant.is_ours or (meant.is_sip and asked.is_sip and _is_same_place(asked.uri, meant.uri)):
                return True
        return False

    def domain_of(self, host: str) -> str:
        """The domain of this server that `host` names; "" for a foreign host."""
        myself = self._gate.server.myself
        named = myself.identify(b"sip:" + host.encode("utf-8", "backslashreplace"))
        if not named.is_ours or named.uri.user is not None:
            return ""
        domain = canonical_host(named.uri.host)
        return domain if domain in myself.domains else myself.domains[0]


def _is_same_place(one: SipUri, other: SipUri) -> bool:
    """True when two URIs differ in nothing but parameters and headers."""
    users = canonical_user(one.user or ""), canonical_user(other.user or "")
    return users[0] == users[1] and (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _request_key(incoming: "Incoming", values: Sequence[bytes]) -> bytes:
    """A key that a request shares with its copies only, also for a client that never changes its Via branch."""
    request = incoming.transaction.request
    return b"\n".join((incoming.transaction.key, request.call_id, b"%d" % request.cseq, *values))


def _values(request: Request, field: bytes) -> Sequence[bytes]:
    """The fields of that name; of a request with none twice without a walk through all of them."""
    received, headers = request.received, request.headers
    if field not in received:
        return ()
    return (received[field],) if len(received) == len(headers.fields) else headers.get_all(field)


def _is_small(request: Request, status: int, challenges: list[tuple[bytes, bytes]]) -> bool:
    """True when a challenge amplifies its request by less than a half: the 503 would be hardly smaller."""
    return len(response_bytes(request, status, _ANY_TAG, challenges)) <= request.size * 3 // 2
