"""Incoming: a request on its way through the gate and the policy, with the looked-up facts."""

from msilod.keeping.storable import StorableRequest
from msilod.registrar.binding import Binding
from msilod.relaying.dialogs import Dialog
from msilod.routing.myself import Named
from msilod.serving.facts import Facts
from msilod.sip.flow import Flow
from msilod.transaction.server_transaction import ServerTransaction


class Incoming(StorableRequest):
    """A request on its way through the policy, with the facts for the policy and the actions.

    `aor` and `author` are decided once, before the gate. `aor`: the AOR in the Request-URI, "" for none. `author`:
    the address whose password is required, from From, or from To for a REGISTER to this server. `registrant`: the
    AOR that the gate let a REGISTER bind, "" for none. `new_uri`: the Request-URI set by the policy, b"" for none.
    `relays`: how often the request was relayed. `arrived`: UTC seconds, 0 until needed. `dialog`: the dialog that
    the request belongs to.
    """

    __slots__ = (
        "arrived",
        "bindings",
        "dialog",
        "facts",
        "gruu",
        "registrant",
        "relays",
        "to_named",
    )

    def __init__(
        self,
        facts: Facts,
        transaction: ServerTransaction,
        named: Named,
        author: Named,
        bindings: list[Binding],
        dialog: Dialog | None,
        arrived: float,
    ) -> None:
        # All assignments in one place without a call, as each request makes an Incoming. Other facts are properties
        # below.
        request = self.message = transaction.request
        self.method = request.method
        self.uri = named.uri
        self.is_myself = named.is_ours
        self.aor = named.aor
        self.gruu = named.gruu
        self.to_named: Named | None = None
        self.author = author
        self.registrant = ""
        self.bindings = bindings
        self.is_registered = bool(bindings)
        self.user = None
        self.facts = facts
        self.transaction = transaction
        self.dialog = dialog
        self.arrived: float = arrived
        self.new_uri, self.relays = b"", 0

    @property
    def has_due_rows(self) -> bool:
        """True for a request behind waiting messages (law 7), and for a request that must go by the silo.

        The second kind is a MESSAGE to each device (a fork ends with the first 2xx), or a MESSAGE for a later time.
        """
        return self.facts.has_due_rows(self.aor, self.message)

    @property
    def is_known(self) -> bool:
        """See RoutingRequest."""
        return self.facts.is_known(self.aor)

    @property
    def mode(self) -> int:
        """The configured m_store mode."""
        return self.facts.mode

    @property
    def flow(self) -> Flow:
        """The flow on which the request came."""
        return self.transaction.flow

    @property
    def named_to(self) -> Named:
        """The reading of To, made at the first use: a MESSAGE to the Request-URI does not need To."""
        found = self.to_named
        if found is None:
            found = self.to_named = self.facts.identify(self.message.to.uri)
        return found

    @property
    def sender(self) -> str:
        """From as `user@host`, or the AOR in From; "" for a From without user."""
        named = self.facts.identify(self.message.from_.uri)
        return named.name if named.is_sip and named.uri.user is not None else ""

    def lookup(self, uri: str) -> bool:
        """lookup("location") for another URI."""
        named = self.facts.named(uri.encode())
        return bool(self.facts.bindings(named, self.method))

    def rewrite(self, uri: str) -> None:
        """rewriteuri(): set the Request-URI to `uri`."""
        self.new_uri = uri.encode()
        named = self.facts.named(self.new_uri)
        self.uri, self.is_myself, self.aor = named.uri, named.is_ours, named.aor
        self.bindings = self.facts.bindings(named, self.method)
        self.is_registered = bool(self.bindings)
