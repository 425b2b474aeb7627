"""UDP: one socket per listener, read and written in batches (RFC 3261 §18; design, speed 1).

A wake-up reads up to 64 datagrams without blocking, with one plain call per datagram, and calls `after_batch` after
every eighth. There is no task per datagram. Datagrams that are sent in a batch leave together at `flush`: sending a
datagram wakes a sleeping peer, which costs 18 us between other work and 5 us in a row.

The kernel reports unreachable peers (ICMP) in the error queue of the socket, with the head of the failed datagram. The
top Via in that head tells the branch (§18.4).
"""

import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from msilod.errors import TransportError
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.transport.address import bound_socket, enlarge_buffers, sent_by
from msilod.transport.listen import ListenSpec
from msilod.transport.receiver import Receiver
from msilod.transport.stun import answer, is_stun

BATCH: Final = 64
# Datagrams that are handed over together: the writer commits the first while the next are read, and senders get
# answers in between. With all 64 together there were 20 % fewer stores at 32 outstanding.
HAND_OVER: Final = 8
LARGEST: Final = 65536
# Shorter datagrams are keep-alives or noise: pjsua2 sends two bytes, others four.
SHORTEST: Final = 5
SPACE: Final = 0x20
# Datagrams that wait for `flush`, or for room in the kernel's buffer. Beyond the limit, datagrams are left to the
# retransmission by the sender.
MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 4_000_000
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ICMP_ORIGIN: Final = (2, 3)
_UNREACHABLE: Final = frozenset((errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EMSGSIZE))
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
# Called with address, port and bytes; False drops the datagram. The bytes are valid during the call only.
Guard = Callable[[str, int, memoryview], bool]
_WOULD_BLOCK: Final = (errno.EAGAIN, errno.ENOBUFS)


class UdpEndpoint:
    """One UDP listener. A flow made here has the source of a datagram and no other state."""

    def __init__(self, spec: ListenSpec) -> None:
        self.socket = bound_socket(spec, socket.SOCK_DGRAM)
        enlarge_buffers(self.socket)
        is_v6 = self.socket.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, _IPV6_RECVERR) if is_v6 else (socket.IPPROTO_IP, _IP_RECVERR)
        self.socket.setsockopt(level, option, 1)
        port = int(self.socket.getsockname()[1])
        self.endpoint = Endpoint(UDP, spec.host, port, sent_by(UDP, spec.host, port))
        self.is_v6 = is_v6
        self.dropped = 0
        # One buffer for all datagrams: recvfrom() would allocate 64 kB per datagram and free most of the memory.
        self._buffer = bytearray(LARGEST)
        self._view = memoryview(self._buffer)
        self._waiting: deque[tuple[bytes, Flow]] = deque()
        # Bytes sent since the queue was last empty, or waiting since the last `flush`.
        self._waiting_bytes = 0
        self.guard: Guard | None = None
        self._receiver: Receiver | None = None

    async def serve(self, receiver: Receiver) -> None:
        """Receive until cancelled."""
        self._receiver = receiver
        while True:
            # Polling costs more than reading a datagram: poll only when no datagram has come meanwhile.
            if not self.drain(receiver):
                await trio.lowlevel.wait_readable(self.socket)
                if not self.drain(receiver):
                    # A failed send clears the pending error of the socket, but the error queue still wakes this task.
                    self.read_errors(receiver)
            receiver.after_batch()
            await trio.lowlevel.checkpoint()

    def drain(self, receiver: Receiver) -> bool:
        """Read at most BATCH datagrams. False when no datagram had arrived."""
        receive, endpoint, buffer, view = receiver.receive, self.endpoint, self._buffer, self._view
        recvfrom_into, guard = self.socket.recvfrom_into, self.guard
        for count in range(BATCH):
            try:
                length, address = recvfrom_into(buffer)
            except BlockingIOError:
                return count > 0
            except OSError:
                self.read_errors(receiver)
                continue
            if guard is not None and not guard(address[0], address[1], view[:length]):
                continue
            data = bytes(view[:length])
            # A message begins with a letter. Other datagrams are keep-alives, STUN messages, or padded messages.
            if length >= SHORTEST and buffer[0] > SPACE:
                receive(data, Flow(endpoint, address[0], address[1]))
            else:
                self._strange(data, Flow(endpoint, address[0], address[1]), receiver)
            if count % HAND_OVER == HAND_OVER - 1:
                receiver.after_batch()
        return True

    def _strange(self, data: bytes, flow: Flow, receiver: Receiver) -> None:
        """Answer STUN (RFC 5626 §4.4.2), strip line ends before a message, and ignore other noise."""
        if is_stun(data):
            response = answer(data, flow.host, flow.port)
            if response is not None:
                with suppress(TransportError):
                    self.send(response, flow)
        elif len(data) >= SHORTEST and data.lstrip(b"\r\n\x00 ")[:1] > b" ":
            receiver.receive(data, flow)
            return
        receiver.noise(flow)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send at the next `flush`. Raises TransportError when too many bytes wait for the kernel."""
        waiting = self._waiting
        self._waiting_bytes += len(data)
        if len(waiting) >= MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            self.flush()
            if len(waiting) >= MAX_WAITING or self._waiting_bytes + len(data) > MAX_WAITING_BYTES:
                self.dropped += 1
                raise TransportError("the socket's buffer is full")
            self._waiting_bytes += len(data)
        waiting.append((data, flow))

    def flush(self) -> None:
        """Send the waiting datagrams while the kernel has room. A request that fails is reported as unreachable."""
        waiting, sendto = self._waiting, self.socket.sendto
        while waiting:
            data, flow = waiting[0]
            try:
                sendto(data, (flow.host, flow.port))
            except OSError as error:
                if error.errno in _WOULD_BLOCK:
                    self._waiting_bytes = sum([len(one) for one, _ in waiting])
                    return
                self._send_again(data, flow, error.errno)
            waiting.popleft()
        self._waiting_bytes = 0

    def _send_again(self, data: bytes, flow: Flow, number: int | None) -> None:
        """Send a second time. The first error may be the ICMP error of an older datagram; then no datagram was sent."""
        if number in _UNREACHABLE and number != errno.EMSGSIZE:
            try:
                self.socket.sendto(data, (flow.host, flow.port))
            except OSError:
                pass
            else:
                return
        self.dropped += 1
        branch = top_branch(data)
        if branch and self._receiver is not None:
            self._receiver.unreachable(branch, flow.host, flow.port)

    def read_errors(self, receiver: Receiver) -> None:
        """Read one message of the error queue and report the branch of the failed request."""
        try:
            data, ancillary, _, address = self.socket.recvmsg(LARGEST, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return
        for _, _, content in ancillary:
            if len(content) < _EXTENDED_ERROR.size:
                continue
            number, origin, *_ = _EXTENDED_ERROR.unpack_from(content)
            if origin in _ICMP_ORIGIN and number in _UNREACHABLE:
                receiver.unreachable(top_branch(data), str(address[0]), int(address[1]))

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def top_branch(data: bytes) -> bytes:
    """The branch in the first Via of a request that we sent; b"" when the kernel kept too few bytes.

    We write `branch=` as the last parameter of the first header line.
    """
    if data.startswith(b"SIP/2.0"):
        return b""
    start = data.find(b";branch=")
    end = data.find(b"\r\n", start)
    return data[start + 8 : end] if 0 <= start < end else b""
