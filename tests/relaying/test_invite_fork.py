"""InviteFork: Timer C, the limit of a silent branch, and the report of a failed call."""

from tests.delivering.room import binding
from tests.relaying.room import POLICY, RelayingRoom, two_flows
from tests.without_io import phone_flow

TIMER_C = POLICY.fr_inv_timer


def test_a_phone_without_even_a_100_counts_as_408_at_fr_timer() -> None:
    room = RelayingRoom()
    room.call(binding())
    room.pass_(POLICY.fr_timer - 1)
    assert room.failure.told == []
    room.pass_(2)
    assert room.failure.told == [("failed", 408)]


def test_a_100_stops_fr_timer_and_does_not_reset_timer_c() -> None:
    room = RelayingRoom()
    room.call(binding())
    room.pass_(5)
    room.reply(5061, 100)
    room.pass_(TIMER_C - 6)
    room.forwarder.check_timer_c(room.clock.now())
    assert room.ports(b"CANCEL") == []
    room.pass_(1)
    room.forwarder.check_timer_c(room.clock.now())
    assert room.ports(b"CANCEL") == [5061]


def test_each_180_resets_timer_c() -> None:
    room = RelayingRoom()
    room.call(binding())
    for _ in range(3):
        room.reply(5061, 180)
        room.pass_(TIMER_C - 1)
        room.forwarder.check_timer_c(room.clock.now())
    assert room.ports(b"CANCEL") == []
    room.pass_(1)
    room.forwarder.check_timer_c(room.clock.now())
    assert room.ports(b"CANCEL") == [5061]


def test_a_failed_call_is_reported_once_and_leaves_the_list_of_calls() -> None:
    room = RelayingRoom()
    room.call(binding(5061), binding(5062))
    room.reply(5061, 486)
    assert (len(room.forwarder.invites), room.failure.told) == (1, [])
    room.reply(5062, 480)
    assert room.failure.told == [("failed", 486)], "the best status"
    assert room.forwarder.invites == {}
    assert room.finals() == [], "the failure route answers"


def test_a_call_that_the_caller_gave_up_is_answered_487_and_not_reported() -> None:
    room = RelayingRoom()
    fork = room.call(binding())
    room.reply(5061, 180)
    room.forwarder.cancel(fork.server, room.clock.now())
    room.reply(5061, 487, method=b"INVITE")
    assert (room.finals(), room.failure.told) == ([487], [])


def test_without_a_failure_route_the_caller_gets_the_answer() -> None:
    room = RelayingRoom()
    room.call(binding()).on_failure = None
    room.reply(5061, 486)
    assert room.finals() == [486]


def test_a_2xx_repeated_by_the_phone_is_forwarded_after_the_end_of_the_fork() -> None:
    room = RelayingRoom()
    room.call(binding())
    room.reply(5061, 200)
    assert room.forwarder.invites == {}
    room.reply(5061, 200)
    assert room.finals() == [200, 200]


def test_the_next_q_rings_after_all_contacts_of_the_best_q_failed() -> None:
    room = RelayingRoom()
    first, second, third = binding(5061), binding(5062), binding(5063)
    third.q = 0.5
    room.call(first, second, third)
    assert room.ports() == [5061, 5062]
    room.reply(5061, 486)
    assert room.ports(b"INVITE") == [5061, 5062]
    room.reply(5062, 486)
    assert room.ports(b"INVITE") == [5061, 5062, 5063]


def test_a_dead_flow_is_replaced_by_another_flow_of_the_device() -> None:
    room = RelayingRoom()
    room.call(*two_flows())
    room.reply(5061, 430)
    assert room.ports(b"INVITE") == [5061, 5062]
    room.icmp(5062)
    assert room.failure.told == [("failed", 500)]


def test_a_contact_that_was_connected_after_the_answer_does_not_ring() -> None:
    room = RelayingRoom()
    room.call(binding(5061), binding(5062, connection=7))
    ((_, _, then, _),) = room.tasks.started
    room.reply(5061, 200)
    then(phone_flow(5062), room.clock.now())
    assert room.ports(b"INVITE") == [5061]
