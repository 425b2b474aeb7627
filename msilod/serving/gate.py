"""Gate: decides which requests go on, after validation and before the policy (RFC 3261 §16.3, §22, §26.3.2; RFC 3325
§5).

    request                                  must show
    ACK, CANCEL                              nothing (§22.1); neither comes to `admit`
    from a `trusted` network                 nothing
    OPTIONS to the server itself             nothing: such requests are pings
    of a dialog that we let through          nothing; in the name of a user 407, unless the request comes from the
                                             place of that user in the dialog (dialogs.py); a MESSAGE as outside of
                                             dialogs
    REGISTER for a domain of ours            401: a password of the user in To
    From in a domain of ours                 407: a password of the user in From
    any other From                           nothing, if [auth] inbound allows the sender; else 403

Rules: all requests pass until there is a first user, or with `mode = "off"`. When the users cannot be read, the gate
answers 503. A sender with a right password gets `incoming.user` and a P-Asserted-Identity from us. A
P-Asserted-Identity from a stranger is always removed.
"""

from msilod.auth.identity import assert_identity, drop_own_credentials
from msilod.auth.members import Members
from msilod.auth.trust import Trust
from msilod.counters import Counters
from msilod.errors import MalformedMessage, RequestRefused, SipError, StatelessRefusal
from msilod.relaying.dialogs import Dialog, Dialogs
from msilod.routing.myself import Myself, Named
from msilod.serving.authentication import RETRY_AFTER, Authentication
from msilod.serving.incoming import Incoming
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.privacy import ASSERTED, PREFERRED, REMOTE_PARTY, guard_identity
from msilod.transaction.server_transaction import ServerTransaction


class Gate:
    """Decides whether a request goes on, and removes claims that the sender has not proved."""

    def __init__(
        self,
        members: Members,
        authentication: Authentication,
        trust: Trust,
        dialogs: Dialogs,
        myself: Myself,
        counters: Counters,
    ) -> None:
        self._members = members
        self._authentication = authentication
        self._trust = trust
        self._dialogs = dialogs
        self._myself = myself
        self._counters = counters

    def admit(self, incoming: Incoming, now: float) -> None:
        """Let the request go on, and remove unproved claims.

        Raises RequestRefused: 401 and 407 with challenges, 403, 400 (another digest uri), 503; MalformedMessage.
        """
        request = incoming.message
        if request.method == b"REGISTER" and incoming.is_myself:
            # A REGISTER is not forwarded; only its contacts are kept. The registrar binds the AOR that was checked
            # here.
            aor = incoming.author.aor
            if not aor:
                raise self._registration_refusal(incoming.author)
            if self._members.is_closed:
                self._check_register(incoming, aor, now)
            incoming.registrant = aor
            return
        if self._members.is_closed:
            self._check(incoming, request, self._trust.trusts(incoming.transaction.flow), now)
        received = request.received
        if (
            ASSERTED in received
            or PREFERRED in received
            or REMOTE_PARTY in received
            or b"proxy-authorization" in received
            or b"authorization" in received
        ):
            self.clean(request, self._trust.trusts(incoming.transaction.flow))
        if incoming.user is not None:
            assert_identity(request, incoming.user, received.get(PREFERRED), self._aor_of)

    def clean(self, request: Request, is_trusted: bool) -> None:
        """Remove credentials for our realms, and an identity that a stranger asserts."""
        received = request.received
        if ASSERTED in received or PREFERRED in received or REMOTE_PARTY in received:
            guard_identity(request.headers, is_trusted, True)
        if b"proxy-authorization" in received or b"authorization" in received:
            drop_own_credentials(request, self._is_own_realm)

    def _check(self, incoming: Incoming, request: Request, is_trusted: bool, now: float) -> None:
        if request.method == b"OPTIONS" and incoming.is_for_server:
            return
        dialog = incoming.dialog
        if dialog is not None and dialog.is_from_place and request.method != b"MESSAGE":
            return
        author = incoming.author
        aor = author.aor
        if dialog is not None and dialog.sender_aor:
            # The INVITE was for another name of the same user, and From has that other name.
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
            self._authentication.authenticate(incoming, 407, aor, now)

    def passes_ack(self, request: Request, author: Named, dialog: Dialog | None, flow: Flow) -> bool:
        """True for an ACK that may go on: an ACK cannot be challenged (§22.1).

        The ACK must belong to a dialog that we let through, or come from a place where `author`, the AOR in From, is
        registered.
        """
        if dialog is not None or not self._members.is_closed or self._trust.trusts(flow):
            return True
        client = self._authentication.sources.client_at(request, flow)
        return self._dialogs.is_bound_at(flow, author.aor, client)

    def clean_ack(self, request: Request, flow: Flow) -> None:
        """As `clean`, for an ACK that came on `flow`."""
        self.clean(request, self._trust.trusts(flow))

    def _check_inbound(self, is_trusted: bool) -> None:
        """[auth] inbound: senders of foreign domains. Raises RequestRefused."""
        if not self._members.users.is_readable:
            raise StatelessRefusal(503, "Service Unavailable", [RETRY_AFTER])
        inbound = self._members.policy.inbound
        if inbound == "nobody" or (inbound == "trusted" and not is_trusted):
            raise RequestRefused(403, "Forbidden")

    def _take_room(self, transaction: ServerTransaction, now: float) -> None:
        """A stranger's request takes room reserved for strangers, not for users. Raises StatelessRefusal 503."""
        if not transaction.takes_room_of_strangers(now):
            self._counters.refused_strangers += 1
            raise StatelessRefusal(503, "Service Unavailable", [RETRY_AFTER])

    def _check_register(self, incoming: Incoming, aor: str, now: float) -> None:
        """Require the password of `aor` for a REGISTER. A trusted network needs none, if `aor` is a user.

        Raises RequestRefused.
        """
        if not self._trust.trusts(incoming.transaction.flow):
            self._authentication.authenticate(incoming, 401, aor, now)
        elif not self._members.is_known(aor):
            raise RequestRefused(404, "To Names No User")

    def _registration_refusal(self, to: Named) -> SipError:
        """The refusal of a REGISTER with a To that is no AOR of this server (RFC 3261 §10.3 item 5)."""
        if not to.is_sip:
            # 416 is for a Request-URI; for To the status is 400 (RFC 4475 §3.3.4).
            return MalformedMessage("Bad To")
        return RequestRefused(404, "To Names No Address of This Server")

    def _is_own_realm(self, realm: bytes) -> bool:
        name = realm.decode("utf-8", "replace")
        return name == self._members.policy.realm or name.lower() in self._myself.domains

    def _aor_of(self, uri: bytes) -> str:
        return self._myself.identify(uri).aor
