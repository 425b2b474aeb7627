"""The bytes of live transactions: a sender over its share is refused, and other senders are not (shares.py)."""

from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.transaction.shares import LARGE, LITTLE, MANY, MOST_IN_ALL, MOST_OF_SENDER, MemoryShares
from tests.transaction.link import Side, outgoing
from tests.transaction.station import ALICE, BOB, UDP, Station, message, received


def _large(number: int, size: int = 60_000, method: bytes = b"OPTIONS") -> bytes:
    data = message(method=method, branch=b"z9hG4bKl%d" % number, call_id=b"l%d" % number)
    return data.replace(b"Content-Length: 0", b"Content-Length: %d" % size) + bytes(size)


def _taken(station: Station, data: bytes, flow: Flow, now: float) -> bool:
    """True when the request has become a transaction."""
    before, station.now = station.layer.refused, now
    station.layer.receive_request(received(data, flow), flow, now)
    return station.layer.refused == before


def test_one_sender_fills_its_share_and_no_more() -> None:
    for method in (b"OPTIONS", b"INVITE"):
        station = Station()
        taken = [_taken(station, _large(n, method=method), ALICE, n / 100) for n in range(1_000)]
        assert MOST_OF_SENDER < sum(taken) * 62_000 < 2 * MOST_OF_SENDER
        assert not taken[-1]
        # Other senders have their own share. The share of a sender is free again after the end of its transactions.
        assert _taken(station, _large(2_000, method=method), BOB, 11.0)
        if method == b"OPTIONS":
            station.advance(100.0)
            assert _taken(station, _large(2_001), ALICE, 101.0)


def test_small_requests_are_not_checked_before_many_are_live() -> None:
    station = Station()
    for number in range(MANY + 20):
        assert _taken(station, message(branch=b"z9hG4bKs%d" % number), ALICE, 1.0)


def test_all_senders_together_have_a_bound_that_spares_small_senders() -> None:
    station = Station()
    hosts = [Flow(UDP, f"203.0.113.{n}", 5060) for n in range(101)]
    taken = 0
    for number in range(4_000):
        flow = hosts[number % 100]
        taken += _taken(station, _large(number), flow, number / 400)
    assert MOST_IN_ALL < taken * 62_000 < MOST_IN_ALL + 40_000_000
    assert _taken(station, _large(10_001, LITTLE // 20), hosts[-1], 10.5)


def test_branches_count_for_the_sender_of_the_request() -> None:
    """Ten contacts that are silent make ten copies of one request."""
    side = Side()
    shares = MemoryShares({}, 10)
    shares.clients = side.layer._clients.live
    shares.sender_of = lambda request, flow: "alice"
    asked = received(_large(0), ALICE)
    assert shares.has_room(asked, ALICE, 0.0)
    for number in range(500):
        copy = received(_large(number), ALICE).copy()
        side.layer.request(copy, Flow(UDP, "203.0.113.1", 5060), side, 0.0, b"z9hG4bKb%d" % number)
    assert not shares.has_room(asked, ALICE, 1.0)


def test_requests_of_the_daemon_itself_count_for_no_sender() -> None:
    side = Side()
    shares = MemoryShares({}, 10)
    shares.clients = side.layer._clients.live
    shares.sender_of = lambda request, flow: "alice"
    for number in range(500):
        own = outgoing()
        delivery = Request(b"MESSAGE", own.uri, own.headers, bytes(60_000), received={})
        side.layer.request(delivery, Flow(UDP, "203.0.113.1", 5060), side, 0.0, b"z9hG4bKb%d" % number)
    assert shares.has_room(received(_large(0), ALICE), ALICE, 1.0)
    assert LARGE < 60_000
