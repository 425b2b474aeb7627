"""Recipients registered at another server: messages go through a next hop, with one probe per hour."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import trio

from msilod.config import Config, SiloConfig
from msilod.delivering import probes
from msilod.routing import Action, RoutingRequest, Store, default
from tests.agent.transactions import Served
from tests.network.phone import SILENT, TAKES, Phone
from tests.network.world import World, play

# The address of the first phone of a story.
HOP = "sip:198.51.100.1:5060"
HOUR = 3600
AWAY = ((0.05, 480),)


def config(**silo: object) -> Config:
    return Config(silo=msgspec.structs.replace(SiloConfig(), **silo))


async def boot(world: World) -> tuple[Phone, Phone]:
    """The hop and Alice, after the first round of probes without any recipient."""
    hop, alice = world.phone("hop"), world.phone("alice")
    hop.switch_on()
    alice.switch_on()
    await trio.sleep(probes.FIRST + 2)
    return hop, alice


def came(hop: Phone) -> list[Served]:
    return list(hop.served.values())


def bodies(hop: Phone) -> list[bytes]:
    return [served.request.body for served in came(hop)]


def test_one_message_an_hour_until_it_is_taken_and_then_the_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        hop.answers = AWAY
        for name in (b"first", b"second", b"third"):
            alice.text("bob", name=name)
            await trio.sleep(1)
        assert came(hop) == [], "he was sent to us because he is away: not at once"
        await trio.sleep(6 * HOUR + 60)
        assert bodies(hop) == [b"first"] * 6, "the oldest alone"
        waits = [round(later.at - earlier.at) for earlier, later in pairwise(came(hop))]
        assert all(HOUR <= wait <= HOUR + 2 for wait in waits), waits
        request = came(hop)[0].request
        assert request.uri == b"sip:bob@example.test"
        assert request.headers.get(b"route") == b"<%b;lr>" % HOP.encode()
        assert {state for state, _ in world.rows().values()} == {"waiting"}, "more tries than `attempts`"
        hop.answers = TAKES
        await trio.sleep(HOUR + 2)
        assert bodies(hop)[6:] == [b"first", b"second", b"third"]
        assert world.rows() == {}

    assert play(tmp_path, story, config=config(next_hop=HOP, attempts=3)).ledger.faults == []


@pytest.mark.parametrize(("status", "probed", "left"), [(404, 3, 1), (503, 3, 1), (603, 1, 0), (403, 1, 0)])
def test_the_decision_table_holds_for_the_hop(tmp_path: Path, status: int, probed: int, left: int) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        hop.answers = ((0.05, status),)
        alice.text("bob")
        await trio.sleep(3 * HOUR + 10)
        assert len(came(hop)) == probed
        assert [state for state, _ in world.rows().values()] == ["waiting" if left else "rejected"]

    play(tmp_path, story, config=config(next_hop=HOP))


def test_a_silent_hop_is_asked_again_in_an_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        hop.answers = SILENT
        alice.text("bob")
        await trio.sleep(2 * HOUR + 100)
        assert len(came(hop)) == 2
        hop.answers = TAKES
        await trio.sleep(HOUR + 100)
        assert world.rows() == {}

    assert play(tmp_path, story, config=config(next_hop=HOP)).ledger.faults == []


def test_a_b2bua_ends_the_probe_with_rows_that_are_handed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        hop.answers = ((0.05, 202),)
        for name in (b"first", b"second"):
            alice.text("bob", name=name)
        await trio.sleep(3 * HOUR)
        assert sorted(bodies(hop)) == [b"first", b"second"], "never sent again"
        assert list(world.rows().values()) == [("handed", "202Accepted")] * 2

    play(tmp_path, story, config=config(next_hop=HOP, next_hop_kind="b2bua"))


class ByHop:
    """Messages to Bob go through the hop, messages to other users do not."""

    def route(self, request: RoutingRequest) -> Action:
        action = default.route(request)
        is_by_hop = isinstance(action, Store) and request.header("Priority") != "normal"
        return Store(0, next_hop=HOP) if is_by_hop else action

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        return default.failure_route(request, status)


def test_only_messages_with_a_hop_of_their_own_are_probed_without_a_configured_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        world.parts.policy.policy = ByHop()
        hop.answers = AWAY
        alice.text("bob", "Priority: normal\r\n", name=b"stays")
        alice.text("bob", name=b"goes")
        alice.text("carol", "Priority: normal\r\n", name=b"stays-too")
        await trio.sleep(2 * HOUR + 10)
        assert bodies(hop) == [b"goes"] * 2
        hop.answers = TAKES
        await trio.sleep(HOUR)
        assert bodies(hop) == [b"goes"] * 3
        assert sorted(world.rows()) == [b"stays", b"stays-too"]
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(5)
        assert bodies(bob) == [b"stays"]

    play(tmp_path, story)


def test_who_registers_here_in_the_middle_of_a_probe_gets_the_rest_himself(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        world.parts.policy.policy = ByHop()
        hop.answers = ((20.0, 480),)
        for name in (b"first", b"second"):
            alice.text("bob", name=name)
            await trio.sleep(1)
        alice.text("bob", "Priority: normal\r\n", name=b"third")
        await trio.sleep(HOUR)
        assert bodies(hop) == [b"first"]
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(HOUR)
        # Messages with a hop go through the hop to Bob's contact, the other one goes straight.
        assert {served.request.uri for served in came(hop)[1:]} == {bob.contact.encode()}
        assert bodies(bob) == [b"third"]

    play(tmp_path, story)


def test_who_is_registered_is_not_probed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        bob = world.phone("bob")
        bob.expires = 86_400
        bob.boot()
        bob.answers = hop.answers = AWAY
        await trio.sleep(1)
        alice.text("bob")
        await trio.sleep(3 * HOUR)
        assert all(served.request.uri == bob.contact.encode() for served in came(hop))

    play(tmp_path, story, config=config(next_hop=HOP))


def test_every_recipient_is_probed_in_pages_and_once_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PAGE", 2)

    async def story(world: World) -> None:
        hop, alice = await boot(world)
        hop.answers = AWAY
        names = [f"user{n}" for n in range(7)]
        for name in names:
            alice.text(name, name=name.encode())
        await trio.sleep(HOUR + 60)
        assert sorted(bodies(hop)) == [name.encode() for name in names]
        await world.restart()
        await trio.sleep(60)
        assert len(came(hop)) == 2 * len(names), "a new daemon asks soon"

    play(tmp_path, story, config=config(next_hop=HOP))


def test_a_dump_does_not_wait_for_the_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hop, alice = await boot(world)
        alice.text("bob", name=b"now")
        await trio.sleep(1)
        world.parts.probes.dump("bob@example.test", HOP, world.clock.now())
        world.parts.receiver.after_batch()
        await trio.sleep(1)
        assert bodies(hop) == [b"now"]
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize(("hop", "probed"), [(HOP, [b"open"]), (f"{HOP};transport=tls", [])])
def test_t17_what_was_sent_to_sips_passes_no_hop_that_is_not_tls(
    tmp_path: Path, hop: str, probed: list[bytes]
) -> None:
    async def story(world: World) -> None:
        phone, alice = await boot(world)
        alice.message("bob", b"secret", uri="sips:bob@example.test")
        await trio.sleep(1)
        alice.message("bob", b"open")
        await trio.sleep(2 * HOUR)
        assert bodies(phone) == probed
        assert [bytes(body) for body in world.column("body")] == [b"secret", *([] if probed else [b"open"])]
        assert world.column("attempts")[0] == 0

    play(tmp_path, story, config=config(next_hop=hop))
