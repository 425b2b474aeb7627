"""Requests that an INVITE client transaction sends itself: ACK for failures, CANCEL (checklist X7, X8, X9)."""

from tests.transaction.station import START, Station

# --- ACK for failures --------------------------------------------------------------------------------


def test_x7_the_layer_makes_the_ack_of_a_failure_with_the_branch_of_the_invite() -> None:
    station = Station()
    route = (b"Route: <sip:p1.example.test;lr>", b"Route: <sip:p2.example.test;lr>")
    station.asks(b"INVITE", more=(*route, b"Subject: not for an ACK", b"Content-Type: application/sdp"))
    station.hears_answer(486, tag=b"busy")
    ack, invite = station.sent_request(b"ACK"), station.sent_request(b"INVITE")
    assert ack.uri == invite.uri
    assert ack.headers.get_all(b"via") == invite.headers.get_all(b"via")[:1]
    assert ack.headers.get_all(b"route") == invite.headers.get_all(b"route")
    assert ack.headers.get(b"to") == b"<sip:bob@example.test>;tag=busy"
    for name in (b"from", b"call-id", b"max-forwards"):
        assert ack.headers.get(name) == invite.headers.get(name)
    assert ack.headers.get(b"cseq") == b"20 ACK"
    assert b"subject" not in ack.headers
    assert ack.body == b""


def test_x7_each_copy_of_a_failure_is_acknowledged_and_reported_once() -> None:
    station = Station()
    station.asks(b"INVITE")
    for _ in range(3):
        station.hears_answer(486)
    assert len(station.requests(b"ACK")) == 3
    assert station.words() == ["response"]


def test_x8_each_2xx_is_reported_and_not_acknowledged_by_the_layer() -> None:
    station = Station()
    station.asks(b"INVITE")
    for tag in (b"a", b"a", b"b"):
        station.hears_answer(200, tag=tag)
    assert [given.to_tag for given in station.responses()] == [b"a", b"a", b"b"]
    assert station.requests(b"ACK") == []
    station.hears_answer(486)
    station.hears_answer(180)
    assert len(station.responses()) == 3


def test_an_unsendable_ack_does_not_hide_the_response() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.is_broken = True
    station.hears_answer(486)
    assert station.words() == ["response"]
    assert invite.state.name == "TERMINATED"


# --- CANCEL ------------------------------------------------------------------------------------------


def test_x9_a_cancel_waits_for_a_provisional_response() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.layer.cancel(invite, station.now)
    station.layer.cancel(invite, station.now)
    assert station.requests(b"CANCEL") == []
    station.hears_answer(100)
    assert len(station.requests(b"CANCEL")) == 1
    station.hears_answer(180)
    station.layer.cancel(invite, station.now)
    assert len(station.requests(b"CANCEL")) == 1
    cancel, original = station.sent_request(b"CANCEL"), station.sent_request(b"INVITE")
    assert cancel.headers.get_all(b"via") == original.headers.get_all(b"via")[:1]
    assert (cancel.uri, cancel.headers.get(b"cseq")) == (original.uri, b"20 CANCEL")
    assert cancel.headers.get(b"to") == original.headers.get(b"to")


def test_x9_the_answer_to_a_cancel_is_not_the_answer_to_the_invite() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.hears_answer(180)
    station.layer.cancel(invite, station.now)
    station.hears_answer(200, station.requests(b"CANCEL")[0])
    assert invite.state.name == "PROCEEDING"
    station.hears_answer(487)
    assert [given.status for given in station.responses()] == [180, 487]
    assert station.layer.stray_responses == 0


def test_x9_a_cancel_has_its_own_timers_and_the_invite_ends_with_them() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.hears_answer(180)
    station.after(10)
    station.layer.cancel(invite, station.now)
    station.after(31.999)
    assert [time - 10 for time in station.times(b"CANCEL")][:4] == [0.0, 0.5, 1.5, 3.5]
    assert station.words() == ["response"]
    station.after(0.001)
    assert station.words() == ["response", "timeout"]
    assert station.layer.open_transactions == 0


def test_x9_a_2xx_may_come_before_the_cancel_is_answered() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.hears_answer(180)
    station.layer.cancel(invite, station.now)
    station.hears_answer(200)
    station.hears_answer(200, station.requests(b"CANCEL")[0])
    station.advance(START + 3600)
    assert [given.status for given in station.responses()] == [180, 200]
    assert station.words() == ["response", "response"]


def test_x9_a_finished_invite_and_a_message_are_never_cancelled() -> None:
    station = Station()
    ended = station.asks(b"INVITE", branch=b"z9hG4bK1")
    station.hears_answer(486)
    station.layer.cancel(ended, station.now)
    station.layer.cancel(station.asks(branch=b"z9hG4bK2"), station.now)
    station.hears_answer(100, station.requests(b"MESSAGE")[0])
    assert station.requests(b"CANCEL") == []


def test_x9_a_cancel_requested_too_late_is_not_sent() -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.layer.cancel(invite, station.now)
    station.hears_answer(486)
    assert station.requests(b"CANCEL") == []


def test_a_cancelled_invite_without_an_answer_ends_with_timer_b() -> None:
    station = Station()
    station.layer.cancel(station.asks(b"INVITE"), station.now)
    station.advance(START + 3600)
    assert station.words() == ["timeout"]
    assert station.times(b"CANCEL") == []
