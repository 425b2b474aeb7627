"""Incoming: a request on its way through the gate and the policy, with all that was looked up for it."""

from msilod.keeping.storable import StorableRequest
from msilod.registrar.binding import Binding
from msilod.relaying.dialogs import Dialog
from msilod.routing.myself import Named
from msilod.serving.facts import Facts
from msilod.sip.flow import Flow
from msilod.transaction.server_transaction import ServerTransaction


class Incoming(StorableRequest):
    """A request on its way through the policy, with the facts that the policy and the actions need.

    `aor` and `author` are decided once, before the gate: the AOR that the Request-URI names ("" for none), and the
    address that the request needs a password of: that in From, or in To of a REGISTER to this server.
    `registrant` is the AOR that the gate let a REGISTER bind, "" for none.
    `new_uri` is the Request-URI that the policy put in its place, b"" for none; `relays` how often it was relayed;
    `arrived` is UTC seconds, 0 until it is needed. `dialog` is the one that the request proves to belong to.
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
        # All in one place, and without a call: it is made for every request. The rest is in properties below.
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
        """True for what goes behind waiting messages (law 7), and for what goes by way of the silo in any case.

        The latter is a MESSAGE for each device (a fork ends with the first 2xx) or for later.
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
        """Where the request came from."""
        return self.transaction.flow

    @property
    def named_to(self) -> Named:
        """The reading of To, made at the first use: a MESSAGE to its Request-URI does not need it."""
        found = self.to_named
        if found is None:
            found = self.to_named = self.facts.identify(self.message.to.uri)
        return found

    @property
    def sender(self) -> str:
        """From as `user@host`, or its AOR; "" for a From without user."""
        named = self.facts.identify(self.message.from_.uri)
        return named.name if named.is_sip and named.uri.user is not None else ""

    def lookup(self, uri: str) -> bool:
        """lookup("location") for another URI."""
        named = self.facts.named(uri.encode())
        return bool(self.facts.bindings(named, self.method))

    def rewrite(self, uri: str) -> None:
        """rewriteuri(): from here on it is for `uri`."""
        self.new_uri = uri.encode()
        named = self.facts.named(self.new_uri)
        self.uri, self.is_myself, self.aor = named.uri, named.is_ours, named.aor
        self.bindings = self.facts.bindings(named, self.method)
        self.is_registered = bool(self.bindings)
