"""One socket of the generator: a caller with a fixed number of open transactions, and a phone.

Rules: a feed has one transaction open at any time, so that what it sends to a user is accepted in its own
order. A socket is drained before anything else happens. Retransmission is Timer E and F of RFC 3261
§17.1.2.2. The socket is connected to the server: a phone hears nobody else.
"""

import select
import socket
from collections.abc import Callable, Sequence
from time import monotonic

from tests.bench.load.ledger import Ledger
from tests.bench.load.tally import Tally
from tests.bench.load.wire import BRANCH, RUN_WIDTH, TAIL_WIDTH, Feed, answer

T1 = 0.5
T2 = 4.0
TIMER_F = 64 * T1
TICK = 0.02
RECEIVE_BUFFER = 8 * 1024 * 1024
DATAGRAM = 8192
_PROVISIONAL = ord("1")


class Agent:
    """`stop_at` (monotonic seconds): after it no new transaction begins."""

    __slots__ = ("_late", "_mark", "_open", "_skip", "ledger", "port", "socket", "stop_at", "tally")

    def __init__(self, server: tuple[str, int], run: bytes, ledger: Ledger | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(server)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.ledger = ledger
        self.tally = Tally()
        self.stop_at = 0.0
        self._mark = BRANCH + run
        self._skip = len(BRANCH) + RUN_WIDTH
        self._open: dict[bytes, tuple[float, bytes, Feed]] = {}
        self._late: dict[bytes, tuple[float, float]] = {}

    def start(self, feeds: Sequence[Feed], tally: Tally, stop_at: float) -> None:
        """Begins one transaction of each feed; each answer begins the next of its feed."""
        self.tally = tally
        self.stop_at = stop_at
        for feed in feeds:
            self._send_next(feed, monotonic())

    @property
    def is_idle(self) -> bool:
        """No transaction waits for its answer."""
        return not self._open

    def drain(self) -> None:
        """Takes everything the socket holds."""
        receive = self.socket.recv
        try:
            while True:
                data = receive(DATAGRAM)
                if data.startswith(b"SIP/2.0 "):
                    self._answered(data)
                else:
                    self._asked(data)
        except BlockingIOError:
            return
        except ConnectionError:
            return  # nobody listens: the transaction stays open and ends as lost

    def _answered(self, data: bytes) -> None:
        if data[8] == _PROVISIONAL:
            return
        at = data.find(self._mark) + self._skip
        tail = data[at : at + TAIL_WIDTH]
        call = self._open.pop(tail, None)
        if call is None:
            self.tally.strays += 1
            return
        if self._late:
            self._late.pop(tail, None)
        now = monotonic()
        self.tally.answer(tail, data[8:11], call[0], now)
        if now < self.stop_at:
            self._send_next(call[2], now)

    def _asked(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        response, via = answer(data[:end])
        if end < 0 or not via or data.startswith(b"ACK "):
            return
        if self.ledger is not None and data.startswith(b"MESSAGE "):
            self.ledger.receive(data, end + 4, via, monotonic())
        self._send(response)

    def _send_next(self, feed: Feed, now: float) -> None:
        request = next(feed, None)
        if request is not None:
            self._open[request[0]] = (now, request[1], feed)
            self._send(request[1])

    def _send(self, data: bytes) -> None:
        try:
            self.socket.send(data)
        except (BlockingIOError, ConnectionError):
            return  # as good as lost on the way: Timer E sends it again

    def handle_timeout(self, now: float) -> None:
        """Sends again what waits for 500 ms and more, gives up what waits for 32 s."""
        for tail, (started, packet, _) in list(self._open.items()):
            if now - started < T1:
                return  # a dict keeps its order: all further ones are younger
            due, interval = self._late.get(tail, (started + T1, T1))
            if now - started >= TIMER_F:
                self._give_up(tail, now)
            elif now >= due:
                interval = min(2 * interval, T2)
                self._late[tail] = (now + interval, interval)
                self.tally.retransmissions += 1
                self._send(packet)

    def _give_up(self, tail: bytes, now: float) -> None:
        self.tally.lost += 1
        self.tally.unanswered.append(tail[1:])
        self._late.pop(tail, None)
        feed = self._open.pop(tail)[2]
        if now < self.stop_at:
            self._send_next(feed, now)

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()


def run(agents: Sequence[Agent], is_over: Callable[[float], bool]) -> None:
    """Drains the sockets and looks after the timers until `is_over(now)`, which is asked every 20 ms."""
    with select.epoll() as poll:
        drains = {agent.socket.fileno(): agent.drain for agent in agents}
        for number in drains:
            poll.register(number, select.EPOLLIN)
        tick = monotonic()
        while True:
            for number, _ in poll.poll(TICK):
                drains[number]()
            now = monotonic()
            if now >= tick:
                tick = now + TICK
                for agent in agents:
                    agent.handle_timeout(now)
                if is_over(now):
                    return
