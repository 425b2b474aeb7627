"""Timers A to M, the limit, and the late 100 of RFC 4320, each at the exact instant (RFC 3261 table 4)."""

import pytest

from msilod.sip.flow import Flow
from msilod.transaction.completed import SPAN
from msilod.transaction.timers import T1, T2, TimerQueues
from tests.transaction.station import ALICE, ALICE_TCP, BOB, BOB_TCP, START, Station, message

ACK = message(b"ACK", to=b"<sip:bob@example.test>;tag=x")
# 0.5 + 1 + 2, then every T2, until Timer F.
TIMER_E = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
TIMER_A = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
HOUR = START + 3600


def told(station: Station) -> list[tuple[float, str]]:
    return [(time - START, word) for time, word, _ in station.told if word != "request"]


def test_timer_a_and_b_on_udp() -> None:
    station = Station()
    station.asks(b"INVITE")
    station.advance(HOUR)
    assert station.times(b"INVITE") == [0.0, *TIMER_A]
    assert told(station) == [(32.0, "timeout")]
    assert station.layer.retransmissions_out == len(TIMER_A)


def test_timer_e_and_f_on_udp() -> None:
    station = Station()
    station.asks()
    station.advance(HOUR)
    assert station.times(b"MESSAGE") == [0.0, *TIMER_E]
    assert told(station) == [(32.0, "timeout")]
    assert station.layer.open_transactions == 0


def test_timer_e_sends_the_same_bytes() -> None:
    station = Station()
    station.asks()
    station.advance(HOUR)
    assert len(set(station.requests())) == 1


@pytest.mark.parametrize("method", [b"INVITE", b"MESSAGE"])
def test_streams_have_timers_b_and_f_but_no_retransmissions(method: bytes) -> None:
    station = Station()
    station.asks(method, BOB_TCP)
    station.advance(HOUR)
    assert station.times(method) == [0.0]
    assert told(station) == [(32.0, "timeout")]


def test_timer_e_is_t2_after_a_provisional_response() -> None:
    station = Station()
    station.asks()
    station.after(0.75)
    station.hears_answer(100)
    station.advance(HOUR)
    # The running timer ends first (§17.1.2.2).
    assert station.times(b"MESSAGE") == [0.0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert told(station) == [(0.75, "response"), (32.0, "timeout")]


def test_timers_a_and_b_end_with_a_provisional_response() -> None:
    station = Station()
    station.asks(b"INVITE")
    station.after(0.75)
    station.hears_answer(180)
    station.advance(HOUR)
    assert station.times(b"INVITE") == [0.0, 0.5]
    assert told(station) == [(0.75, "response")]


@pytest.mark.parametrize(("flow", "seconds"), [(BOB, 32.0), (BOB_TCP, 0.0)])
def test_timer_d_absorbs_copies_of_a_failure_until_its_end(flow: Flow, seconds: float) -> None:
    station = Station()
    invite = station.asks(b"INVITE", flow)
    station.hears_answer(486)
    if seconds:
        station.after(seconds - 0.001)
        assert invite.state.name == "COMPLETED"
        station.hears_answer(486)
        assert len(station.requests(b"ACK")) == 2
        station.after(0.001)
    assert invite.state.name == "TERMINATED"
    station.hears_answer(486)
    assert station.layer.stray_responses == 1
    assert station.words() == ["response"]


@pytest.mark.parametrize(("flow", "times"), [(ALICE, [0.5, 1.5, 3.5, *range(7, 32, 4)]), (ALICE_TCP, [])])
def test_timer_g_and_h(flow: Flow, times: list[float]) -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(486, now)
    station.hears(message(b"INVITE"), flow)
    station.advance(HOUR)
    expected = [time + 0.5 if time >= 7 else time for time in times]
    assert station.times(b"SIP") == [0.0, *expected]
    assert station.servers[0].state.name == "TERMINATED"
    assert station.layer.retransmissions_out == len(times)


def test_timer_h_fires_at_its_instant() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.after(10)
    station.servers[0].respond(486, station.now)
    station.after(31.999)
    assert station.servers[0].state.name == "COMPLETED"
    station.after(0.001)
    assert station.servers[0].state.name == "TERMINATED"


def test_timer_g_stops_with_the_ack_and_timer_i_absorbs_copies_of_the_ack() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(486, station.now)
    station.after(1)
    station.hears(ACK)
    assert station.servers[0].state.name == "CONFIRMED"
    station.after(4.999)
    station.hears(ACK)
    assert station.servers[0].state.name == "CONFIRMED"
    station.after(0.001)
    assert station.servers[0].state.name == "TERMINATED"
    assert station.times(b"SIP") == [0.0, 0.0, 0.5]
    assert station.words() == ["request"]


def test_timer_i_may_end_at_the_same_instant_as_timer_g() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(486, station.now)
    station.after(2.5)
    station.hears(ACK)
    station.after(5.0)
    assert station.servers[0].state.name == "TERMINATED"


def test_timer_i_is_zero_on_streams() -> None:
    station = Station()
    station.hears(message(b"INVITE"), ALICE_TCP)
    station.servers[0].respond(486, station.now)
    station.hears(ACK, ALICE_TCP)
    assert station.servers[0].state.name == "TERMINATED"


def test_timer_j_on_udp() -> None:
    station = Station()
    station.hears(message())
    station.after(1)
    station.servers[0].respond(202, station.now)
    station.after(32)
    station.hears(message())
    assert station.words() == ["request"]
    assert station.statuses() == [202, 202]
    station.after(SPAN)
    station.hears(message())
    assert station.words() == ["request", "request"]


def test_timer_j_is_zero_on_streams() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(202, now)
    station.hears(message(), ALICE_TCP)
    assert station.servers[0].state.name == "TERMINATED"
    station.hears(message(), ALICE_TCP)
    assert station.words() == ["request", "request"]
    assert station.layer.remembered == 0


def test_copies_of_a_final_response_are_not_reported_with_or_without_timer_k() -> None:
    station = Station()
    station.asks()
    station.hears_answer(200)
    for _ in range(7):
        station.after(1)
        station.hears_answer(200)
    assert station.words() == ["response"]


@pytest.mark.parametrize("flow", [ALICE, ALICE_TCP])
def test_timer_l(flow: Flow) -> None:
    station = Station()
    station.hears(message(b"INVITE"), flow)
    station.servers[0].respond(200, station.now)
    station.after(31)
    station.servers[0].respond(200, station.now)
    station.after(0.999)
    assert station.servers[0].state.name == "ACCEPTED"
    station.after(0.001)
    assert station.servers[0].state.name == "TERMINATED"


@pytest.mark.parametrize("flow", [BOB, BOB_TCP])
def test_timer_m(flow: Flow) -> None:
    station = Station()
    invite = station.asks(b"INVITE", flow)
    station.hears_answer(200)
    station.after(31.999)
    station.hears_answer(200)
    assert invite.state.name == "ACCEPTED"
    station.after(0.001)
    assert invite.state.name == "TERMINATED"
    station.hears_answer(200)
    assert station.words() == ["response", "response"]
    assert station.layer.stray_responses == 1


@pytest.mark.parametrize("flow", [BOB, BOB_TCP])
@pytest.mark.parametrize("limit", [0.2, 0.5, 2.0, 7.5, 10.0, 10.25, 31.75])
def test_the_limit_fires_once_at_its_instant_and_changes_no_timer(flow: Flow, limit: float) -> None:
    station = Station()
    station.asks(flow=flow, limit=limit)
    station.advance(HOUR)
    assert told(station) == [(pytest.approx(limit), "limit"), (32.0, "timeout")]
    assert station.times(b"MESSAGE") == ([0.0] if flow.is_reliable else [0.0, *TIMER_E])


def test_a_limit_after_timer_f_never_fires() -> None:
    station = Station()
    station.asks(limit=40.0)
    station.advance(HOUR)
    assert station.words() == ["timeout"]


def test_the_limit_of_a_non_invite_fires_also_in_proceeding() -> None:
    station = Station()
    station.asks(limit=10.0)
    station.hears_answer(100)
    station.advance(HOUR)
    assert told(station) == [(0.0, "response"), (10.0, "limit"), (32.0, "timeout")]


@pytest.mark.parametrize("status", [100, 180, 200, 486])
def test_any_answer_ends_the_limit_of_an_invite(status: int) -> None:
    station = Station()
    station.asks(b"INVITE", limit=10.0)
    station.after(9.9)
    station.hears_answer(status)
    station.advance(HOUR)
    assert station.words() == ["response"]


def test_the_limit_of_a_silent_invite_fires_and_timer_b_follows() -> None:
    station = Station()
    station.asks(b"INVITE", limit=10.0)
    station.advance(HOUR)
    assert told(station) == [(10.0, "limit"), (32.0, "timeout")]
    assert station.times(b"INVITE") == [0.0, *TIMER_A]


def test_no_limit_after_the_final_response() -> None:
    station = Station()
    station.asks(limit=10.0)
    station.after(9.999)
    station.hears_answer(200)
    station.advance(HOUR)
    assert station.words() == ["response"]


def test_many_transactions_with_limits_share_the_queues() -> None:
    station = Station()
    for number in range(50):
        station.asks(limit=10.0, branch=b"z9hG4bK%d" % number)
        station.after(0.01)
    station.advance(HOUR)
    limits = [time - START for time, word, _ in station.told if word == "limit"]
    ends = [time - START for time, word, _ in station.told if word == "timeout"]
    assert limits == [pytest.approx(10.0 + number / 100) for number in range(50)]
    assert ends == [pytest.approx(32.0 + number / 100) for number in range(50)]


def test_a_late_wake_up_sends_one_retransmission_only() -> None:
    station = Station()
    station.asks(limit=10.0)
    station.now += 12
    station.layer.handle_timeout(station.now)
    assert station.times(b"MESSAGE") == [0.0, 12.0]
    assert told(station) == [(12.0, "limit")]
    station.advance(HOUR)
    assert told(station) == [(12.0, "limit"), (32.0, "timeout")]


def test_a_wake_up_after_all_deadlines_ends_the_transactions_in_order() -> None:
    station = Station()
    station.asks(limit=10.0)
    station.now += 60
    station.layer.handle_timeout(station.now)
    assert station.words() == ["limit", "timeout"]


def test_the_next_deadline_is_the_earliest_of_clients_and_servers() -> None:
    station = Station()
    station.hears(message())
    assert station.layer.next_deadline() == START + 3.5
    station.after(1)
    station.asks(branch=b"z9hG4bK1")
    assert station.layer.next_deadline() == START + 1.5
    station.hears_answer(200)
    station.after(2.25)
    station.asks(branch=b"z9hG4bK2")
    assert station.layer.next_deadline() == START + 3.5


def test_without_transactions_there_is_no_deadline() -> None:
    station = Station()
    assert station.layer.next_deadline() is None
    station.serve = lambda transaction, now: transaction.respond(202, now)
    station.hears(message())
    station.asks()
    station.hears_answer(200)
    station.advance(HOUR)
    assert station.layer.next_deadline() is None


# --- the queues themselves ---------------------------------------------------------------------------


def test_a_queue_returns_due_entries_in_order_and_drops_ended_ones() -> None:
    queues = TimerQueues()
    assert queues.add(T2, b"slow", 0.0) == 4.0
    assert queues.add(T1, b"dead", 3.0) == 3.5
    queues.add(T1, b"quick", 3.25)
    queues.add_at(3.6, b"odd")
    assert (queues.next_deadline(), len(queues)) == (3.5, 4)
    living = {b"slow", b"quick", b"odd"}
    assert queues.due(3.4, living) == []
    assert queues.due(4.0, living) == [(3.6, 0.0, b"odd"), (3.75, T1, b"quick"), (4.0, T2, b"slow")]
    assert (queues.next_deadline(), len(queues)) == (None, 0)
