"""Input of a hostile peer: no input raises, and nothing grows without bound."""

from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from tests.transaction.station import ALICE, ALICE_TCP, BOB, Station, answer, message

METHODS = [b"MESSAGE", b"INVITE", b"ACK", b"CANCEL", b"OPTIONS", b"X-" + b"Y" * 60]
BRANCHES = [None, b"1", b"z9hG4bK", b"z9hG4bKa", b"z9hG4bK" + b"b" * 2000]
ADDRESSES = [
    b"<sip:bob@example.test>",
    b"<sip:bob@example.test>;tag=1",
    b'"unclosed <sip:b@c>',
    b";;;",
    b"<>",
    b"\xff\xfe",
]
requests = st.builds(
    message,
    method=st.sampled_from(METHODS),
    branch=st.sampled_from(BRANCHES),
    to=st.sampled_from(ADDRESSES),
    from_=st.sampled_from(ADDRESSES),
    call_id=st.sampled_from([b"a", b"b" * 500]),
    cseq=st.sampled_from([0, 2**32 - 1]),
)
flows = st.sampled_from([ALICE, ALICE_TCP])
# The status of the answer to the newest request, or seconds to wait.
moves = st.one_of(
    st.tuples(requests, flows), st.sampled_from([100, 180, 200, 408, 486]), st.floats(0.01, 50), st.none()
)


def hear(station: Station, data: bytes, flow: Flow) -> None:
    """Receive a message as the daemon does. A message that the parser refuses never comes here."""
    try:
        request = parse(data, flow.is_reliable)
    except MalformedMessage:
        return
    assert isinstance(request, Request)
    stamp_source(request, flow)
    station.layer.receive_request(request, flow, station.now)


@given(st.lists(moves, max_size=30))
def test_no_order_of_requests_answers_and_pauses_raises(steps: list[object]) -> None:
    station = Station(max_transactions=8)
    for step in steps:
        if isinstance(step, tuple):
            hear(station, *step)
        elif isinstance(step, int) and station.servers:
            station.servers[-1].respond(step, station.now)
        elif isinstance(step, float):
            station.after(step)
        else:
            station.is_broken = not station.is_broken
        assert len(station.layer._servers._live) <= 8
    for server in station.servers:
        server.respond(486, station.now)
    station.after(100)
    assert station.layer.next_deadline() is None
    assert (station.layer.open_transactions, station.layer.remembered) == (0, 0)


@given(st.lists(st.sampled_from([100, 180, 200, 302, 486, 603]), max_size=8), st.booleans())
def test_no_order_of_responses_raises(statuses: list[int], is_invite: bool) -> None:
    station = Station()
    invite = station.asks(b"INVITE" if is_invite else b"MESSAGE", limit=10.0)
    for number, status in enumerate(statuses):
        if number == 2:
            station.layer.cancel(invite, station.now)
        station.hears_answer(status, more=(b"Via: nonsense",))
        station.after(3)
    station.layer.flow_closed(BOB, station.now)
    station.after(100)
    assert station.layer.open_transactions == 0
    assert station.layer.next_deadline() is None


def test_a_flood_of_invites_without_acks_stays_within_the_bound_and_ends() -> None:
    station = Station(max_transactions=100)
    station.serve = lambda transaction, now: transaction.respond(404, now)
    for number in range(1000):
        station.hears(message(b"INVITE", branch=b"z9hG4bK%d" % number))
    assert len(station.servers) == 100
    assert station.layer.refused == 900
    station.after(32)
    assert station.layer._servers._live == {}
    station.hears(message(b"INVITE"))
    assert len(station.servers) == 101


def test_an_answer_with_our_branch_from_another_address_is_accepted_once() -> None:
    station = Station()
    station.asks()
    data = answer(station.requests()[0], 200)
    station.hears_response(data, ALICE)
    station.hears_response(data, BOB)
    assert station.words() == ["response"]
