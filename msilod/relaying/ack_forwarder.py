"""AckForwarder: forwards an ACK for a 2xx to its target, without a transaction (RFC 3261 §16.11)."""

from collections.abc import Callable
from functools import partial

from msilod.auth.trust import Trust
from msilod.counters import Counters
from msilod.errors import MsilodError, TransportError
from msilod.proxy.forwarding import branch_for, forward_request
from msilod.proxy.policy import ProxyPolicy
from msilod.proxy.target_set import Target
from msilod.reaching.paths import Paths
from msilod.relaying.booking import Booking
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.privacy import guard_identity
from msilod.transport.transports import Transports


class AckForwarder:
    """Forwards ACKs. An ACK that cannot be sent is lost, as on UDP, and counted as dropped."""

    def __init__(
        self,
        policy: ProxyPolicy,
        paths: Paths,
        transports: Transports,
        trust: Trust,
        booking: Booking,
        counters: Counters,
        random: Callable[[], bytes],
    ) -> None:
        self._paths = paths
        self._transports = transports
        self._trust = trust
        self._booking = booking
        self._counters = counters
        self._random = random
        self.configure(policy)

    def configure(self, policy: ProxyPolicy) -> None:
        """Use this policy ([proxy] max_forwards) from now on."""
        self._max_forwards = policy.max_forwards

    def forward(self, request: Request, target: Target, came: Flow, now: float) -> None:
        """Forward the ACK that came on `came`, at once when a flow to the target is known."""
        self._booking.book(target, None, request, came)
        self._paths.way_to(target, partial(self._send, request, target), now)

    def _send(self, request: Request, target: Target, flow: Flow | None, now: float) -> None:
        try:
            if flow is None:
                raise TransportError("no flow to the target")
            copy = forward_request(request, target, self._max_forwards)
            if b"privacy" in request.received:
                guard_identity(copy.headers, True, self._trust.trusts(flow))
            line = b"Via: %b;branch=%b" % (flow.endpoint.via, branch_for(self._random(), b""))
            copy.headers.fields.insert(0, (b"via", line))
            self._transports.send(copy.to_bytes(), flow)
        except MsilodError:
            self._counters.dropped += 1
