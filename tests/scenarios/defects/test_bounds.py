"""Defects of the msilo family in loops, limits, timing and telling (W8, W9, W12, W19 to W22)."""

import sqlite3

import pytest
import trio

from tests.network.phone import Phone
from tests.network.virtual import virtual
from tests.network.world import World
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone as RealPhone

COMPOSING = '<?xml version="1.0"?><isComposing/>'
SILO = "sip:silo@example.test"


def notices(phone: Phone) -> int:
    return sum(b"is offline" in request.body for request in phone.got)


@virtual(silo={"registrar": SILO})
async def test_w08_two_who_are_answered_for_do_not_keep_each_other_busy(world: World) -> None:
    """Kamailio #61: a notice is stored, which makes a notice, which is stored: thousands of MESSAGEs."""
    alice = world.phone("alice")
    alice.boot()
    for _ in range(50):
        alice.message("bob")
        await trio.sleep(0.1)
    await trio.sleep(60)
    assert notices(alice) == 1
    assert len(world.rows()) <= 50
    assert all(body == b"hello" for body in world.column("body")), "no notice was stored"


@virtual(silo={"registrar": SILO})
async def test_w08_a_notice_to_who_is_away_is_not_kept(world: World) -> None:
    alice = world.phone("alice")
    alice.switch_on()
    alice.message("bob")
    await trio.sleep(60)
    assert world.column("body") == [b"hello"]
    assert world.parts.counters.notices == 0


@virtual(silo={"due_header": "X-Due", "expire_time": 259_200})
async def test_w09_what_is_due_after_the_longest_life_is_delivered_all_the_same(world: World) -> None:
    """In msilo a reminder more than three days ahead is deleted before the time of sending."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    asked = alice.message("bob", b"in ten days", extra="X-Due: 2026-12-04T10:00:00Z\r\n")
    await trio.sleep(1)
    assert asked.status == 202
    due, expires = world.column("due_at")[0], world.column("expires_at")[0]
    assert expires == due + 259_200, "its life is counted from then"
    world.clock.jump(due - world.clock.wall() - 60)
    bob.boot()
    await trio.sleep(50)
    assert bob.got == []
    await trio.sleep(60)
    assert [request.body for request in bob.got] == [b"in ten days"]
    assert bob.got[0].from_.uri == b"sip:alice@example.test", "from who wrote it, not from the server"


def test_w12_a_database_that_waits_does_not_stop_sip(daemon: Daemon) -> None:
    """msilo runs SELECT and INSERT in the SIP workers, so a stall of the database stops all SIP."""
    with RealPhone("alice", daemon.address) as alice, RealPhone("bob", daemon.address) as bob:
        bob.register()
        other = sqlite3.connect(daemon.silo, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sent = alice.message("carol", "waits")
        alice.send(sent)
        bob.send(bob.registration())
        assert bob.response().status == 200, "a refresh"
        alice.send(alice.message("bob", "relayed"))
        assert bob.take().body == b"relayed"
        assert alice.response().status == 200
        assert alice.is_silent(), "nothing is answered while a commit is under way"
        other.execute("COMMIT")
        assert alice.response().status == 202
        other.close()
    assert len(daemon.rows()) == 1


@virtual(silo={"max_messages": 2})
async def test_w19_a_full_mailbox_is_told_to_the_sender(world: World) -> None:
    """Only a line in the log."""
    alice = world.phone("alice")
    alice.switch_on()
    asked = [alice.message("bob", b"%d" % number) for number in range(3)]
    await trio.sleep(1)
    assert sorted(one.status for one in asked) == [202, 202, 480]


@virtual()
async def test_w19_a_refusal_stays_with_its_reason(world: World) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob", name=b"unwanted")
    await trio.sleep(1)
    bob.answers = ((0.05, 603),)
    bob.boot()
    await trio.sleep(1)
    assert world.rows() == {b"unwanted": ("rejected", "603Decline")}


@virtual()
async def test_w19_an_expiry_is_counted_and_the_row_is_gone(world: World) -> None:
    alice = world.phone("alice")
    alice.switch_on()
    alice.message("bob", extra="Expires: 10\r\n")
    await trio.sleep(400)
    assert world.rows() == {}
    assert world.parts.counters.expired_messages == 1


@pytest.mark.parametrize("uri", ["sip:bob@elsewhere.test", "sip:bob@203.0.113.9", "sip:elsewhere.test"])
@virtual()
async def test_w20_nothing_is_kept_for_those_we_do_not_serve(world: World, uri: str) -> None:
    """In msilo any user name accepted by the configuration can fill the disk."""
    alice = world.phone("alice")
    alice.switch_on()
    asked = alice.message("bob", uri=uri, to="sip:bob@elsewhere.test")
    await trio.sleep(1)
    assert asked.status in (403, 404)
    assert world.rows() == {}


@virtual(silo={"max_bytes": 10_000, "max_messages": 1000})
async def test_w20_what_one_mailbox_may_hold_is_bounded(world: World) -> None:
    alice = world.phone("alice")
    alice.switch_on()
    for number in range(30):
        alice.message("bob", b"%d" % number * 600)
        await trio.sleep(0.1)
    assert sum(len(body) for body in world.column("body")) <= 10_000


@virtual()
async def test_w21_is_composing_is_not_kept(world: World) -> None:
    """A stale "is typing" at the next login."""
    alice = world.phone("alice")
    alice.switch_on()
    asked = alice.message("bob", COMPOSING.encode(), "application/im-iscomposing+xml")
    await trio.sleep(1)
    assert asked.status == 480
    assert world.rows() == {}


@virtual()
async def test_w22_the_counters_count_what_they_are_called(world: World) -> None:
    """dumped_messages and dumped_reminders are swapped."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(3):
        alice.text("bob", name=b"%d" % number)
        await trio.sleep(0.1)
    counters = world.parts.counters
    assert (counters.stored_messages, counters.dumped_messages) == (3, 0)
    bob.answers = ((0.05, 480),)
    bob.boot()
    await trio.sleep(1)
    assert (counters.failed_messages, counters.dumped_messages) == (1, 0)
    bob.answers = ((0.05, 200),)
    bob.boot()
    await trio.sleep(1)
    assert (counters.stored_messages, counters.dumped_messages, counters.rejected_messages) == (3, 3, 0)
