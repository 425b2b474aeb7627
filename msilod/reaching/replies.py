"""Replies: sends answers that cannot go back by the flow of the request (RFC 3261 §18.2.2, RFC 3581).

Rule: an answer always goes to the address of the request's sender. The Via may choose the port only: otherwise a
client could direct our answers at other hosts.
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
# Answers that wait for a connection. The limit bounds the tasks that peers can cause.
MAX_WAITING: Final = 256


def answering(via: Via, flow: Flow) -> Flow:
    """The flow for answers to a datagram on `flow` from another port than the Via says.

    Without rport a client listens at the port of its sent-by (§18.2.2), but behind a NAT that port is not reachable.
    So the port is used only if the sent-by has the source address of the datagram. Old phones and NATs work with
    this rule.
    """
    if via.host != flow.host.encode("ascii") or b"rport" in via.params or not via.port:
        return flow
    return Flow(flow.endpoint, flow.host, via.port)


class Replies:
    """Sends answers after the connection of the request is gone."""

    def __init__(self, transports: Transports, tasks: Tasks) -> None:
        self._transports = transports
        self._tasks = tasks
        self._waiting = 0

    def unsent(self, data: bytes, flow: Flow) -> None:
        """§18.2.2: dial the TCP port in the Via. Browsers and TLS phones cannot be dialled."""
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
            # The client does not listen. The client's transaction times out, as if the answer were lost.
            return
        finally:
            self._waiting -= 1
