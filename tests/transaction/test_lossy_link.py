"""Two layers joined by a link that loses, doubles, delays and reorders datagrams.

The rules: each request reaches the other user once, each owner gets one end, and every transaction ends.

"""

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from hypothesis import given
from hypothesis import strategies as st

from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.transaction.server_transaction import ServerTransaction
from tests.transaction.station import ALICE, BOB, START, Station, message, received

# The fate of one datagram: the delays of the copies, in eighths of a second; an empty list is a loss.
Fate = list[int]
LOST: Fate = []
fates = st.lists(st.lists(st.integers(0, 24), max_size=3), max_size=60)


class Link:
    """Caller and callee, and the datagrams between them. After the last fate all datagrams arrive at once."""

    def __init__(self, fates: list[Fate]) -> None:
        self.fates = list(reversed(fates))
        self.caller = Station()
        self.callee = Station()
        self.now = START
        self.flying: list[tuple[float, int, bytes, Station, Flow]] = []
        self.planned: list[tuple[float, int, Callable[[float], None]]] = []
        self.count = 0

    def later(self, seconds: float, do: Callable[[float], None]) -> None:
        """A later action of a user."""
        self.count += 1
        heappush(self.planned, (self.now + seconds, self.count, do))

    def send_all(self) -> None:
        for station, other, flow in ((self.caller, self.callee, ALICE), (self.callee, self.caller, BOB)):
            for _, data, _ in station.sent:
                for delay in self.fates.pop() if self.fates else [0]:
                    self.count += 1
                    heappush(self.flying, (self.now + delay / 8, self.count, data, other, flow))
            station.sent.clear()

    def deliver(self, data: bytes, station: Station, flow: Flow) -> None:
        parsed = parse(data)
        if isinstance(parsed, Request):
            stamp_source(parsed, flow)
            station.layer.receive_request(parsed, flow, self.now)
        else:
            station.layer.receive_response(parsed, flow, self.now)

    def run(self, seconds: float = 600.0) -> None:
        """Run until no datagram and no timer is left."""
        for _ in range(10_000):
            self.send_all()
            waiting = [station.layer.next_deadline() for station in (self.caller, self.callee)]
            times = [time for time in waiting if time is not None]
            times += [self.flying[0][0]] if self.flying else []
            times += [self.planned[0][0]] if self.planned else []
            if not times:
                return
            self.now = max(self.now, min(times))
            assert self.now < START + seconds
            self.caller.now = self.callee.now = self.now
            while self.flying and self.flying[0][0] <= self.now:
                _, _, data, station, flow = heappop(self.flying)
                self.deliver(data, station, flow)
            while self.planned and self.planned[0][0] <= self.now:
                heappop(self.planned)[2](self.now)
            for station in (self.caller, self.callee):
                station.layer.handle_timeout(self.now)
        raise AssertionError("it never ends")

    def ask(self, method: bytes, count: int) -> None:
        for number in range(count):
            request = received(message(method, call_id=b"call%d" % number))
            self.caller.layer.request(request, BOB, self.caller, self.now, b"z9hG4bK%08d" % number)


def ends(station: Station) -> list[str]:
    """The ends of the requests of the owner."""
    statuses = [str(given.status) for given in station.responses() if given.status >= 200]
    return statuses + [word for word in station.words() if word in ("timeout", "transport error")]


@given(fates, st.integers(1, 5))
def test_x2_each_message_is_served_once_and_ends_once(fates: list[Fate], count: int) -> None:
    link = Link(fates)
    link.callee.serve = lambda transaction, now: transaction.respond(202, now)
    link.ask(b"MESSAGE", count)
    link.run()
    served = [server.request.call_id for server in link.callee.servers]
    assert len(served) == len(set(served)) <= count
    assert len(ends(link.caller)) == count
    assert set(ends(link.caller)) <= {"202", "timeout"}
    assert ends(link.caller).count("202") <= len(served)
    assert link.caller.layer.open_transactions == link.callee.layer.open_transactions == 0


@given(st.lists(st.lists(st.integers(0, 2), max_size=2), max_size=9))
def test_a_message_succeeds_when_one_copy_and_one_answer_arrive(fates: list[Fate]) -> None:
    """Eleven copies are sent, and nine are lost at most."""
    link = Link(fates)
    link.callee.serve = lambda transaction, now: transaction.respond(202, now)
    link.ask(b"MESSAGE", 1)
    link.run()
    assert ends(link.caller) == ["202"]


@given(fates, st.sampled_from([404, 603]), st.integers(0, 80))
def test_x7_each_failed_invite_is_served_once_and_ends_once(
    fates: list[Fate], status: int, wait: int
) -> None:
    link = Link(fates)
    link.callee.serve = lambda transaction, _: link.later(wait / 8, partial(transaction.respond, status))
    link.ask(b"INVITE", 1)
    link.run()
    assert len(link.callee.servers) <= 1
    assert ends(link.caller) in ([str(status)], ["timeout"], [])
    # Only Timer C of the user ends a ringing INVITE without a final response.
    assert link.caller.layer.open_transactions == int(not ends(link.caller))
    assert [server.state.name for server in link.callee.servers] in ([], ["TERMINATED"])


@given(fates, st.integers(0, 80))
def test_x8_an_accepted_invite_is_served_once_and_each_2xx_reported(fates: list[Fate], wait: int) -> None:
    link = Link(fates)

    def accept(transaction: ServerTransaction, _: float) -> None:
        # The callee repeats the 2xx until the ACK (§13.3.1.4).
        for number in range(5):
            link.later(wait / 8 + number, partial(transaction.respond, 200))

    link.callee.serve = accept
    link.ask(b"INVITE", 1)
    link.run()
    assert len(link.callee.servers) <= 1
    assert set(ends(link.caller)) <= {"200"} or ends(link.caller) == ["timeout"]
    assert link.caller.layer.open_transactions == int(not ends(link.caller))
    assert [server.state.name for server in link.callee.servers] in ([], ["TERMINATED"])


def test_a_silent_link_ends_in_a_timeout() -> None:
    link = Link([LOST] * 100)
    link.ask(b"MESSAGE", 1)
    link.run()
    assert ends(link.caller) == ["timeout"]
    assert link.callee.servers == []
