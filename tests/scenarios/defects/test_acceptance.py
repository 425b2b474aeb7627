"""The acceptance tests for msilo's defects, a01 to a15, on the whole daemon."""

import itertools

import pytest
import trio

from msilod.sip.message import Request
from tests.network.phone import TAKES, Phone
from tests.network.virtual import virtual
from tests.network.wires import Weather
from tests.network.world import World
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone as RealPhone


def bodies(phone: Phone) -> list[bytes]:
    return [request.body for request in phone.got]


async def stored(world: World, count: int) -> tuple[Phone, Phone]:
    """Store `count` messages from Alice to Bob, without a binding of Bob."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(count):
        alice.text("bob", name=b"%d" % number)
        await trio.sleep(0.05)
    await trio.sleep(1)
    return alice, bob


@pytest.mark.parametrize("how", ["before answers", "now"])
@virtual()
async def test_a01_a_kill_after_the_202_loses_nothing(world: World, how: str) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    world.crash_in = "" if how == "now" else how
    alice.text("bob")
    await trio.sleep(0.1)
    await world.restart()
    await trio.sleep(10)
    assert len(world.rows()) == 1, "the sender's copy is no second message"
    assert [message.statuses for message in world.ledger.messages.values()] == [[202]]
    bob.boot()
    await trio.sleep(1)
    assert len(bob.got) == 1


@virtual()
async def test_a02_a_kill_before_the_commit_of_an_end_repeats_one_and_it_can_be_known(world: World) -> None:
    _, bob = await stored(world, 3)
    bob.boot()
    await trio.sleep(0.02)
    world.crash_in = "before commit"
    await trio.sleep(0.5)
    assert not world.is_up
    await world.restart()
    bob.boot()
    await trio.sleep(5)
    assert bodies(bob) == [b"0", b"0", b"1", b"2"]
    first, again = bob.got[:2]
    for name in (b"call-id", b"cseq", b"from", b"date"):
        assert first.headers.get(name) == again.headers.get(name), name


@virtual()
async def test_a03_a_hundred_messages_one_register_in_order_and_no_repeat_on_a_refresh(world: World) -> None:
    _, bob = await stored(world, 100)
    bob.boot()
    await trio.sleep(10)
    assert bodies(bob) == [b"%d" % number for number in range(100)]
    assert world.rows() == {}
    bob.register()
    await trio.sleep(10)
    assert len(bob.got) == 100


@virtual()
async def test_a04_a_contact_that_refused_connections_gets_all_of_it_when_it_is_back(world: World) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.boot()
    await trio.sleep(1)
    bob.die()
    alice.text("bob", name=b"0")
    alice.text("bob", name=b"1")
    await trio.sleep(400)
    assert len(world.rows()) == 2
    bob.boot()
    await trio.sleep(1)
    assert sorted(bodies(bob)) == [b"0", b"1"]


@virtual()
async def test_a05_anything_comes_out_as_it_went_in_and_blocks_nothing(world: World) -> None:
    alice, bob = world.phone("alice", stream=True), world.phone("bob", stream=True)
    alice.switch_on()
    heads = "".join(f"X-{number}: {'v' * 100}\r\n" for number in range(10))
    sent = [
        (b"heads", "text/plain", heads), (b"x" * 65_536, "application/octet-stream", ""),
        (b"a\0b\0", "text/plain", ""), ("ü".encode("utf-16"), 'text/plain; charset="UTF-16"', ""),
        (b"From: <im:a@b>\r\n\r\nContent-Type: text/plain\r\n\r\n\x00", "message/cpim", ""), (b"", "text/plain", ""),
    ]  # fmt: skip
    for body, content_type, extra in sent:
        asked = alice.message("bob", body, content_type, extra)
        await trio.sleep(1)
        assert asked.status == 202
    bob.boot()
    await trio.sleep(5)
    got = [(request.body, (request.headers.get(b"content-type") or b"").decode()) for request in bob.got]
    assert got == [(body, content_type) for body, content_type, _ in sent]
    assert all(bob.got[0].headers.get(b"x-%d" % number) == b"v" * 100 for number in range(10))


@virtual()
async def test_a06_a_type_that_is_not_taken_keeps_no_other_message(world: World) -> None:
    _, bob = await stored(world, 3)
    bob.answers = ((0.05, 415),)
    bob.boot()
    await trio.sleep(0.08)
    bob.answers = TAKES
    await trio.sleep(5)
    assert bodies(bob) == [b"0", b"1", b"2"]
    assert [state for state, _ in world.rows().values()] == ["rejected"]


@virtual(silo={"registrar": "sip:silo@example.test"})
async def test_a07_a_room_that_repeats_everything_is_bounded(world: World) -> None:
    """Kamailio #61: a room sends all received texts, notices included, to offline members."""
    alice, room = world.phone("alice"), world.phone("room")
    alice.switch_on()
    room.boot()
    await trio.sleep(1)
    alice.message("room", b"hello all")
    heard = 0
    for _ in range(100):
        await trio.sleep(1)
        for request in room.got[heard:]:
            for member in range(5):
                room.message(f"member{member}", request.body)
        heard = len(room.got)
    assert heard <= 1 + 5
    assert len(world.column("id")) <= 5 * (1 + 5)


@pytest.mark.parametrize(
    "lines",
    [
        "Contact: <sip:bob@198.51.100.2:5060>;expires=0\r\n",
        "Contact: <sip:bob@198.51.100.2:5060>\r\nExpires: 0\r\n",
        "Contact: *\r\nExpires: 0\r\n",
    ],
)
@virtual()
async def test_a08_an_unregister_dumps_nothing(world: World, lines: str) -> None:
    _, bob = await stored(world, 2)
    bob.switch_on()
    asked = bob.register_line(lines)
    await trio.sleep(30)
    assert asked.status == 200
    assert bob.got == []
    assert len(world.rows()) == 2


@virtual()
async def test_a09_two_registers_at_once_repeat_nothing(world: World) -> None:
    """One phone that comes by TCP and by UDP in the same instant; each of the two gets a message once."""
    await stored(world, 20)
    by_stream, by_datagram = world.phone("bob", stream=True), world.phone("bob")
    by_stream.boot()
    by_datagram.boot()
    await trio.sleep(30)
    assert world.rows() == {}
    for phone in (by_stream, by_datagram):
        assert len(set(bodies(phone))) == len(phone.got)
    assert set(bodies(by_stream)) | set(bodies(by_datagram)) == {b"%d" % number for number in range(20)}


@virtual(silo={"clean_period": 1000})
async def test_a10_what_has_expired_is_not_delivered_though_the_sweep_is_late(world: World) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.message("bob", b"stale", extra="Expires: 20\r\n")
    alice.message("bob", b"fresh")
    await trio.sleep(30)
    assert len(world.rows()) == 2, "the sweep has not come"
    bob.boot()
    await trio.sleep(5)
    assert bodies(bob) == [b"fresh"]
    assert world.rows() == {}


@virtual()
async def test_a11_a_host_in_capitals_is_the_same_host(world: World) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for host in ("EXAMPLE.TEST", "example.test", "Example.Test"):
        alice.message("bob", host.encode(), uri=f"sip:bob@{host}")
        await trio.sleep(0.1)
    bob.boot()
    await trio.sleep(1)
    assert len(bob.got) == 3


@virtual(silo={"max_messages": 10})
async def test_a12_a_race_for_the_last_places_gives_no_more_than_there_are(world: World) -> None:
    senders = [world.phone(f"sender{number}") for number in range(40)]
    for sender in senders:
        sender.switch_on()
    asked = [sender.message("bob") for sender in senders]
    await trio.sleep(5)
    statuses = sorted(one.status for one in asked)
    assert statuses == [202] * 10 + [480] * 30
    assert len(world.column("id")) == 10


def test_a13_a_message_on_the_wire_is_not_purged_and_that_is_told(daemon: Daemon) -> None:
    with RealPhone("alice", daemon.address) as alice, RealPhone("bob", daemon.address) as bob:
        for text in ("0", "1", "2"):
            assert alice.text("bob", text).status == 202
        bob.register()
        on_the_wire = bob.request()
        done = daemon.msilo("purge", "bob@example.test", "--yes")
        assert "on the wire" in done.stderr or "being sent" in done.stderr, done.stderr
        assert [row["state"] for row in daemon.rows()] == ["sending"]
        bob.answer(on_the_wire)
        assert {message.call_id for message in until_silent(bob)} <= {on_the_wire.call_id}
    assert daemon.rows() == []


def until_silent(phone: RealPhone) -> list[Request]:
    """All further requests: copies of a request answered late."""
    heard: list[Request] = []
    while True:
        try:
            message = phone.receive(0.3)
        except TimeoutError:
            return heard
        assert isinstance(message, Request)
        heard.append(message)


def test_a14_what_is_imported_twice_is_there_once(daemon: Daemon) -> None:
    with RealPhone("alice", daemon.address) as alice:
        for text in ("0", "1", "2"):
            assert alice.text("bob", text).status == 202
    exported = daemon.msilo("export")
    assert exported.returncode == 0, exported.stderr
    daemon.stop()
    for file in daemon.folder.glob("silo.db*"):
        file.unlink()
    daemon.start()
    for _ in range(2):
        daemon.msilo("import", "-", stdin=exported.stdout)
        assert len(daemon.rows()) == 3
    daemon.kill()
    daemon.start()
    daemon.msilo("import", "-", stdin=exported.stdout)
    with RealPhone("bob", daemon.address) as bob:
        bob.register()
        assert [bob.take().body for _ in range(3)] == [b"0", b"1", b"2"]
        assert bob.is_silent()


@virtual()
async def test_a15_a_delivery_that_fails_changes_neither_arrival_nor_expiry(world: World) -> None:
    _, bob = await stored(world, 1)
    before = world.column("received_at") + world.column("expires_at")
    for answers in (((0.05, 480),), (), ((0.05, 500),)):
        bob.answers = answers
        bob.boot()
        await trio.sleep(100)
        assert world.column("received_at") + world.column("expires_at") == before


@virtual()
async def test_law_4_holds_for_the_hundred_under_bad_weather(world: World) -> None:
    """a03 again, where a third of the datagrams is lost and one in ten doubled."""
    _, bob = await stored(world, 30)
    world.wires.weather = Weather(loss=0.3, copies=0.1, stray=0.2)
    bob.boot()
    await trio.sleep(600)
    first = list(dict.fromkeys(bodies(bob)))
    assert first == [b"%d" % number for number in range(30)]
    pairs = itertools.pairwise(
        served.at for served in bob.served.values() if served.request.method == b"MESSAGE"
    )
    assert all(earlier < later for earlier, later in pairs)
