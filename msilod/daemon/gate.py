"""The gate: whose requests go on (RFC 3261 §22, §26.3.2; RFC 3325 §5). Behind validation, before the policy (§16.3).

    request                                  must show
    ACK, CANCEL                              nothing (§22.1); they never come here
    from a `trusted` network                 nothing
    OPTIONS to the server itself             nothing: it is a ping
    of a dialog that we let through          nothing; in the name of a user of ours 407, but from that user's place in
                                             the dialog (dialogs.py); a MESSAGE as one outside of dialogs
    REGISTER for a domain of ours            401: a password of the user in To
    From in a domain of ours                 407: a password of the user in From
    any other From                           nothing, if [auth] inbound lets it in; else 403

Rules: open to everybody until there has been a user, or by `mode = "off"`; users that cannot be read shut it (503).
Whoever is let in has `incoming.user`, and his P-Asserted-Identity is ours; a stranger's is removed in any case.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final

from msilod.auth.flood import MAX_IN_SUM, MAX_PER_EDGE, ChallengeRate
from msilod.auth.identity import assert_identity, drop_own_credentials
from msilod.auth.judge import Judge, Judgement, Verdict
from msilod.auth.policy import AuthPolicy
from msilod.auth.source import Sources, sum_of
from msilod.auth.users import Users
from msilod.daemon.myself import Named
from msilod.errors import MalformedMessage, RequestRefused, StatelessRefusal
from msilod.sip.flow import Flow
from msilod.sip.message import Request, response_bytes
from msilod.sip.privacy import ASSERTED, PREFERRED, guard_identity
from msilod.sip.uri import SipUri

if TYPE_CHECKING:
    from msilod.daemon.dialogs import Dialog
    from msilod.daemon.server import Server
    from msilod.daemon.transaction_user import Incoming

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
        self.sources = Sources()
        self.configure(policy)

    def configure(self, policy: AuthPolicy) -> None:
        """Serve by this policy from now on."""
        self.policy = policy
        self.judge.algorithms = policy.algorithms
        self.sources.configure(policy.edges, policy.limits_loopback)
        self.refresh()

    def refresh(self) -> None:
        """The users are others now, or can or cannot be read."""
        mode, users = self.policy.mode, self.users
        may_exist = users.existed or not users.is_readable
        self.is_closed = mode == "required" or (mode == "auto" and may_exist)
        self.knows_names = mode != "off" and users.existed

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
        if self.is_closed:
            self._check(incoming, request, self.server.trust.trusts(incoming.transaction.flow), now)
        if request.method == b"REGISTER" and incoming.is_myself:
            # It goes no further, and nothing of it is kept but contacts. The registrar binds the AOR that was checked.
            to = incoming.named_to
            if not to.aor:
                self._refuse_registration(to)
            incoming.registrant = to.aor
            return
        received = request.received
        if (
            ASSERTED in received
            or PREFERRED in received
            or b"proxy-authorization" in received
            or b"authorization" in received
        ):
            self.clean(request, self.server.trust.trusts(incoming.transaction.flow))
        if incoming.user is not None:
            assert_identity(request, incoming.user, received.get(PREFERRED), self._aor_of)

    def clean(self, request: Request, is_trusted: bool) -> None:
        """Remove credentials of our realms, and what a stranger says of his own identity."""
        received = request.received
        if ASSERTED in received or PREFERRED in received:
            guard_identity(request.headers, is_trusted, True)
        if b"proxy-authorization" in received or b"authorization" in received:
            drop_own_credentials(request, self._is_own_realm)

    def _check(self, incoming: "Incoming", request: Request, is_trusted: bool, now: float) -> None:
        if request.method == b"REGISTER" and incoming.is_myself:
            self._check_register(incoming, incoming.named_to.aor, is_trusted, now)
            return
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
            return
        if not aor:
            raise RequestRefused(403, "Forbidden")
        if not is_trusted:
            self._authenticate(incoming, 407, aor, now)

    def passes_ack(self, author: Named, dialog: "Dialog | None", flow: Flow) -> bool:
        """True for an ACK that may go on: an ACK cannot be challenged (§22.1).

        It belongs to a dialog that we let through, or it comes from where `author`, which From names, is registered.
        """
        if dialog is not None or not self.is_closed or self.server.trust.trusts(flow):
            return True
        return bool(author.aor) and self._is_bound_at(flow, author.aor)

    def _check_inbound(self, is_trusted: bool) -> None:
        """[auth] inbound: senders of foreign domains. Raises RequestRefused."""
        if not self.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [_RETRY_AFTER])
        inbound = self.policy.inbound
        if inbound == "nobody" or (inbound == "trusted" and not is_trusted):
            raise RequestRefused(403, "Forbidden")

    def _check_register(self, incoming: "Incoming", aor: str, is_trusted: bool, now: float) -> None:
        """A third party's REGISTER is taken from a trusted network, for a user; `admit` refuses a To without AOR."""
        if not aor:
            return
        if not is_trusted:
            self._authenticate(incoming, 401, aor, now)
        elif not self.is_known(aor):
            raise RequestRefused(404, "Not Found")

    def _refuse_registration(self, to: Named) -> None:
        """Raises what a REGISTER whose To names no AOR of ours is answered with (RFC 3261 §10.3 item 5)."""
        if not to.is_sip:
            # 416 is a word about the Request-URI; a To that names no AOR is a bad request (RFC 4475 §3.3.4).
            raise MalformedMessage("Bad To")
        raise RequestRefused(404, "Not Found")

    # --- passwords -----------------------------------------------------------------------------------

    def _authenticate(self, incoming: "Incoming", status: int, aor: str, now: float) -> None:
        """`incoming.user` is who has shown a password, and he is `aor`; or it raises."""
        if not self.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [_RETRY_AFTER])
        transaction, server = incoming.transaction, self.server
        request, flow = transaction.request, transaction.flow
        field = _FIELDS[status][0]
        values = _values(request, field)
        domain = aor.rpartition("@")[2]
        realm = self.policy.realm_of(domain)
        judgement = self.judge.judge(
            values, request.method, realm, domain, self.sources.of(request, flow), now, server.clock.wall(),
            partial(self._is_bound_at, flow),
        )  # fmt: skip
        if judgement.verdict is not Verdict.RIGHT:
            self._refuse(judgement, incoming, status, realm, now)
        self._check_uri(request, judgement.uri)
        if judgement.user != aor:
            raise RequestRefused(403, "Forbidden")
        server.counters.authenticated_requests += 1
        incoming.user = aor
        if len(values) == 1 and status == 407:
            # Known to be ours: it need not be read again to be removed.
            request.headers.remove(field)

    def _refuse(
        self, judgement: Judgement, incoming: "Incoming", status: int, realm: str, now: float
    ) -> None:
        """Raises what the verdict comes to; no more is said of why, and nobody is remembered for it."""
        counters, flow = self.server.counters, incoming.transaction.flow
        if judgement.verdict is Verdict.TOO_SOON:
            counters.delayed_guesses += 1
            after = (b"Retry-After", b"%d" % ceil(judgement.wait))
            raise StatelessRefusal(503, "Service Unavailable", [after])
        if judgement.verdict is Verdict.WRONG:
            counters.wrong_passwords += 1
        is_stale = judgement.verdict is Verdict.STALE
        source = self.sources.of(incoming.transaction.request, flow)
        challenges = self.judge.challenges(
            realm, incoming.transaction.key, source, self.server.clock.wall(), is_stale
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
            challenges = challenges[:1]
            if not _is_small(incoming.transaction.request, status, challenges):
                counters.shed_challenges += 1
                raise StatelessRefusal(503, "Service Unavailable", [(b"Retry-After", b"%d" % wait)])
        counters.challenges += 1
        raise StatelessRefusal(status, _PHRASES[status], challenges)

    def _check_uri(self, request: Request, uri: bytes) -> None:
        """Not the same characters, but the same place (RFC 8760 §2.6 item 6); of a REGISTER the domain is enough."""
        if uri == request.uri:
            return
        named, meant = self.server.myself.named(request.uri), self.server.myself.named(uri)
        if named.is_ours and meant.is_ours and (named.aor == meant.aor or request.method == b"REGISTER"):
            return
        if not SipUri.equals(named.uri, meant.uri):
            raise RequestRefused(400, "Bad Request", detail="the digest is for another uri")

    def _is_bound_at(self, flow: Flow, aor: str) -> bool:
        """True when `aor` is registered from there: then it is he, whoever else guesses from his address."""
        bindings = self.server.location.bindings(aor, self.server.clock.wall())
        return any(
            binding.flow is not None and binding.flow.host == flow.host and binding.flow.port == flow.port
            for binding in bindings
        )

    def _is_own_realm(self, realm: bytes) -> bool:
        name = realm.decode("utf-8", "replace")
        return name == self.policy.realm or name.lower() in self.server.myself.domains

    def _aor_of(self, uri: bytes) -> str:
        return self.server.myself.identify(uri).aor


def _values(request: Request, field: bytes) -> Sequence[bytes]:
    """The fields of that name; of a request with none twice without a walk through all of them."""
    received, headers = request.received, request.headers
    if field not in received:
        return ()
    return (received[field],) if len(received) == len(headers.fields) else headers.get_all(field)


def _is_small(request: Request, status: int, challenges: list[tuple[bytes, bytes]]) -> bool:
    """True when a challenge amplifies its request by less than a half: the 503 would be hardly smaller."""
    return len(response_bytes(request, status, _ANY_TAG, challenges)) <= request.size * 3 // 2
