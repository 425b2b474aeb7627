"""Defects of the msilo family in delivering: repeated, stuck, blocked, stored again, out of order (W1 to W4, W7,
W10, W11, W18). Each test has the name of the defect, and shows that the defect cannot happen.
"""

import sqlite3

import pytest
import trio

from msilod.store.engine.sqlite.engine import SqliteEngine
from msilod.store.writer.contract import InlineWriter
from tests.network.phone import SILENT, TAKES, Phone
from tests.network.virtual import virtual
from tests.network.world import World


def bodies(phone: Phone) -> list[bytes]:
    return [request.body for request in phone.got]


@virtual()
async def test_w01_a_row_is_gone_with_the_2xx_and_not_at_the_next_tick(world: World) -> None:
    """msilo deletes up to check_time later; a restart in between sends again."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    await trio.sleep(1)
    bob.boot()
    await trio.sleep(0.2)
    assert len(bob.got) == 1
    assert world.rows() == {}, "long before the first tick of anything"
    await world.restart()
    bob.boot()
    await trio.sleep(5)
    assert len(bob.got) == 1


@pytest.mark.interpreted
@virtual(errors=["a row's end could not be committed"])
async def test_w01_an_end_that_cannot_be_committed_is_asked_for_again_and_nothing_is_sent_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """msilo logs a failed delete and sends the message again at the next REGISTER."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    await trio.sleep(1)

    def fails(db: object, jobs: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        writer = world.silo.writer
        assert isinstance(writer, InlineWriter)
        engine = writer.transactions.engine
        assert isinstance(engine, SqliteEngine)
        patch.setattr(engine.statements, "end", fails)
        bob.boot()
        await trio.sleep(0.5)
        bob.register()
        await trio.sleep(0.2)
        assert len(world.rows()) == 1
    await trio.sleep(5)
    assert world.rows() == {}
    assert len(bob.got) == 1


@pytest.mark.parametrize(
    "contact", ["sip:bob@phone.invalid;transport=tcp", "sip:bob@198.51.100.99:5060;transport=tcp"]
)
@virtual()
async def test_w02_a_contact_that_cannot_be_reached_leaves_nothing_stuck(world: World, contact: str) -> None:
    """msilo ignores a failed t_request, and the id stays marked as sent until the process ends."""
    alice, bob = world.phone("alice"), world.phone("bob", stream=True)
    alice.switch_on()
    bob.switch_on()
    alice.text("bob")
    await trio.sleep(1)
    bob.answers = SILENT
    bob.register_line(f"Contact: <{contact}>\r\nExpires: 600\r\n")
    await trio.sleep(0.5)
    bob.wire.hang_up()
    await trio.sleep(10)
    assert [state for state, _ in world.rows().values()] == ["waiting"]
    bob.answers = TAKES
    bob.boot()
    await trio.sleep(1)
    assert world.rows() == {}


@virtual()
async def test_w03_a_large_head_blocks_nobody(world: World) -> None:
    """msilo gives up the whole dump at a header block of 1024 bytes or more."""
    alice, bob = world.phone("alice", stream=True), world.phone("bob", stream=True)
    alice.switch_on()
    padding = "".join(f"X-Padding-{number}: {'p' * 200}\r\n" for number in range(20))
    alice.message("bob", b"poison", extra=padding)
    alice.message("bob", b"after it")
    await trio.sleep(1)
    bob.boot()
    await trio.sleep(1)
    assert sorted(bodies(bob)) == [b"after it", b"poison"]
    poison = next(request for request in bob.got if request.body == b"poison")
    assert all(poison.headers.get(b"x-padding-%d" % number) == b"p" * 200 for number in range(20))


@virtual()
async def test_w04_every_size_of_a_head_comes_out_as_it_went_in(world: World) -> None:
    """msilo does not count the Date line: a buffer overrun at 962 to 997 bytes of stored headers."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    sizes = range(930, 1030)
    for size in sizes:
        alice.message("bob", b"%d" % size, extra=f"X-Pad: {'x' * (size - 9)}\r\n")
        await trio.sleep(0.05)
    bob.boot()
    await trio.sleep(20)
    assert [(int(request.body), len(request.headers.get(b"x-pad") or b"") + 9) for request in bob.got] == [
        (size, size) for size in sizes
    ]


@virtual()
async def test_w07_a_delivery_that_fails_is_no_new_message(world: World) -> None:
    """A failed delivery of msilo runs into the failure_route: a new row, a new life, a new Date."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    await trio.sleep(1)
    before = [world.column(name) for name in ("id", "received_at", "expires_at", "headers", "body")]
    bob.answers = ((0.05, 480),)
    for _ in range(5):
        bob.boot()
        await trio.sleep(90)
    assert [world.column(name) for name in ("id", "received_at", "expires_at", "headers", "body")] == before
    assert world.parts.counters.stored_messages == 1
    bob.answers = TAKES
    bob.boot()
    await trio.sleep(1)
    assert len({request.headers.get(b"date") for request in bob.got}) == 1


@virtual()
async def test_w07_a_contact_that_is_the_daemon_itself_stores_nothing_again(world: World) -> None:
    """The loop through a binding: a delivery from the daemon to the daemon is not stored."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.switch_on()
    alice.text("bob")
    await trio.sleep(1)
    bob.register_line("Contact: <sip:bob@192.0.2.1:5060>\r\nExpires: 600\r\n")
    await trio.sleep(120)
    assert world.parts.counters.stored_messages == 1
    assert len(world.column("id")) == 1


@virtual()
async def test_w10_messages_come_in_their_order_one_at_a_time(world: World) -> None:
    """msilo sends all messages at once over UDP. With one in flight a network cannot reorder messages."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(30):
        alice.message("bob", b"%d" % number)
        await trio.sleep(0.1)
    world.wires.weather.delay = (0.001, 0.4)
    bob.boot()
    await trio.sleep(60)
    assert bodies(bob) == [b"%d" % number for number in range(30)]


@virtual()
async def test_w11_a_storm_of_registers_repeats_nothing(world: World) -> None:
    """msilo selects rows before checking the list of sent ids, so each of many REGISTERs may send the rows again."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(10):
        alice.message("bob", b"%d" % number)
        await trio.sleep(0.1)
    bob.boot()
    for _ in range(200):
        await trio.sleep(0.005)
        bob.register()
    await trio.sleep(10)
    assert bodies(bob) == [b"%d" % number for number in range(10)]


@pytest.mark.parametrize("status", [403, 603])
@virtual()
async def test_w18_a_refusal_is_the_end_and_not_tried_at_each_register(world: World, status: int) -> None:
    """msilo treats all failures alike: a message with a 603 is sent again at each REGISTER until expiry."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob", name=b"refused")
    alice.text("bob", name=b"welcome")
    await trio.sleep(1)
    bob.answers = ((0.05, status),)
    bob.boot()
    await trio.sleep(1)
    bob.answers = TAKES
    for _ in range(5):
        bob.boot()
        await trio.sleep(100)
    assert len(bob.got) == 2, "each was refused once"
    assert {state for state, _ in world.rows().values()} == {"rejected"}


@virtual()
async def test_w18_a_type_that_a_phone_does_not_take_is_not_offered_to_it_again(world: World) -> None:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob", name=b"strange")
    await trio.sleep(1)
    bob.answers = ((0.05, 415),)
    for _ in range(4):
        bob.boot()
        await trio.sleep(100)
    assert bodies(bob) == [b"strange"]
    assert world.rows() == {b"strange": ("rejected", "415Unsupported Media Type")}


@virtual(silo={"attempts": 2})
async def test_w18_silence_is_no_refusal(world: World) -> None:
    """A phone out of reach is tried again without a limit of attempts."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob", name=b"patient")
    await trio.sleep(1)
    bob.answers = SILENT
    bob.expires = 600
    bob.boot()
    await trio.sleep(2000)
    assert len(bob.got) > 2
    assert world.rows() == {b"patient": ("waiting", "408no answer")}
