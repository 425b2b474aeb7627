"""Server transactions: copies, answers, RFC 4320, bounds (checklist X2, X4, X5)."""

import pytest

from msilod.sip.message import Request
from tests.transaction.station import (
    ALICE_TCP,
    BRANCH,
    START,
    Station,
    ack,
    message,
    received,
    relayed,
    status_of,
    tag_of,
)  # fmt: skip

# --- copies ------------------------------------------------------------------------------------------


def test_x2_three_copies_are_reported_as_one_request() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(202, now)
    for _ in range(3):
        station.hears(message())
    assert station.words() == ["request"]
    assert station.statuses() == [202, 202, 202]
    assert len({data for _, data, _ in station.sent}) == 1
    assert station.layer.retransmissions_in == 2


def test_x2_a_copy_before_any_answer_is_dropped() -> None:
    station = Station()
    station.hears(message())
    station.hears(message())
    assert station.sent == []
    assert station.words() == ["request"]
    assert station.layer.retransmissions_in == 1


def test_x2_a_copy_after_the_late_100_gets_the_100_again() -> None:
    station = Station()
    station.hears(message())
    station.after(4)
    station.hears(message())
    assert station.statuses() == [100, 100]


def test_x2_a_copy_of_an_invite_gets_the_last_provisional_answer() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(message(b"INVITE"))
    station.servers[0].respond(183, station.now)
    station.hears(message(b"INVITE"))
    assert station.statuses() == [100, 100, 183, 183]
    assert station.words() == ["request"]


@pytest.mark.parametrize(
    "headers", [(), ((b"Retry-After", b"5"),), ((b"Contact", b"<sip:a@b>"), (b"Contact", b"<sip:c@d>"))]
)
@pytest.mark.parametrize("tag", [b"", b"mine"])
def test_x2_a_copy_gets_the_same_answer_with_its_header_fields(
    tag: bytes, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    station = Station()
    station.hears(message(b"REGISTER"))
    # An iterator can be read only once.
    station.servers[0].respond(200, station.now, tag, iter(headers))
    station.after(20)
    station.hears(message(b"REGISTER"))
    (_, first, _), (_, second, _) = station.sent
    assert first == second
    assert first.count(b"Contact: ") + first.count(b"Retry-After: ") == len(headers)
    assert tag_of(first) == (tag or station.layer.stateless_tag(received(message())))


def test_x2_a_copy_of_a_relayed_message_gets_the_status_and_tag_of_the_device() -> None:
    station = Station()
    station.hears(message())
    station.servers[0].forward(relayed(station.servers[0], 200, (b"Server: phone",)), station.now)
    station.hears(message())
    (_, first, _), (_, second, _) = station.sent
    assert b"Server: phone" in first
    assert (status_of(second), tag_of(second)) == (200, b"dev1")


@pytest.mark.parametrize(
    ("method", "status", "more", "body"),
    [
        (b"MESSAGE", 407, (b'Proxy-Authenticate: Digest realm="x"',), b""),
        (b"MESSAGE", 503, (b"Retry-After: 30",), b""),
        (b"MESSAGE", 200, (), b"body"),
        (b"SUBSCRIBE", 200, (b"Expires: 60",), b""),
    ],
)
def test_x2_a_copy_gets_the_whole_answer_when_a_status_is_not_enough(
    method: bytes, status: int, more: tuple[bytes, ...], body: bytes
) -> None:
    station = Station()
    station.hears(message(method))
    station.servers[0].forward(relayed(station.servers[0], status, more, body), station.now)
    station.hears(message(method))
    (_, first, _), (_, second, _) = station.sent
    assert first == second
    assert all(line in first for line in more)
    assert first.endswith(body)


def test_a_copy_is_answered_on_the_flow_of_the_copy() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(202, now)
    station.hears(message())
    station.hears(message(), ALICE_TCP)
    assert station.sent[1][2] is ALICE_TCP


# --- answers -----------------------------------------------------------------------------------------


def test_a_second_final_answer_is_dropped() -> None:
    station = Station()
    station.hears(message())
    server = station.servers[0]
    assert not server.is_answered
    server.respond(202, station.now)
    assert server.is_answered
    server.respond(500, station.now)
    server.forward(relayed(server, 200), station.now)
    assert station.statuses() == [202]


def test_the_stateless_tag_is_the_same_for_copies_and_differs_for_other_requests() -> None:
    station, stranger = Station(), Station(secret=b"other")
    first = station.layer.stateless_tag(received(message()))
    assert station.layer.stateless_tag(received(message())) == first
    assert station.layer.stateless_tag(received(message(branch=BRANCH + b"1"))) != first
    assert station.layer.stateless_tag(received(message(call_id=b"other"))) != first
    assert stranger.layer.stateless_tag(received(message())) != first
    station.hears(message())
    station.servers[0].respond(202, station.now)
    assert tag_of(station.sent[0][1]) == first


def test_u3_a_100_has_no_tag() -> None:
    station = Station()
    station.hears(message(b"INVITE", more=(b"Timestamp: 54",)))
    assert tag_of(station.sent[0][1]) == b""
    assert b"Timestamp: 54" in station.sent[0][1]


def test_an_invite_with_an_immediate_answer_gets_no_100() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(404, now)
    station.hears(message(b"INVITE"))
    assert station.statuses() == [404]


def test_an_invite_with_an_immediate_180_gets_no_100() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(183, now)
    station.hears(message(b"INVITE"))
    assert station.statuses() == [183]


@pytest.mark.parametrize("status", [200, 202, 300, 486, 699])
def test_a_final_answer_leaves_only_an_entry_of_the_memory(status: int) -> None:
    station = Station()
    for number in (1, 2):
        station.hears(message(branch=b"z9hG4bK%d" % number))
    station.servers[0].respond(status, station.now)
    station.servers[1].forward(relayed(station.servers[1], status), station.now)
    assert (station.layer._servers._live, station.layer.remembered) == ({}, 2)


def test_a_value_with_crlf_is_refused_and_the_transaction_can_be_answered_later() -> None:
    station = Station()
    station.hears(message())
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        station.servers[0].respond(202, station.now, headers=[(b"X", b"a\r\nb")])
    station.servers[0].respond(202, station.now)
    assert station.statuses() == [202]


def test_an_unsendable_answer_is_counted_and_a_copy_is_answered() -> None:
    station = Station()
    station.is_broken = True
    station.serve = lambda transaction, now: transaction.respond(202, now)
    station.hears(message())
    station.is_broken = False
    station.hears(message())
    assert station.words() == ["request"]
    assert station.statuses() == [202]
    assert station.layer.unsent == 1


def test_each_unsendable_answer_counts_once() -> None:
    station = Station(max_transactions=1)
    station.hears(message(b"INVITE"))
    station.is_broken = True
    # A 183, a copy, the 503 to another request, the 481 to a CANCEL, the final answer.
    station.servers[0].respond(183, station.now)
    station.hears(message(b"INVITE"))
    station.hears(message())
    station.hears(message(b"CANCEL", branch=b"z9hG4bKother"))
    station.servers[0].respond(486, station.now)
    assert station.layer.unsent == 5


@pytest.mark.parametrize(("status", "state"), [(299, "ACCEPTED"), (300, "COMPLETED"), (699, "COMPLETED")])
def test_an_invite_is_accepted_with_a_2xx_only(status: int, state: str) -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(status, station.now)
    assert station.servers[0].state.name == state


# --- RFC 4320 ----------------------------------------------------------------------------------------


def test_x4_without_an_answer_one_100_is_sent_at_three_and_a_half_seconds() -> None:
    station = Station()
    station.hears(message())
    station.advance(START + 3600)
    assert station.times(b"SIP/2.0 100") == [3.5]
    assert station.statuses() == [100]
    assert station.layer.open_transactions == 0


def test_x4_no_100_after_an_answer_and_no_100_on_streams() -> None:
    station = Station()
    station.hears(message())
    station.servers[0].respond(202, station.now)
    station.hears(message(branch=b"z9hG4bKtcp"), ALICE_TCP)
    station.after(30)
    assert station.statuses() == [202]


def test_x4_a_provisional_answer_to_a_non_invite_is_dropped() -> None:
    station = Station()
    station.hears(message())
    server = station.servers[0]
    server.respond(180, station.now)
    server.respond(100, station.now)
    server.forward(relayed(server, 183), station.now)
    assert station.sent == []
    station.after(3.5)
    server.respond(100, station.now)
    server.respond(180, station.now)
    assert station.statuses() == [100, 100]


def test_x4_on_streams_a_100_may_come_at_any_time() -> None:
    station = Station()
    station.hears(message(), ALICE_TCP)
    station.servers[0].respond(100, station.now)
    station.servers[0].respond(202, station.now)
    assert station.statuses() == [100, 202]


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"BYE"])
def test_x5_a_non_invite_never_gets_a_408(method: bytes) -> None:
    station = Station()
    station.hears(message(method))
    station.servers[0].respond(408, station.now)
    station.servers[0].forward(relayed(station.servers[0], 408), station.now)
    assert station.sent == []
    station.servers[0].respond(202, station.now)
    assert station.statuses() == [202]


def test_x5_an_invite_may_get_a_408() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(408, station.now)
    assert station.statuses() == [100, 408]


def test_x5_an_unanswered_request_ends_without_a_response_after_the_timeout_of_the_peer() -> None:
    station = Station()
    station.hears(message())
    station.hears(message(branch=b"z9hG4bKtcp"), ALICE_TCP)
    station.after(31.999)
    assert station.layer.open_transactions == 2
    station.after(0.001)
    assert station.layer.open_transactions == 0
    for server in station.servers:
        server.respond(202, station.now)
    assert station.statuses() == [100]


# --- bounds ------------------------------------------------------------------------------------------


def test_beyond_the_bound_new_requests_get_a_503_that_is_not_remembered() -> None:
    station = Station(max_transactions=2)
    for branch in (b"z9hG4bK1", b"z9hG4bK2"):
        station.hears(message(branch=branch))
    for method in (b"MESSAGE", b"INVITE"):
        station.hears(message(method, branch=b"z9hG4bK3"))
    assert station.statuses() == [503, 503]
    assert b"\r\nRetry-After: 5\r\n" in station.sent[0][1]
    assert (station.words(), station.layer.refused) == (["request", "request"], 2)
    assert station.layer.remembered == 0
    # The ACK of the 503 is absorbed, though the INVITE is not remembered.
    station.hears(ack(tag_of(station.sent[1][1]), b"z9hG4bK3"))
    station.hears(message(branch=b"z9hG4bK1"))
    assert station.words() == ["request", "request"]
    station.servers[0].respond(202, station.now)
    station.hears(message(branch=b"z9hG4bK3"))
    assert station.words() == ["request", "request", "request"]


def test_transactions_without_a_final_answer_count_as_open() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(message())
    assert station.layer.open_transactions == 2
    station.servers[0].respond(486, station.now)
    station.servers[1].respond(202, station.now)
    assert (station.layer.open_transactions, station.layer.remembered) == (0, 1)


def test_the_repr_of_a_transaction_describes_the_transaction() -> None:
    station = Station()
    station.hears(message())
    assert "NIST b'MESSAGE' TRYING" in repr(station.servers[0])


def test_the_user_gets_the_request_and_its_flow() -> None:
    station = Station()
    station.hears(message(), ALICE_TCP)
    server = station.servers[0]
    assert isinstance(server.request, Request)
    assert (server.request.method, server.flow) == (b"MESSAGE", ALICE_TCP)
