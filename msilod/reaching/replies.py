"""Where an answer goes when it cannot go back as its request came (RFC 3261 §18.2.2, RFC 3581).

Rule: always to the address that the request came from, or anybody could have us send to others; what a Via may
choose is the port.
"""

from typing import Final

from msilod.errors import MalformedMessage, TransportError
from msilod.sip.flow import TCP, Flow
from msilod.sip.message import Response
from msilod.sip.parser import parse
from msilod.sip.via import Via, response_address
from msilod.tasks import Tasks
from msilod.transport.transports import Transports

DIAL_TIMEOUT: Final = 3.0
# Answers that wait for a connection; more would be a peer's game with our tasks.
MAX_WAITING: Final = 256


def answering(via: Via, flow: Flow) -> Flow:
    """The flow for answers to a datagram that came on `flow` from another port than its Via says.

    Without rport a client hears on the port of its sent-by (§18.2.2). But behind a NAT it hears there nothing at
    all, so that only a sent-by with the address it came from is believed; old phones and their NATs work so.
    """
    if via.host != flow.host.encode("ascii") or b"rport" in via.params or not via.port:
        return flow
    return Flow(flow.endpoint, flow.host, via.port)


class Replies:
    """Answers whose connection is gone."""

    def __init__(self, transports: Transports, tasks: Tasks) -> None:
        self._transports = transports
        self._tasks = tasks
        self._waiting = 0

    def unsent(self, data: bytes, flow: Flow) -> None:
        """§18.2.2: a TCP connection to the port of the Via; a browser or a TLS phone cannot be dialled."""
        if flow.transport == TCP and self._waiting < MAX_WAITING:
            self._waiting += 1
            self._tasks.start(self._send_again, data, flow)

    async def _send_again(self, data: bytes, flow: Flow) -> None:
        try:
            message = parse(data, flow.endpoint.framing)
            if isinstance(message, Response) and message.via is not None:
                _, port = response_address(message.via)
                again = await self._transports.connect(TCP, flow.host, port, "", DIAL_TIMEOUT)
                self._transports.send(data, again)
                self._tasks.after()
        except (MalformedMessage, TransportError):
            # It has no listener: its transaction ends in silence, as if the answer had been lost.
            return
        finally:
            self._waiting -= 1
