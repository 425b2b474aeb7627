"""Places: decides which UDP addresses a contact may name without a REGISTER from that address.

A user can register a contact at any public address. Timer E sends a request eleven times (RFC 3261). With ten
contacts at the address of a victim, one MESSAGE of 300 octets would become 110 datagrams to the victim. So a place
other than the source of the REGISTER gets one request at a time until the place has answered a request. A response
proves the place: the response repeats the branch of the request, known only to the receiver of the request.

Further requests to the place wait for that answer. SIPp and some gateways register from another port than the port in
Contact, and the second of two calls in 50 ms must reach them as well.

Connections need no proof: the peer has answered the handshake. Trusted networks need no proof.
"""

from typing import Final

import trio

from msilod.auth.trust import Trust
from msilod.errors import TransportError
from msilod.registrar.binding import Binding
from msilod.sip.bounded import PartyShares, put_last
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.transaction.client_transaction import ClientOwner, ClientTransaction
from msilod.transaction.timers import PATIENCE

Place = tuple[str, int]

# About 200 bytes each. Beyond the limit the oldest proof is forgotten, and that place has to answer again.
MAX_PROVEN: Final = 50_000
# Requests to places without a proof, at one time. Beyond the limit no place without a proof is reached.
MAX_OPEN: Final = 10_000
# Of these for the contacts of one AOR, so that one user with many contacts cannot take the room of other users.
MAX_OPEN_OF_AOR: Final = 100
# Seconds that a request waits for the answer to the first request. A connection may take as long.
TURN_TIMEOUT: Final = 3.0

# The party for requests to sources of messages. Other parties are AORs.
_SOURCES: Final = "sources"


class Places:
    """Remembers the places that have answered, and the requests that wait for their first answer."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._proven: dict[Place, None] = {}
        # Monotonic seconds after which the request has ended even if the owner was never told; and the AOR, or
        # _SOURCES.
        self._open: dict[Place, tuple[float, str]] = {}
        # Set when the first request to a place has ended. Only places with waiting requests have an event.
        self._turns: dict[Place, trio.Event] = {}
        # Waiting requests to a place leave in the order in which they came.
        self._lines: dict[Place, trio.Lock] = {}
        self._shares = PartyShares(MAX_OPEN_OF_AOR)
        self._sweeps_at = 0.0

    def is_proven(self, binding: Binding, flow: Flow) -> bool:
        """True when requests for the binding may leave by `flow` without a limit."""
        registered = binding.flow
        return (
            registered is not None and registered.host == flow.host and registered.port == flow.port
        ) or self._has_answered(flow)

    def _has_answered(self, flow: Flow) -> bool:
        """True for a connection, for a place with an answered request, and for a trusted network."""
        return flow.connection != 0 or (flow.host, flow.port) in self._proven or self.trust.trusts(flow)

    def may_ask(self, binding: Binding, flow: Flow, now: float) -> bool:
        """False while a first request to the place of `flow` has no answer. `now`: monotonic seconds."""
        return self.is_proven(binding, flow) or self._may_open(flow, binding.aor, now)

    async def turn(self, binding: Binding, flow: Flow) -> None:
        """Wait until a request may leave by `flow`. Raises TransportError after TURN_TIMEOUT, and without room."""
        place = flow.host, flow.port
        if place not in self._lines and self.may_ask(binding, flow, trio.current_time()):
            return
        line = self._lines.setdefault(place, trio.Lock())
        with trio.move_on_after(TURN_TIMEOUT):
            async with line:
                # After each end one of the waiting requests may leave, and the others wait again.
                while not self.is_proven(binding, flow) and self._is_open(place, trio.current_time()):
                    await self._turns.setdefault(place, trio.Event()).wait()
        if not line.locked() and self._lines.get(place) is line:
            del self._lines[place]
        if not self.may_ask(binding, flow, trio.current_time()):
            raise _unanswered(flow)

    def _may_open(self, flow: Flow, party: str, now: float) -> bool:
        return not self._is_open((flow.host, flow.port), now) and self._has_room(party, now)

    def watched(self, owner: ClientOwner, binding: Binding, flow: Flow, now: float) -> ClientOwner:
        """Return the owner for the client transaction of a request that leaves by `flow`. `now`: monotonic seconds."""
        if self.is_proven(binding, flow):
            return owner
        return self._watch(owner, flow, binding.aor, now)

    def watched_source(self, owner: ClientOwner, flow: Flow, now: float) -> ClientOwner:
        """The owner to give to the client transaction of a request to the source of a message. `now`: monotonic.

        The source of a datagram can be forged. A place without a proof gets one request at a time, and
        MAX_OPEN_OF_AOR of these places get one, in all. Raises TransportError for any further one.
        """
        if self._has_answered(flow):
            return owner
        if not self._may_open(flow, _SOURCES, now):
            raise _unanswered(flow)
        return self._watch(owner, flow, _SOURCES, now)

    def _watch(self, owner: ClientOwner, flow: Flow, party: str, now: float) -> ClientOwner:
        place = (flow.host, flow.port)
        self._close(place)
        self._open[place] = now + PATIENCE, party
        self._shares.take(party)
        return _Proof(self, place, owner)

    def answered(self, place: Place) -> None:
        """`place` has answered one of our requests."""
        self._close(place)
        put_last(self._proven, place, None, MAX_PROVEN)

    def unanswered(self, place: Place) -> None:
        """The request has ended without an answer: the place may get another one."""
        self._close(place)

    def _is_open(self, place: Place, now: float) -> bool:
        found = self._open.get(place)
        return found is not None and found[0] > now

    def _close(self, place: Place) -> None:
        found = self._open.pop(place, None)
        if found is not None:
            self._shares.give_back(found[1])
        turn = self._turns.pop(place, None)
        if turn is not None:
            turn.set()

    def _has_room(self, aor: str, now: float) -> bool:
        is_full = len(self._open) >= MAX_OPEN or not self._shares.has_room(aor)
        if is_full and now >= self._sweeps_at:
            # The sweep checks all open requests, so at most one sweep runs per second.
            self._sweeps_at = now + 1.0
            for place in [place for place in self._open if not self._is_open(place, now)]:
                self._close(place)
        return len(self._open) < MAX_OPEN and self._shares.has_room(aor)


def _unanswered(flow: Flow) -> TransportError:
    return TransportError(f"{flow.host}:{flow.port} has not answered its first request yet")


class _Proof:
    """The owner of a client transaction until the first answer; passes all events to the real owner."""

    __slots__ = ("owner", "place", "places")

    def __init__(self, places: Places, place: Place, owner: ClientOwner) -> None:
        self.places = places
        self.place = place
        self.owner = owner

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """The place has answered; further responses go to the owner directly."""
        self.places.answered(self.place)
        transaction.owner = self.owner
        self.owner.on_response(transaction, response, now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """The transaction goes on, and the place still waits for its answer."""
        self.owner.on_limit(transaction, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """No answer came."""
        self.places.unanswered(self.place)
        self.owner.on_timeout(transaction, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """ICMP, or the request could not be sent."""
        self.places.unanswered(self.place)
        self.owner.on_transport_error(transaction, now)
