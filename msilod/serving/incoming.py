"""Incoming: a request on its way through the gate and the policy, with all that was looked up for it."""

from typing import TYPE_CHECKING

from msilod.registrar.binding import Binding
from msilod.relaying.dialogs import Dialog
from msilod.routing.myself import Named
from msilod.routing.request import RoutingRequest
from msilod.silo.intake.scheduled import is_scheduled
from msilod.sip.flow import Flow
from msilod.transaction.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.server import Server


class Incoming(RoutingRequest):
    """A request on its way through the policy, with the facts that the policy and the actions need.

    `aor` and `author` are decided once, before the gate: the AOR that the Request-URI names ("" for none), and the
    address that the request needs a password of: that in From, or in To of a REGISTER to this server.
    `registrant` is the AOR that the gate let a REGISTER bind, "" for none.
    `new_uri` is the Request-URI that the policy put in its place, b"" for none; `relays` how often it was relayed;
    `arrived` is UTC seconds, 0 until it is needed. `dialog` is the one that the request proves to belong to.
    """

    __slots__ = (
        "aor",
        "arrived",
        "author",
        "bindings",
        "dialog",
        "new_uri",
        "registrant",
        "relays",
        "server",
        "to_named",
        "transaction",
    )

    def __init__(
        self,
        server: "Server",
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
        self.to_named: Named | None = None
        self.author = author
        self.registrant = ""
        self.bindings = bindings
        self.is_registered = bool(bindings)
        self.user = None
        self.server = server
        self.transaction = transaction
        self.dialog = dialog
        self.arrived: float = arrived
        self.new_uri, self.relays = b"", 0

    @property
    def has_due_rows(self) -> bool:
        """True for what goes behind waiting messages (law 7), and for what goes by way of the silo in any case.

        The latter is a MESSAGE for each device (a fork ends with the first 2xx) or for later.
        """
        server, aor = self.server, self.aor
        deliverer, silo = server.deliverer, server.silo.policy
        # `Deliverer.is_running`, spelt out.
        if aor in deliverer.runs or aor in deliverer.registering or aor in deliverer.in_line:
            return True
        if deliverer.asks_more and deliverer.is_running(aor):
            return True
        if (silo.is_for_each or silo.due_field) and self.method == b"MESSAGE":
            return silo.is_for_each or is_scheduled(self.message, silo.due_field, server.clock.system())
        return False

    @property
    def is_known(self) -> bool:
        """See RoutingRequest."""
        gate = self.server.gate
        return not gate.knows_names or gate.is_known(self.aor)

    @property
    def mode(self) -> int:
        """The configured m_store mode."""
        return self.server.silo.policy.mode

    @property
    def flow(self) -> Flow:
        """Where the request came from."""
        return self.transaction.flow

    @property
    def named_to(self) -> Named:
        """The reading of To, made at the first use: a MESSAGE to its Request-URI does not need it."""
        found = self.to_named
        if found is None:
            found = self.to_named = self.server.myself.identify(self.message.to.uri)
        return found

    @property
    def sender(self) -> str:
        """From as `user@host`, or its AOR; "" for a From without user."""
        named = self.server.myself.identify(self.message.from_.uri)
        return named.name if named.is_sip and named.uri.user is not None else ""

    def lookup(self, uri: str) -> bool:
        """lookup("location") for another URI."""
        named = self.server.myself.named(uri.encode())
        return bool(self.server.user.bindings(named, self.method, self.server.clock.wall()))

    def rewrite(self, uri: str) -> None:
        """rewriteuri(): from here on it is for `uri`."""
        self.new_uri = uri.encode()
        named = self.server.myself.named(self.new_uri)
        self.uri, self.is_myself, self.aor = named.uri, named.is_ours, named.aor
        self.bindings = self.server.user.bindings(named, self.method, self.server.clock.wall())
        self.is_registered = bool(self.bindings)
