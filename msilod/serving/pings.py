"""Pings: sends OPTIONS to each contact behind NAT that sends no keep-alives of its own (`[registrar] ping`).

A NAT forgets the mapping of a phone after 30 to 180 s without a datagram. The requests keep the mapping, and the
answers show whether the phone can be reached. registrar/keep_alive.py decides which contacts are away.

Rules: no transaction is made, and no request is repeated. An answer matches no transaction, and is recognised by the
branch: the branch has 64 random bits known to the phone only, so answers cannot be forged. 100,000 phones cause
4,000 requests and answers a second; tests/bench/pings.py measures the cost of one.
"""

from collections.abc import Callable
from typing import Final

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.errors import TransportError
from msilod.registrar.binding import Binding
from msilod.registrar.keep_alive import KeepAlives
from msilod.registrar.location import LocationService
from msilod.registrar.reach import restored_pings
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.sip.message import Response
from msilod.sip.uri import request_uri
from msilod.sip.via import COOKIE
from msilod.transport.transports import Transports

PREFIX: Final = COOKIE + b"ping."
# Seconds between two checks of the configuration while no contact is due.
IDLE: Final = 5.0
# More than a hexadecimal serial number has.
MAX_SERIAL: Final = 16


class Pings:
    """Sends due requests and receives the answers. `after` flushes the sockets."""

    def __init__(
        self,
        keep_alives: KeepAlives,
        transports: Transports,
        location: LocationService,
        mail: WhoHasMail,
        deliverer: Deliverer,
        clock: Clock,
        random: Callable[[], bytes],
        after: Callable[[], None],
    ) -> None:
        self.keep_alives = keep_alives
        self.transports = transports
        self._location = location
        self._mail = mail
        self.deliverer = deliverer
        self.clock = clock
        self.after = after
        self._random = random
        # Call-IDs of this process; one for each contact, as for the requests of one client (RFC 3261 §8.1.1.4).
        self._run = self._random()
        self._period = 0
        self.is_stopped = False

    def load(self, period: int) -> None:
        """Watch the bindings of the database at the start. No contact has answered yet."""
        for binding in self._location.all():
            binding.pings = restored_pings(binding)
        self.configure(period)

    def configure(self, period: int) -> None:
        """Ping every `period` seconds, 0 for not at all. A new period spreads all contacts anew."""
        if period == self._period:
            return
        self._period = period
        now = self.clock.now()
        for aor in self.keep_alives.configure(period, self._location.all(), now, self.clock.wall()):
            self._back(aor, now)

    def stop(self) -> None:
        """Send no more requests: the daemon ends."""
        self.is_stopped = True

    def until_next(self) -> float:
        """Seconds until the next contact is due; at most IDLE."""
        return min(self.keep_alives.until_next(self.clock.now()) or IDLE, IDLE)

    def send_due(self) -> None:
        """Ping the contacts that are due. Deliveries to contacts that count as away from now on end."""
        now = self.clock.now()
        due, gone = self.keep_alives.due(now, self.clock.wall())
        for binding in gone:
            self.deliverer.away(binding, now)
        second = int(now)
        for binding in due:
            self._send(binding, second)
        if due:
            self.after()

    def _send(self, binding: Binding, second: int) -> None:
        state, flow = binding.pings, binding.flow
        if state is None or flow is None:
            return
        token, uri = self._random(), request_uri(binding.contact)
        host = binding.aor.rpartition("@")[2].encode()
        data = (
            b"OPTIONS %b SIP/2.0\r\n%b%b%x.%b\r\nMax-Forwards: 70\r\nFrom: <sip:%b>;tag=%b\r\nTo: <%b>\r\n"
            b"Call-ID: %x.%b\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n"
            % (
                uri, flow.endpoint.via_line, PREFIX, state.serial, token, host, self._run, uri,
                state.serial, self._run, second,
            )
        )  # fmt: skip
        try:
            self.transports.send(data, flow)
        except TransportError:
            # The buffer is full: a request that was not sent does not count as unanswered.
            state.token = b""
        else:
            state.token = token

    def heard(self, response: Response, now: float) -> bool:
        """True for an answer to one of these OPTIONS requests. Any status shows that the phone is reached."""
        via = response.via
        if via is None or via.branch[: len(PREFIX)] != PREFIX:
            return False
        number, _, token = via.branch[len(PREFIX) :].partition(b".")
        try:
            serial = int(number, 16) if len(number) <= MAX_SERIAL else -1
        except ValueError:
            serial = -1
        back = self.keep_alives.answered(serial, token, self.clock.wall())
        if back is not None:
            self._back(back.aor, now)
        return True

    def _back(self, aor: str, now: float) -> None:
        """A contact of `aor` can be reached again: deliver the waiting messages (law 7)."""
        if self._mail.may_have(aor):
            self.deliverer.wake(aor, now)
