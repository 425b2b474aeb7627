"""Fork: what the end of a branch means for the request, and when the failure route decides."""

import pytest

from msilod.proxy.target_set import target_set
from msilod.relaying.fork import Fork
from msilod.silo.runs.decision_table import NO_ANSWER, NO_TRANSPORT
from msilod.sip.message import response_bytes
from tests.delivering.room import BOB, binding
from tests.relaying.room import RelayingRoom, two_flows
from tests.transaction.station import received, response


def ends(fork: Fork) -> list[tuple[int, bool]]:
    return [(end.status, end.was_silent) for end in fork.ends]


def test_the_first_2xx_is_the_answer_and_a_second_2xx_is_only_reported() -> None:
    room = RelayingRoom()
    room.fork(binding(5061), binding(5062))
    room.reply(5062, 200)
    assert (room.finals(), room.failure.told) == ([200], [])
    room.reply(5061, 200)
    assert (room.finals(), room.failure.told) == ([200], [("late", 200)])


def test_a_provisional_answer_is_not_forwarded_and_ends_no_branch() -> None:
    room = RelayingRoom()
    room.fork(binding())
    room.reply(5061, 180)
    assert room.statuses() == []
    room.reply(5061, 486)
    assert room.failure.told == [("failed", 486)]


def test_the_failure_route_is_asked_once_after_the_last_branch_failed() -> None:
    room = RelayingRoom()
    fork = room.fork(binding(5061), binding(5062))
    room.reply(5061, 486)
    assert room.failure.told == []
    room.reply(5062, 480, (b"Retry-After: 90",))
    assert room.failure.told == [("failed", 486)], "the best status"
    assert room.finals() == [], "the failure route answers"
    assert [end.retry_after for end in fork.ends] == [None, 90]
    assert [end.binding for end in fork.ends] == [binding(5061), binding(5062)]


def test_a_2xx_after_a_failure_of_another_branch_is_reported_to_the_failure_route() -> None:
    room = RelayingRoom()
    room.fork(binding(5061), binding(5062))
    room.reply(5061, 405)
    room.reply(5062, 200)
    assert (room.finals(), room.failure.told) == ([200], [("taken", 0)])


def test_silence_until_fr_timer_counts_as_408_and_the_branch_lives_on() -> None:
    room = RelayingRoom()
    fork = room.fork(binding())
    room.pass_(9.0)
    assert room.failure.told == []
    room.pass_(1.5)
    assert (ends(fork), room.failure.told) == ([(NO_ANSWER, True)], [("failed", NO_ANSWER)])
    assert len(fork.live) == 1


@pytest.mark.parametrize("status", [200, 486, 603])
def test_the_end_of_a_live_branch_is_reported_once_with_its_status(status: int) -> None:
    room = RelayingRoom()
    fork = room.fork(binding())
    room.pass_(10.5)
    room.reply(5061, status)
    room.reply(5061, status)
    assert room.failure.told[1:].count(("late", status)) == 1
    assert ("failed", status) not in room.failure.told
    assert fork.live == {}


def test_a_live_branch_without_an_answer_is_reported_at_timer_f() -> None:
    room = RelayingRoom()
    room.fork(binding())
    room.pass_(40.0)
    assert room.failure.told == [("failed", NO_ANSWER), ("silent", 0), ("late", 0)]


def test_an_icmp_error_counts_as_503_at_once() -> None:
    room = RelayingRoom()
    fork = room.fork(binding())
    room.icmp(5061)
    assert ends(fork) == [(NO_TRANSPORT, True)]
    assert room.failure.told == [("silent", 0), ("failed", NO_ANSWER)]


def test_a_482_of_this_server_says_that_the_phone_was_not_reached() -> None:
    room = RelayingRoom()
    fork = room.fork(binding())
    request = room.transports.requests()[0]
    tag = room.layer.stateless_tag(request)
    data, flow = room.transports.sent[0]
    room.layer.receive_response(
        response(response_bytes(received(data), 482, tag, [])), flow, room.clock.now()
    )
    assert ends(fork) == [(NO_TRANSPORT, True)]


def test_a_dead_flow_is_replaced_by_another_flow_of_the_device() -> None:
    room = RelayingRoom()
    fork = room.fork(*two_flows())
    assert room.ports() == [5061]
    room.reply(5061, 430)
    assert room.ports() == [5061, 5062]
    assert fork.ends == []
    room.reply(5062, 430)
    assert room.failure.told == [("failed", 480)], "a 430 is only for the proxy of the flow"


def test_a_refusal_of_the_device_is_not_repeated_on_another_flow() -> None:
    room = RelayingRoom()
    room.fork(*two_flows())
    room.reply(5061, 486)
    assert room.ports() == [5061]


def test_a_redirection_to_another_contact_of_the_aor_replaces_the_branch() -> None:
    room = RelayingRoom()
    other = binding(5062)
    room.bind(binding(5061), other)
    fork = room.fork(binding(5061))
    room.reply(5061, 302, (b"Contact: <%b>" % other.contact.encode(),))
    assert room.ports() == [5061, 5062]
    assert fork.ends == []
    room.reply(5062, 200)
    assert room.finals() == [200]


def test_a_redirection_to_a_foreign_host_is_a_failure_with_its_status() -> None:
    room = RelayingRoom()
    room.bind(binding(5061))
    room.fork(binding(5061))
    room.reply(5061, 302, (b"Contact: <sip:bob@203.0.113.9>",))
    assert room.ports() == [5061]
    assert room.failure.told == [("failed", 302)]


def test_a_contact_named_by_a_redirection_is_charged_to_the_user_of_the_contact() -> None:
    room = RelayingRoom()
    other = binding(5062)
    room.bind(binding(5061), other)
    fork = room.fork(binding(5061))
    room.reply(5061, 302, (b"Contact: <%b>" % other.contact.encode(),))
    assert [target.booked_on for target in fork.targets] == ["198.51.100.7", BOB]


def test_the_best_answer_goes_to_the_sender_and_a_408_never() -> None:
    room = RelayingRoom()
    fork = room.fork(binding(5061), binding(5062), binding(5063))
    for port, status in ((5061, 486), (5062, 408), (5063, 404)):
        room.reply(port, status)
    fork.give_best(room.clock.now())
    assert room.finals() == [486]
    room = RelayingRoom()
    fork = room.fork(binding())
    room.reply(5061, 408)
    fork.give_best(room.clock.now())
    assert room.finals() == [], "RFC 4320 section 4.2"


def test_the_sender_gets_500_if_no_branch_could_be_sent() -> None:
    room = RelayingRoom()
    fork = room.fork(binding())
    room.icmp(5061)
    fork.give_best(room.clock.now())
    assert room.finals() == [500]


def test_a_branch_that_cannot_be_made_counts_as_a_failed_transport() -> None:
    room = RelayingRoom()
    targets = target_set([binding(5061), binding(5062)])
    for target in targets:
        assert target.binding is not None
        target.binding.way = target.flow
    targets[0].uri = "no URI?"
    fork = room.fork(targets=targets)
    assert room.ports() == [5062]
    assert ends(fork) == [(NO_TRANSPORT, True)]


def test_all_branches_wait_for_the_200_of_a_register_in_progress() -> None:
    """Otherwise a 2xx of the other phone would end the fork before the phone on the stream gets the MESSAGE."""
    room = RelayingRoom()
    room.transports.open.add(7)
    on_stream = binding(5061, connection=7)
    room.state.apart.note((on_stream.contact, on_stream.flow), room.clock.now())
    room.fork(on_stream, binding(5062))
    assert room.ports() == []
    room.state.apart.handle_timeout(room.clock.pass_(0.2))
    assert sorted(room.ports()) == [5061, 5062]


def test_no_branch_begins_after_the_fork_has_decided() -> None:
    room = RelayingRoom()
    fork = room.fork(binding(5061))
    room.reply(5061, 200)
    (late,) = target_set([binding(5062)])
    fork._start(late, late.flow, room.clock.now())
    assert room.ports() == [5061]
