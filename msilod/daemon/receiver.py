"""Receiver: bytes in, one direct call per layer, and the end of each batch (speed 1 to 3 of the design).

What a drained batch has collected for the writer is handed over once, in `after_batch`.
"""

from msilod.auth.fruitless import LITTLE
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.daemon.alarm import Alarm
from msilod.errors import MalformedMessage
from msilod.log import get_log
from msilod.reaching.replies import answering
from msilod.registrar.location import LocationService
from msilod.serving.orphans import Orphans
from msilod.serving.shedding import Shedding
from msilod.sip.flow import Flow
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.store.writer.contract import StoreWriter
from msilod.transaction.layer import TransactionLayer
from msilod.transport.transports import Transports


class Receiver:
    """Hears the transports (transport/receiver.py). `tie` comes before the first message."""

    _alarm: Alarm
    _orphans: Orphans

    def __init__(
        self,
        layer: TransactionLayer,
        transports: Transports,
        writer: StoreWriter,
        location: LocationService,
        shedding: Shedding,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._layer = layer
        self._transports = transports
        self._writer = writer
        self._location = location
        self._shedding = shedding
        self._clock = clock
        self._counters = counters
        # One reading of the clock for all messages of a batch; 0.0 between two batches.
        self._now = 0.0

    def tie(self, alarm: Alarm, orphans: Orphans) -> None:
        """The two objects above that hear of batches and connections."""
        self._alarm = alarm
        self._orphans = orphans

    def receive(self, data: bytes, flow: Flow) -> None:
        """One datagram, or one framed message of a stream."""
        try:
            now = self._now = self._now or self._clock.now()
            message = parse(data, flow.endpoint.framing)
            if isinstance(message, Request):
                stamp_source(message, flow)
                if message.via.port != flow.port and not flow.connection:
                    flow = answering(message.via, flow)
                self._layer.receive_request(message, flow, now)
            else:
                self._layer.receive_response(message, flow, now)
        except MalformedMessage as error:
            self.malformed(error, flow)
        except MemoryError:
            raise
        except Exception as error:
            self._counters.internal_errors += 1
            get_log().error("a message could not be handled", exc_info=error, flow=repr(flow))

    def malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """Bytes that are no message: answered if they can be, else counted (RFC 3261 §18.3, §8.2)."""
        self._counters.malformed += 1
        self._shedding.fruitless(flow, self._now or self._clock.now())
        request = error.request
        if not isinstance(request, Request):
            self._counters.dropped += 1
            return
        stamp_source(request, flow)
        tag = self._layer.stateless_tag(request)
        response = build_response(request, error.status, error.phrase.encode(), tag)
        try:
            self._transports.send(response.to_bytes(), flow)
        except MemoryError:
            raise
        except Exception as failure:
            get_log().debug("an answer could not be sent", reason=str(failure))

    def noise(self, flow: Flow) -> None:
        """A keep-alive, STUN, or bytes that are no message; the transport has answered them where they need that."""
        self._shedding.fruitless(flow, self._now or self._clock.now(), LITTLE)

    def after_batch(self) -> None:
        """Hand over what was collected and send the answers, and wake the alarm earlier if need be."""
        self._now = 0.0
        self._writer.flush()
        self._transports.flush()
        self._alarm.rearm()

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        """ICMP told that a branch has no listener (RFC 3261 §18.4)."""
        self._layer.transport_failed(branch, self._clock.now())

    def broken(self, error: Exception, flow: Flow) -> None:
        """A connection raised an exception that is a fault of the daemon or a library; the connection ends.

        Raises MemoryError when that is the fault: then the daemon ends.
        """
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, ExceptionGroup) and error.subgroup(MemoryError) is not None:
            raise MemoryError
        self._counters.internal_errors += 1
        get_log().error("a connection broke", exc_info=error, flow=repr(flow))

    def is_needed(self, flow: Flow) -> bool:
        """A connection that a binding came by is kept, however quiet the phone is."""
        return self._location.has_flow(flow)

    def closed(self, flow: Flow) -> None:
        """A connection ended: its transactions fail now, its bindings lose their flow, or go with it."""
        self._layer.flow_closed(flow, self._clock.now())
        self._orphans.closed(flow)
        self.after_batch()
