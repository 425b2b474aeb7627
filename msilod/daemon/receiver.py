"""Receiver: passes received bytes to the layers with one direct call per layer, and ends each batch.

A batch is the datagrams of one wake-up, or the messages of one read. `after_batch` hands the jobs of the batch to the
writer in one frame, and sends the responses.
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
    """Receives from the transports (transport/receiver.py). `tie` must be called before the first message."""

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
        # Monotonic seconds: the clock is read once per batch. 0.0 between two batches.
        self._now = 0.0

    def tie(self, alarm: Alarm, orphans: Orphans) -> None:
        """Set the objects to tell of the end of a batch and of closed connections; both are made later."""
        self._alarm = alarm
        self._orphans = orphans

    def receive(self, data: bytes, flow: Flow) -> None:
        """Handle one datagram, or one framed message of a stream. Never raises, except for MemoryError."""
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
        """Answer malformed bytes if a Via could be read, otherwise drop the bytes (RFC 3261 §18.3, §8.2)."""
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
        """Count a keep-alive, a STUN request, or meaningless bytes; the transport has sent the response, if any."""
        self._shedding.fruitless(flow, self._now or self._clock.now(), LITTLE)

    def after_batch(self) -> None:
        """End a batch: hand the collected jobs to the writer, send the responses, and set the alarm."""
        self._now = 0.0
        self._writer.flush()
        self._transports.flush()
        self._alarm.rearm()

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        """Fail the transaction of `branch` after an ICMP error from `host` and `port` (RFC 3261 §18.4)."""
        self._layer.transport_failed(branch, self._clock.now())

    def broken(self, error: Exception, flow: Flow) -> None:
        """Log an unexpected exception of a connection, a fault of the daemon or of a library; the connection ends.

        Raises MemoryError when memory has run out: then the daemon ends.
        """
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, ExceptionGroup) and error.subgroup(MemoryError) is not None:
            raise MemoryError
        self._counters.internal_errors += 1
        get_log().error("a connection broke", exc_info=error, flow=repr(flow))

    def is_needed(self, flow: Flow) -> bool:
        """True when a binding uses the connection: then the connection is not closed for being idle."""
        return self._location.has_flow(flow)

    def closed(self, flow: Flow) -> None:
        """A connection has ended: fail the transactions, and remove the bindings or their flow."""
        self._layer.flow_closed(flow, self._clock.now())
        self._orphans.closed(flow)
        self.after_batch()
