"""FailureRoute: the decision after all branches failed, and the effect of late answers on the stored row."""

from collections.abc import Sequence

import pytest

from msilod.proxy.target_set import target_set
from msilod.registrar.binding import Binding, contact_key
from msilod.relaying.fork import Fork
from msilod.routing.actions import Action, Break, Relay, Reply, Store
from msilod.routing.policy import PolicyInForce
from msilod.routing.request import RoutingRequest
from msilod.serving.actions import Actions
from msilod.serving.failure_route import MAX_RELAYS, FailureRoute, FailureRoutes
from msilod.serving.incoming import Incoming
from msilod.store.jobs import Added, OverQuota
from tests.delivering.room import BOB, binding
from tests.keeping.room import wire
from tests.relaying.room import RelayingRoom, invite

HOUR_FULL = OverQuota(100, 0)


class Chosen:
    """A policy whose failure_route returns the action chosen by the test."""

    def __init__(self) -> None:
        self.action: Action = Store(1)
        self.asked: list[int] = []

    def route(self, request: RoutingRequest) -> Action:
        return Relay(on_failure=True)

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        self.asked.append(status)
        return self.action


class ServingRoom(RelayingRoom):
    """A relayed MESSAGE of Alice with the failure route of its fork. `acted` are the actions that were carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = Chosen()
        self.acted: list[Action] = []
        actions = Actions()
        actions.tie(dict.fromkeys((Relay, Reply), lambda incoming, action, now: self.acted.append(action)))
        self.routes = FailureRoutes(
            PolicyInForce(self.policy), actions, self.storing, self.online, self.deliverer, self.state.overdue,
            self.clock,
        )  # fmt: skip

    def relay(self, contacts: Sequence[Binding], aor: str = BOB, relays: int = 0, data: bytes = b"") -> Fork:
        self.bind(*contacts)
        incoming = self.incoming(data or wire())
        incoming.relays = relays
        fork = self.forwarder.relay(incoming.transaction, target_set(contacts), BOB, None)
        assert isinstance(fork, Fork)
        route: FailureRoute = self.routes.of_message(incoming, aor)
        fork.failure_route = lambda: route
        fork.begin(self.clock.now())
        return fork

    def live(self, result: object) -> None:
        """Relay to one silent contact until fr_timer, and answer the store with `result`."""
        self.relay([binding()])
        self.pass_(10.5)
        self.writer.answer("add", result)
        self.writer.forget()


# --- the decision ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_stored"), [(486, True), (405, True), (415, True), (603, False), (403, False), (413, False)]
)
def test_the_decision_table_and_not_the_policy_alone_lets_a_message_be_stored(
    status: int, is_stored: bool
) -> None:
    room = ServingRoom()
    room.relay([binding()])
    room.reply(5061, status)
    assert room.policy.asked == [status]
    assert (len(room.writer.asked("add")) == 1) == is_stored
    assert room.finals() == ([] if is_stored else [status])


def test_break_gives_the_best_answer_to_the_sender() -> None:
    room = ServingRoom()
    room.policy.action = Break()
    room.relay([binding()])
    room.reply(5061, 486)
    assert (room.finals(), room.writer.asked("add")) == ([486], [])


def test_the_policy_may_relay_again_up_to_a_limit() -> None:
    for relays, finals in ((MAX_RELAYS - 1, []), (MAX_RELAYS, [486])):
        room = ServingRoom()
        room.policy.action = Relay(uri="sip:carol@example.test")
        room.relay([binding()], relays=relays)
        room.reply(5061, 486)
        assert (room.finals(), len(room.acted)) == (finals, 0 if finals else 1)


def test_store_with_a_uri_stores_for_the_mailbox_of_this_uri() -> None:
    room = ServingRoom()
    room.policy.action = Store(0, uri="sip:carol@example.test")
    room.relay([binding()])
    room.reply(5061, 486)
    assert [row.aor for (row,) in room.writer.asked("add")] == ["carol@example.test"]


def test_the_failure_route_of_a_call_gives_the_best_answer_after_break() -> None:
    room = ServingRoom()
    given: list[float] = []
    incoming: Incoming = room.incoming(invite())
    room.policy.action = Break()
    room.routes.call_failed(incoming, 486, given.append, 1.0)
    room.policy.action = Reply(603)
    room.routes.call_failed(incoming, 486, given.append, 2.0)
    room.policy.action = Relay()
    incoming.relays = MAX_RELAYS
    room.routes.call_failed(incoming, 486, given.append, 3.0)
    assert (given, room.acted) == ([1.0, 3.0], [Reply(603)])


# --- the row ---------------------------------------------------------------------------------------


def test_the_row_has_the_result_of_the_relay_as_its_first_attempt() -> None:
    room = ServingRoom()
    room.relay([binding()])
    room.reply(5061, 486)
    ((row,),) = room.writer.asked("add")
    assert (row.last_status, row.attempts, row.next_attempt_at) == (486, 1, room.clock.wall() + 60)
    room.writer.answer("add", Added(7))
    assert room.finals() == [202]
    assert room.retry_in() == 60.0


def test_answers_of_contacts_of_another_aor_say_nothing_about_the_recipient() -> None:
    room = ServingRoom()
    room.relay([binding()], aor="carol@example.test")
    room.reply(5061, 486)
    ((row,),) = room.writer.asked("add")
    assert (row.last_status, row.attempts, row.next_attempt_at) == (None, 0, None)
    room.writer.answer("add", Added(7))
    assert room.writer.names() == ["claim"], "the contact of Bob gets the row at once"


def test_a_branch_that_is_still_alive_occupies_the_contact() -> None:
    room = ServingRoom()
    room.live(Added(7))
    assert list(room.state.live.of(BOB)) == [(contact_key(binding()), 0)]


def test_a_late_2xx_ends_the_row_and_a_late_6xx_rejects_the_row() -> None:
    for status, job in ((200, "end"), (603, "reject")):
        room = ServingRoom()
        room.live(Added(7))
        room.reply(5061, status)
        assert [name for name in room.writer.names() if name in ("end", "reject")] == [job]
        assert len(room.state.live) == 0


def test_a_2xx_before_the_commit_ends_the_row_after_the_commit() -> None:
    for status, job in ((200, "end"), (603, "reject")):
        room = ServingRoom()
        room.relay([binding()])
        room.pass_(10.5)
        room.reply(5061, status)
        assert "end" not in room.writer.names()
        room.writer.answer("add", Added(7))
        assert job in room.writer.names()


def test_a_late_405_rules_the_contact_out_for_later_messages() -> None:
    room = ServingRoom()
    room.live(Added(7))
    assert room.state.usable.of(BOB) == [binding()]
    room.reply(5061, 405)
    assert room.state.usable.of(BOB) == []


def test_a_405_beside_a_2xx_rules_the_contact_out_as_well() -> None:
    room = ServingRoom()
    room.relay([binding(5061), binding(5062)])
    room.reply(5061, 405)
    room.reply(5062, 200)
    assert room.state.usable.of(BOB) == [binding(5062)]


def test_a_2xx_after_timer_f_ends_the_row() -> None:
    room = ServingRoom()
    ended: list[int] = []
    room.state.overdue.ended = lambda row, status, now: ended.append(status)
    room.layer.hear_strays(lambda response, flow, now: room.state.overdue.heard(response, now))
    room.live(Added(7))
    room.pass_(30.0)
    room.reply(5061, 200)
    assert ended == [200]


def test_a_2xx_after_timer_f_ends_a_row_that_was_committed_after_timer_f() -> None:
    room = ServingRoom()
    ended: list[int] = []
    room.state.overdue.ended = lambda row, status, now: ended.append(status)
    room.layer.hear_strays(lambda response, flow, now: room.state.overdue.heard(response, now))
    room.relay([binding()])
    room.pass_(40.0)
    room.writer.answer("add", Added(7))
    room.reply(5061, 200)
    assert ended == [200]


# --- a message that is refused -----------------------------------------------------------------------


def test_a_refusal_waits_for_the_live_branch_and_a_2xx_is_the_answer() -> None:
    room = ServingRoom()
    room.live(HOUR_FULL)
    assert room.finals() == []
    room.reply(5061, 200)
    assert room.finals() == [200]


def test_a_failure_of_the_last_live_branch_gives_the_refusal_to_the_sender() -> None:
    room = ServingRoom()
    room.live(HOUR_FULL)
    room.reply(5061, 486)
    assert room.finals() == [480]


def test_a_late_6xx_is_the_answer_in_place_of_the_refusal() -> None:
    room = ServingRoom()
    room.live(HOUR_FULL)
    room.reply(5061, 603)
    assert room.finals() == [603]


def test_a_refusal_without_a_live_branch_is_given_at_once() -> None:
    room = ServingRoom()
    room.relay([binding()])
    room.reply(5061, 486)
    room.writer.answer("add", HOUR_FULL)
    assert room.finals() == [480]


def test_a_refusal_before_the_store_waits_for_the_live_branch_as_well() -> None:
    room = ServingRoom()
    room.policy.action = Store(0, uri="sip:carol@other.example")
    room.relay([binding()])
    room.pass_(10.5)
    assert room.finals() == []
    room.reply(5061, 486)
    assert room.finals() == [404]


def test_a_refusal_before_the_store_without_a_live_branch_is_given_at_once() -> None:
    room = ServingRoom()
    room.policy.action = Store(0, uri="sip:carol@other.example")
    room.relay([binding()])
    room.reply(5061, 486)
    assert room.finals() == [404]
