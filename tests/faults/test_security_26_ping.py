"""Security 26: phones behind NAT without keep-alives are pinged, and a phone without answers counts as away."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import trio

from msilod.config import Config, RegistrarConfig
from msilod.sip.message import Request
from tests.agent.transactions import Served
from tests.faults.registering import Registrations
from tests.network.phone import Phone
from tests.network.world import World, configured, play

PERIOD = 25


class Natted(Phone):
    """A phone unaware of a NAT: Contact and Via have a private address."""

    @property
    def place(self) -> str:
        return "10.0.0.5:5060"


def natted(world: World, user: str) -> Natted:
    """A phone on an own address. `boot` registers for an hour."""
    plain = world.phone(user)
    made = Natted(world.wires, world.ledger, user, plain.address, plain.wire.server)
    made.expires = 3600
    world.phones[-1] = made
    return made


def pings(phone: Phone) -> list[Served]:
    return [served for served in phone.served.values() if served.request.method == b"OPTIONS"]


def told(world: World, user: str) -> list[dict[str, object]]:
    """The bindings of a user, as for `msilo bindings`."""
    verbs = world.verbs()
    return next(verbs.bindings({"aors": [f"{user}@example.test"]}).pieces, [])


def close_nat(world: World, phone: Phone) -> None:
    world.wires.cut.add(phone.address[0])


def open_nat(world: World, phone: Phone) -> None:
    world.wires.cut.discard(phone.address[0])


async def until_away(world: World, phone: Phone) -> None:
    """Answer a ping, then leave three pings unanswered."""
    phone.boot()
    await trio.sleep(2 * PERIOD + 1)
    assert pings(phone)
    close_nat(world, phone)
    await trio.sleep(4 * PERIOD + 1)
    assert any(binding["away"] for binding in told(world, phone.user))


def test_a_phone_behind_nat_is_pinged_every_25_seconds(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = natted(world, "bob")
        bob.boot()
        await trio.sleep(10 * PERIOD)
        times = [served.at for served in pings(bob)]
        assert 9 <= len(times) <= 10
        assert all(abs(later - earlier - PERIOD) < 1 for earlier, later in pairwise(times))
        request = pings(bob)[0].request
        assert request.uri == b"sip:bob@10.0.0.5:5060"
        assert request.headers.get(b"to") == b"<sip:bob@10.0.0.5:5060>"
        assert (request.headers.get(b"from") or b"").startswith(b"<sip:example.test>;tag=")
        assert request.cseq < pings(bob)[1].request.cseq
        assert request.call_id == pings(bob)[1].request.call_id
        (binding,) = told(world, "bob")
        assert not binding["away"]
        assert world.clock.wall() - float(str(binding["heard_at"])) < PERIOD + 1
        assert world.parts.layer.open_transactions == 0

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("contact", "via", "lines", "is_pinged"),
    [
        ("sip:bob@10.0.0.5:5060", "SIP/2.0/UDP 10.0.0.5:5060;rport", "", True),
        ("sip:bob@phone.invalid", "SIP/2.0/UDP phone.invalid;rport", "", True),
        ("sip:bob@{host}:{port}", "SIP/2.0/UDP 10.0.0.5:5060;rport", "", True),
        ("sip:bob@{host}:{port}", "SIP/2.0/UDP {host}:{port};rport", "", False),
        ("sip:bob@10.0.0.5:5060", "SIP/2.0/UDP 10.0.0.5:5060;rport;keep", "", False),
        ("sip:bob@10.0.0.5:5060", "SIP/2.0/UDP 10.0.0.5:5060;rport", "Path: <sip:192.0.2.77;lr>\r\n", False),
        ("sip:bob@203.0.113.5:5060", "SIP/2.0/UDP {host}:{port};rport", "", True),
        ("sip:bob@1.1.1.1:5060", "SIP/2.0/UDP {host}:{port};rport", "", False),
        (
            'sip:bob@10.0.0.5:5060>;reg-id=1;+sip.instance="<urn:uuid:1>"',
            "SIP/2.0/UDP 10.0.0.5:5060;rport",
            "Supported: outbound\r\n",
            False,
        ),
        (
            'sip:bob@10.0.0.5:5060>;reg-id=1;+sip.instance="<urn:uuid:1>"',
            "SIP/2.0/UDP 10.0.0.5:5060;rport",
            "",
            True,
        ),
    ],
)
def test_only_who_is_reached_by_the_source_and_promises_no_keep_alives_is_pinged(
    tmp_path: Path, contact: str, via: str, lines: str, is_pinged: bool
) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        registrations = Registrations(bob)
        host, port = bob.address
        bob.head = partial(_head_with, bob, via.format(host=host, port=port))  # type: ignore
        uri = contact.format(host=host, port=port)
        closed = uri if ">" in uri else f"{uri}>"
        assert (await registrations.send(f"Contact: <{closed}\r\n{lines}Expires: 300\r\n")).status == 200
        await trio.sleep(2 * PERIOD)
        assert bool(pings(bob)) is is_pinged

    play(tmp_path, story)


def _head_with(phone: Phone, via: str, *words: object) -> str:
    head = Phone.head(phone, *words)  # type: ignore
    first, _, rest = head.partition("Via: ")
    branch = rest.partition(";branch=")[2].partition("\r\n")[0]
    return f"{first}Via: {via};branch={branch}\r\n{rest.partition(chr(10))[2]}"


def test_a_stream_is_not_pinged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob", stream=True)
        await Registrations(bob).send("Contact: <sip:bob@10.0.0.5;transport=tcp>\r\nExpires: 300\r\n")
        await trio.sleep(2 * PERIOD)
        assert pings(bob) == []

    play(tmp_path, story)


def test_a_message_for_who_is_away_is_kept_at_once_and_delivered_when_the_next_ping_is_answered(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        await until_away(world, bob)
        began = world.wires.now
        asked = alice.text("bob", name=b"kept")
        await trio.sleep(0.5)
        assert asked.status == 202, "at once, not after fr_timer"
        assert world.wires.now - began < 1
        assert world.rows() == {b"kept": ("waiting", "")}, "no attempt was made"
        await trio.sleep(2 * PERIOD)
        assert bob.got == []
        open_nat(world, bob)
        await trio.sleep(PERIOD + 1)
        assert [request.body for request in bob.got] == [b"kept"]
        assert world.rows() == {}
        assert not told(world, "bob")[0]["away"]
        assert alice.text("bob", name=b"relayed").status == 0
        await trio.sleep(1)
        assert [request.body for request in bob.got] == [b"kept", b"relayed"]

    play(tmp_path, story)


def test_a_refresh_brings_back_who_is_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        await until_away(world, bob)
        alice.text("bob", name=b"kept")
        await trio.sleep(1)
        open_nat(world, bob)
        bob.register()
        await trio.sleep(0.5)
        assert [request.body for request in bob.got] == [b"kept"]
        assert not told(world, "bob")[0]["away"]
        assert not alice.call("bob").ending
        await trio.sleep(1)
        assert bob.calls, "he rings"

    play(tmp_path, story)


def test_only_the_contacts_that_are_away_are_left_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk, lamp, alice = natted(world, "bob"), world.phone("bob"), world.phone("alice")
        lamp.boot()
        alice.boot()
        await until_away(world, desk)
        told_of = {str(binding["contact"]): binding["away"] for binding in told(world, "bob")}
        assert told_of == {desk.contact: True, lamp.contact: False}
        left: list[tuple[str, int]] = []
        world.on_sent.append(lambda data, destination: left.append(destination))
        call = alice.call("bob")
        alice.text("bob", name=b"text")
        await trio.sleep(3)
        assert call.is_talking
        assert [request.body for request in lamp.got] == [b"text"]
        assert desk.address not in left
        assert world.rows() == {}

    play(tmp_path, story)


def test_a_call_to_who_is_away_alone_is_answered_as_if_nobody_were_registered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        call = alice.call("nobody")
        await until_away(world, bob)
        away = alice.call("bob")
        await trio.sleep(0.5)
        assert (away.ending, away.status) == (call.ending, call.status)

    play(tmp_path, story)


def test_a_delivery_that_is_under_way_when_the_phone_goes_is_not_lost(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        bob.boot()
        await trio.sleep(2 * PERIOD)
        close_nat(world, bob)
        for name in (b"one", b"two"):
            alice.text("bob", name=name)
        await trio.sleep(6 * PERIOD)
        assert set(world.rows()) == {b"one", b"two"}
        open_nat(world, bob)
        await trio.sleep(PERIOD + 1)
        assert [request.body for request in bob.got][-2:] == [b"one", b"two"]
        assert world.rows() == {}

    play(tmp_path, story)


def test_a_phone_that_has_never_answered_is_not_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        bob.served_options = False  # type: ignore
        bob.requested = partial(_deaf_to_options, bob)  # type: ignore
        bob.boot()
        await trio.sleep(6 * PERIOD)
        assert len(pings(bob)) >= 5, "the way is kept open all the same"
        alice.text("bob", name=b"text")
        await trio.sleep(1)
        assert [request.body for request in bob.got] == [b"text"]

    play(tmp_path, story)


def _deaf_to_options(phone: Phone, served: Served) -> None:
    if served.request.method != b"OPTIONS":
        Phone.requested(phone, served)


@pytest.mark.parametrize("answer", [404, 405, 481, 500, 100])
def test_any_answer_shows_that_the_way_is_open(tmp_path: Path, answer: int) -> None:
    async def story(world: World) -> None:
        bob = natted(world, "bob")
        bob.requested = lambda served: served.respond(answer)  # type: ignore
        bob.boot()
        await trio.sleep(6 * PERIOD)
        (binding,) = told(world, "bob")
        assert world.clock.wall() - float(str(binding["heard_at"])) < PERIOD + 1

    play(tmp_path, story)


def test_forged_answers_count_for_nothing(tmp_path: Path) -> None:
    """Mallory knows all but the token, from pings of another phone, and repeats an old answer of Bob's."""

    async def story(world: World) -> None:
        bob, mallory, alice = natted(world, "bob"), world.phone("mallory"), world.phone("alice")
        mallory.switch_on()
        alice.boot()
        bob.boot()
        await trio.sleep(2 * PERIOD + 1)
        old = pings(bob)[-1].last
        close_nat(world, bob)

        def forge(data: bytes, destination: tuple[str, int]) -> None:
            if data.startswith(b"OPTIONS ") and destination == bob.address:
                branch = data.partition(b";branch=")[2].partition(b"\r\n")[0]
                serial = branch.rpartition(b".")[0]
                real = old.partition(b";branch=")[2].partition(b"\r\n")[0]
                guesses = (
                    serial + b".0000000000000000",
                    serial + b".",
                    serial,
                    b"z9hG4bKping.",
                    b"z9hG4bKping.-1.",
                )
                for guess in (*guesses, real):
                    world.wires.datagram(mallory.address, mallory.wire.server, old.replace(real, guess))

        world.on_sent.append(forge)
        await trio.sleep(4 * PERIOD + 1)
        assert told(world, "bob")[0]["away"]
        assert alice.text("bob", name=b"kept").status == 0
        await trio.sleep(0.5)
        assert set(world.rows()) == {b"kept"}

    play(tmp_path, story)


def test_after_a_restart_nobody_is_away_until_he_has_answered_once_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        await until_away(world, bob)
        alice.text("bob", name=b"kept")
        await trio.sleep(1)
        await world.restart()
        assert not told(world, "bob")[0]["away"]
        await trio.sleep(6 * PERIOD)
        assert not told(world, "bob")[0]["away"], "he has not answered this daemon yet"
        open_nat(world, bob)
        alice.text("bob", name=b"later")
        await trio.sleep(400)
        assert {b"kept", b"later"} <= {request.body for request in bob.got}
        assert world.rows() == {}
        close_nat(world, bob)
        await trio.sleep(5 * PERIOD)
        assert told(world, "bob")[0]["away"]

    play(tmp_path, story)


def test_zero_is_off_and_a_reload_changes_the_period(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        bob.boot()
        await trio.sleep(100)
        assert pings(bob) == []

        def reload(period: int) -> None:
            section = msgspec.structs.replace(world.config.registrar, ping=period)
            world.config = msgspec.structs.replace(world.config, registrar=section)
            world.daemon.reload(world.config, world.parts.policy.policy)

        reload(10)
        await trio.sleep(31)
        assert 2 <= len(pings(bob)) <= 3
        close_nat(world, bob)
        await trio.sleep(60)
        assert told(world, "bob")[0]["away"]
        alice.text("bob", name=b"kept")
        await trio.sleep(1)
        open_nat(world, bob)
        reload(0)
        assert not told(world, "bob")[0]["away"]
        await trio.sleep(1)
        assert [request.body for request in bob.got] == [b"kept"], "who was away is tried"
        number = len(pings(bob))
        await trio.sleep(60)
        assert len(pings(bob)) == number

    play(tmp_path, story, config=configured(registrar={"ping": 0}))


def test_who_has_left_is_pinged_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, carol = natted(world, "bob"), natted(world, "carol")
        bob.boot()
        carol.expires = 60
        carol.boot()
        await trio.sleep(PERIOD + 1)
        bob.register(0)
        carol._stop_refreshing()
        await trio.sleep(60)
        counts = len(pings(bob)), len(pings(carol))
        await trio.sleep(100)
        assert (len(pings(bob)), len(pings(carol))) == counts
        assert len(world.parts.keep_alives) == 0
        assert not world.parts.location.away

    play(tmp_path, story)


def test_after_term_nobody_is_pinged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = natted(world, "bob")
        bob.boot()
        await trio.sleep(PERIOD)
        world.daemon.stop()
        number = len(pings(bob))
        await trio.sleep(3 * PERIOD)
        assert len(pings(bob)) == number
        world.is_up = False

    play(tmp_path, story)


def test_the_default_is_25_seconds() -> None:
    assert Config().registrar == RegistrarConfig()
    assert RegistrarConfig().ping == PERIOD


def test_a_ping_can_be_parsed_and_answers_by_its_via(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = natted(world, "bob")
        bob.boot()
        await trio.sleep(PERIOD)
        request = pings(bob)[0].request
        assert isinstance(request, Request)
        assert request.via.branch.startswith(b"z9hG4bKping.")
        assert b"rport" in request.via.params

    play(tmp_path, story)


def test_a_request_within_a_dialog_is_tried_whatever_is_known_of_the_phone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, alice = natted(world, "bob"), world.phone("alice")
        alice.boot()
        bob.boot()
        await trio.sleep(PERIOD + 1)
        call = alice.call("bob", hangs_up_after=1000)
        await trio.sleep(PERIOD)
        assert call.is_talking
        close_nat(world, bob)
        await trio.sleep(4 * PERIOD + 1)
        assert told(world, "bob")[0]["away"]
        left: list[bytes] = []
        world.on_sent.append(lambda data, to: left.append(data) if to == bob.address else None)
        alice.hang_up(call)
        await trio.sleep(0.2)
        assert [data.split(b" ")[0] for data in left] == [b"BYE"]

    play(tmp_path, story)
