"""INVITE server transactions, their ACK and CANCEL (checklist X7, X8, X9)."""

import pytest

from tests.transaction.station import ALICE_TCP, Station, ack, message, relayed, tag_of

# --- INVITE ------------------------------------------------------------------------------------------


def test_x8_every_2xx_goes_out_and_copies_of_the_invite_are_absorbed() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    server = station.servers[0]
    for _ in range(3):
        server.forward(relayed(server, 200), station.now)
        station.hears(message(b"INVITE"))
        station.after(1)
    assert station.statuses() == [100, 200, 200, 200]
    server.forward(relayed(server, 486), station.now)
    server.forward(relayed(server, 183), station.now)
    assert len(station.sent) == 4
    assert server.state.name == "ACCEPTED"


def test_x8_the_ack_of_a_2xx_goes_to_the_user_however_late() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(200, station.now)
    station.hears(ack(b"dev1", b"z9hG4bKnew"))
    # Phones that keep the branch of the INVITE exist.
    station.hears(ack(b"dev1"))
    station.after(33)
    station.hears(ack(b"dev1", b"z9hG4bKnew"))
    assert station.words() == ["request", "ack", "ack", "ack"]


def test_x7_the_ack_of_a_failure_ends_here() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(404, station.now)
    tag = tag_of(station.sent[-1][1])
    for _ in range(3):
        station.hears(ack(tag))
        station.after(3)
    # Timer I is over, but the tag shows whose answer it was.
    station.hears(ack(tag))
    assert station.words() == ["request"]


def test_an_ack_is_never_answered_whatever_it_is() -> None:
    station = Station()
    station.hears(message(b"ACK"))
    station.hears(message(b"ACK", to=b'"unclosed <sip:b@c>', branch=None))
    assert station.sent == []
    assert station.words() == ["ack", "ack"]


def test_a_100_from_downstream_goes_no_further() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].forward(relayed(station.servers[0], 100), station.now)
    station.servers[0].forward(relayed(station.servers[0], 180), station.now)
    assert station.statuses() == [100, 180]


# --- CANCEL ------------------------------------------------------------------------------------------


def test_x9_a_cancel_of_an_invite_gets_200_and_the_user_hears_of_it_once() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(message(b"CANCEL"))
    station.hears(message(b"CANCEL"))
    assert station.words() == ["request", "cancel"]
    assert station.told[1][2] is station.servers[0]
    assert station.statuses() == [100, 200, 200]
    station.servers[0].respond(487, station.now)
    cancelled, refused = station.sent[1][1], station.sent[3][1]
    # §9.2: the tag of both answers should be the same.
    assert tag_of(cancelled) == tag_of(refused)
    assert b"CSeq: 20 CANCEL" in cancelled
    assert b"CSeq: 20 INVITE" in refused


def test_x9_a_cancel_that_crosses_the_final_answer_has_no_effect() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(200, station.now)
    station.hears(message(b"CANCEL"))
    assert station.statuses() == [100, 200, 200]
    assert station.words() == ["request"]


def test_x9_a_cancel_without_a_match_gets_481() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    for _ in range(2):
        station.hears(message(b"CANCEL", branch=b"z9hG4bKother"))
    station.hears(message(b"CANCEL", sent_by=b"192.0.2.99:5071"))
    assert station.statuses() == [100, 481, 481, 481]
    assert station.words() == ["request"]


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"OPTIONS"])
def test_x9_a_cancel_of_a_non_invite_gets_200_and_the_request_is_handled_all_the_same(method: bytes) -> None:
    station = Station()
    station.hears(message(method))
    station.hears(message(b"CANCEL"))
    station.servers[0].respond(202, station.now)
    station.hears(message(method))
    assert station.words() == ["request"]
    assert station.statuses() == [200, 202, 202]


def test_x9_a_cancel_of_an_answered_message_gets_200() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(202, now)
    station.hears(message())
    station.after(20)
    station.hears(message(b"CANCEL"))
    assert station.statuses() == [202, 200]
    assert station.words() == ["request"]


def test_a_cancel_leaves_nothing_alive() -> None:
    station = Station()
    station.hears(message(b"CANCEL"))
    station.hears(message(b"CANCEL", branch=b"z9hG4bKtcp"), ALICE_TCP)
    assert (station.layer.open_transactions, station.layer.remembered) == (0, 0)
