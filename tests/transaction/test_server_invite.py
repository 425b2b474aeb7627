"""INVITE server transactions, their ACK and CANCEL (checklist X7, X8, X9)."""

import pytest

from tests.transaction.station import ALICE_TCP, Station, ack, message, relayed, tag_of

# --- INVITE ------------------------------------------------------------------------------------------


def test_x8_every_2xx_is_sent_and_copies_of_the_invite_are_absorbed() -> None:
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


def test_x8_a_late_ack_of_a_2xx_goes_to_the_user() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(200, station.now)
    station.hears(ack(b"dev1", b"z9hG4bKnew"))
    # Some phones keep the branch of the INVITE.
    station.hears(ack(b"dev1"))
    station.after(33)
    station.hears(ack(b"dev1", b"z9hG4bKnew"))
    assert station.words() == ["request", "ack", "ack", "ack"]


def test_x7_the_ack_of_a_failure_is_absorbed() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(404, station.now)
    tag = tag_of(station.sent[-1][1])
    for _ in range(3):
        station.hears(ack(tag))
        station.after(3)
    # Timer I has fired, but the tag shows an answer of this daemon.
    station.hears(ack(tag))
    assert station.words() == ["request"]


def test_an_ack_is_never_answered() -> None:
    station = Station()
    station.hears(message(b"ACK"))
    station.hears(message(b"ACK", to=b'"unclosed <sip:b@c>', branch=None))
    assert station.sent == []
    assert station.words() == ["ack", "ack"]


def test_a_100_from_downstream_is_not_relayed() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].forward(relayed(station.servers[0], 100), station.now)
    station.servers[0].forward(relayed(station.servers[0], 180), station.now)
    assert station.statuses() == [100, 180]


# --- CANCEL ------------------------------------------------------------------------------------------


def test_x9_a_cancel_of_an_invite_gets_200_and_is_reported_to_the_user_once() -> None:
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


def test_x9_a_cancel_after_the_final_answer_has_no_effect() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(200, station.now)
    station.hears(message(b"CANCEL"))
    assert station.statuses() == [100, 200, 200]
    assert station.words() == ["request"]


def test_x9_a_cancel_without_a_transaction_gets_481() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    for _ in range(2):
        station.hears(message(b"CANCEL", branch=b"z9hG4bKother"))
    station.hears(message(b"CANCEL", sent_by=b"192.0.2.99:5071"))
    assert station.statuses() == [100, 481, 481, 481]
    assert station.words() == ["request"]


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"OPTIONS"])
def test_x9_a_cancel_of_a_non_invite_gets_200_and_the_request_goes_on(method: bytes) -> None:
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


def test_a_cancel_leaves_no_live_transaction() -> None:
    station = Station()
    station.hears(message(b"CANCEL"))
    station.hears(message(b"CANCEL", branch=b"z9hG4bKtcp"), ALICE_TCP)
    assert (station.layer.open_transactions, station.layer.remembered) == (0, 0)
