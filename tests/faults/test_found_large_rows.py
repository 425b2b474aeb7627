"""A message too large for the path to a phone does not delay the messages behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from msilod.silo.runs.run_contacts import LARGE
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from tests.network.desk import Desk
from tests.network.phone import SILENT, TAKES
from tests.network.world import World, play
from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line
from tests.scenarios.phone import PATIENCE, Phone
from tests.silo.fake_daemon import A, FakeDaemon, binding, row


class Unhurried(Phone):
    """A phone that a busy machine does not confuse: it passes over copies of what it has answered."""

    def receive(self, patience: float = PATIENCE) -> Request | Response:
        while True:
            message = super().receive(patience)
            if isinstance(message, Response) or message.via.branch not in self.answered:
                return message


class UnhurriedLine(Line):
    """It passes over provisional answers."""

    def receive(self, patience: float = PATIENCE) -> Request | Response:
        while True:
            message = super().receive(patience)
            if isinstance(message, Request) or message.status >= 200:
                return message


def test_what_is_no_datagram_comes_last_and_stays(start_daemon: Callable[..., Daemon]) -> None:
    """65,536 octets fit on Alice's connection and in the silo, but in no datagram to Bob's phone, which has no TCP."""
    daemon = start_daemon()
    for name in ("alice", "bob"):
        add_user(daemon, name)
    with UnhurriedLine("alice", "tcp", daemon.address) as line, Unhurried("bob", daemon.address) as phone:
        alice, bob = Account(line, "secret"), Account(phone, "secret")
        for text in ("one", "b" * 65_536, "two", "three"):
            assert alice.text("bob", text).status == 202
        assert bob.register().status == 200
        assert [phone.take().body for _ in range(3)] == [b"one", b"two", b"three"]
        # Before and after the next try of the large message.
        assert bob.register().status == 200
        assert alice.text("bob", "b" * 65_536).status == 202
        line.send(
            line.message("bob", "four", alice.field("MESSAGE", "sip:bob@example.test", "Proxy-Authorization"))
        )
        assert phone.take().body == b"four"
        assert line.response().status in (200, 202)
        assert [len(one["body"]) for one in daemon.rows() if len(one["body"]) > 9] == [65_536] * 2


def test_new_mail_does_not_wait_for_the_next_try_of_a_large_one(tmp_path: Path) -> None:
    """The back-off is that of the large one: it says nothing of shorter ones (operator 10 is about those)."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.boot()
        await trio.sleep(1)
        alice.message("bob", b"x" * 2 * LARGE)
        await trio.sleep(1)
        bob.answers = SILENT
        bob.boot()
        await trio.sleep(40)
        assert world.parts.deliverer.runs == {}
        assert len(world.rows()) == 1
        bob.answers = TAKES
        Desk(world).inject("bob@example.test", b"short", 3600, 0)
        await trio.sleep(2)
        assert [len(request.body) for request in bob.got][:2] == [2 * LARGE, 5]

    play(tmp_path, story)


def large(id: int, size: int = LARGE) -> StoredMessage:
    made = row(id)
    made.size = size
    return made


def begun(*rows: StoredMessage) -> FakeDaemon:
    """A run with claimed rows."""
    daemon = FakeDaemon()
    daemon.store(*rows)
    daemon.offer(A)
    daemon.claim()
    daemon.take_log()
    return daemon


def test_after_a_large_one_that_got_no_answer_the_short_ones_come_first() -> None:
    daemon = begun(large(1), large(2), row(3), row(4))
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log() == ["send 3 a"]
    for _ in range(2):
        daemon.answer(daemon.on_wire("a"), 200)
        daemon.commit()
    assert daemon.take_log() == ["settle 3 delivered", "send 4 a", "settle 4 delivered", "send 2 a"]
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log() == ["postpone 1,2 +60 408", "finished +60"]
    # The next run knows.
    daemon.wall += 60
    daemon.store(row(5))
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 5 a"]


def test_a_phone_that_answers_no_short_one_either_is_off_and_the_order_stays() -> None:
    daemon = begun(large(1), row(2))
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log() == ["send 2 a"]
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log() == ["postpone 1,2 +60 408", "finished +60"]
    daemon.wall += 60
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_a_large_one_alone_backs_off_as_any_other() -> None:
    daemon = begun(large(1))
    for pause in (60, 300, 900):
        daemon.fail(daemon.on_wire("a"))
        assert daemon.take_log() == [
            f"postpone 1 +{daemon.wall + pause - row(1).received_at:g} 408",
            f"finished +{daemon.wall + pause - row(1).received_at:g}",
        ]
        daemon.wall += pause
        daemon.offer(A)
        daemon.claim()
        assert daemon.take_log() == ["claim 64", "send 1 a"]


@pytest.mark.parametrize("is_told", [True, False])
def test_when_one_has_arrived_or_the_phone_has_started_again_the_order_is_the_old_one(is_told: bool) -> None:
    daemon = begun(large(1), large(2), row(3))
    daemon.fail(daemon.on_wire("a"))
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    if is_told:
        daemon.answer(daemon.on_wire("a"), 200)
        daemon.commit()
    else:
        daemon.fail(daemon.on_wire("a"))
    daemon.wall += 60
    daemon.store(row(4))
    daemon.offer(A if is_told else binding("a", 5061, call_id="another"))
    daemon.claim()
    assert daemon.take_log()[-1] == "send 1 a"


def test_a_hand_full_of_large_ones_lets_the_short_ones_behind_it_through() -> None:
    daemon = begun(*[large(id) for id in range(1, 101)], row(101))
    daemon.fail(daemon.on_wire("a"))
    while daemon.claims:
        daemon.claim()
    sent = [entry for entry in daemon.take_log() if entry.startswith("send")]
    assert sent == ["send 101 a"]


def test_on_a_connection_the_size_is_no_cause() -> None:
    daemon = FakeDaemon()
    daemon.store(large(1), row(2))
    assert A.flow is not None
    stream = binding("a", 5061)
    stream.flow = Flow(A.flow.endpoint, A.flow.host, A.flow.port, 7)
    daemon.offer(stream)
    daemon.claim()
    daemon.take_log()
    daemon.fail(daemon.on_wire("a"), "transport")
    assert daemon.take_log()[-1].startswith("finished")
