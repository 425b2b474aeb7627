"""Facts: answers the policy's questions about a request that need more than the request (routing/request.py)."""

from msilod.auth.members import Members
from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.keeping.storing import Storing
from msilod.registrar.binding import Binding
from msilod.routing.myself import Myself, Named
from msilod.serving.lookup import Lookup
from msilod.silo.intake.scheduled import is_scheduled
from msilod.sip.message import Request


class Facts:
    """One object for all requests. `Incoming` calls the methods."""

    __slots__ = ("_clock", "_deliverer", "_lookup", "_members", "_myself", "_storing")

    def __init__(
        self,
        myself: Myself,
        lookup: Lookup,
        members: Members,
        deliverer: Deliverer,
        storing: Storing,
        clock: Clock,
    ) -> None:
        self._myself = myself
        self._lookup = lookup
        self._members = members
        self._deliverer = deliverer
        self._storing = storing
        self._clock = clock

    def has_due_rows(self, aor: str, request: Request) -> bool:
        """True for a request behind waiting messages (law 7), and for a request that must go by the silo.

        The second kind is a MESSAGE to each device (a fork ends with the first 2xx), or a MESSAGE for a later time.
        """
        deliverer = self._deliverer
        # `Deliverer.is_running` without the call, since this code runs for each MESSAGE.
        if aor in deliverer.runs or aor in deliverer.registering or aor in deliverer.in_line:
            return True
        if deliverer.asks_more and deliverer.is_running(aor):
            return True
        silo = self._storing.policy
        if (silo.is_for_each or silo.due_field) and request.method == b"MESSAGE":
            return silo.is_for_each or is_scheduled(request, silo.due_field, self._clock.system())
        return False

    def is_known(self, aor: str) -> bool:
        """False for a name in a domain of this server without a user."""
        return self._members.is_known(aor)

    @property
    def mode(self) -> int:
        """The configured m_store mode."""
        return self._storing.policy.mode

    def identify(self, uri: bytes) -> Named:
        """Read `uri`. An unreadable URI gives a refused name."""
        return self._myself.identify(uri)

    def named(self, uri: bytes) -> Named:
        """Read `uri`. Raises MalformedMessage, RequestRefused."""
        return self._myself.named(uri)

    def bindings(self, named: Named, method: bytes) -> list[Binding]:
        """The current bindings for `named`."""
        return self._lookup.bindings(named, method, self._clock.wall())
