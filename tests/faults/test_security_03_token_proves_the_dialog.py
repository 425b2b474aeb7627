"""Security 3: the Record-Route token proves the dialog (peers, places, life time); requests of other dialogs
do not pass with the token."""

from pathlib import Path

import pytest
import trio

from msilod.relaying.dialogs import LIFE_OF_CALL, LIFE_OF_SUBSCRIPTION
from msilod.sip.message import Request, Response
from tests.faults.peer import Peer, Side, call, lock, sides
from tests.network.world import Story, World, configured, play

# The daemon's own address: no request may reach other ports of this host.
ALICE, BOB, CAROL, VICTIM = (("198.51.100." + str(n), 5060) for n in (1, 2, 3, 4))
MINUTE = 60.0


class Cast:
    """Alice and Bob are users, Carol is none. Alice has called Carol once; no other party is to hear from Carol."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alice = Peer(world, "alice", ALICE)
        self.bob = Peer(world, "bob", BOB)
        self.carol = Peer(world, "carol", CAROL, domain="198.51.100.3:5060")
        self.carol.has_password = False
        self.victim = Peer(world, "victim", VICTIM)

    async def begin(self) -> tuple[Side, Side]:
        lock(self.world, "alice", "bob")
        for peer in (self.alice, self.bob):
            assert (await peer.register()).status == 200
        return await call(self.alice, self.carol)

    async def rest(self) -> None:
        """Check that no party has received more requests."""
        await trio.sleep(40)
        assert [self.bob.untaken(), self.victim.untaken(), self.alice.untaken()] == [[], [], []]
        assert self.world.parts.counters.internal_errors == 0


def test_a_peer_who_is_no_user_can_hang_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        caller, callee = await cast.begin()
        for method in ("INFO", "INVITE", "UPDATE", "REFER", "MESSAGE"):
            await callee.reach(method, cast.alice)
        await caller.reach("INFO", cast.carol)
        await callee.reach("BYE", cast.alice)
        await cast.rest()

    play(tmp_path, story)


NOBODY = "sip:victim@198.51.100.4:5060"
USER = "sip:bob@example.test"


@pytest.mark.parametrize("uri", [NOBODY, USER, "sip:bob@198.51.100.2:5060", "sip:example.test"])
@pytest.mark.parametrize(
    "method", ["INVITE", "MESSAGE", "REFER", "PUBLISH", "REGISTER", "SUBSCRIBE", "NOTIFY", "INFO"]
)
def test_her_token_is_good_for_nobody_else(tmp_path: Path, method: str, uri: str) -> None:
    """With the route, the Call-ID and a To tag, to others and in the names of others."""

    async def story(world: World) -> None:
        cast = Cast(world)
        caller, callee = await cast.begin()
        before = len(list(world.parts.location.all()))
        alice, bob = "<sip:alice@example.test>", "<sip:bob@example.test>"
        stories = (
            # A new dialog.
            (callee.local, f"<{uri}>"),
            (f"{alice};tag=new", f"<{uri}>"),
            (f"{bob};tag=new", f"<{uri}>"),
            # A To tag of any kind.
            (callee.local, f"<{uri}>;tag=x"),
            (f"{bob};tag=new", f"{alice};tag=talice"),
            (f"{bob};tag=new", f"<{uri}>;tag=talice"),
            (f"{alice};tag=talice", f"<{uri}>;tag=x"),
            (f"{alice};tag=other", f"<{cast.carol.aor}>;tag=x"),
            # In Alice's name, as in Alice's own requests, and in Carol's own name.
            (caller.local, caller.remote),
            (callee.local, callee.remote),
        )
        for from_, to in stories:
            answer = await callee.ask(method, uri=uri, from_=from_, to=to)
            assert 400 <= answer.status < 500, (answer.status, from_, to)
        await cast.rest()
        assert len(list(world.parts.location.all())) == before
        assert world.rows() == {}

    play(tmp_path, story)


@pytest.mark.parametrize("method", ["INVITE", "INFO", "BYE", "NOTIFY"])
def test_a_route_behind_ours_leads_to_the_peer_only(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        _, callee = await cast.begin()
        for last in ("<sip:198.51.100.4:5060;lr>", "<sip:198.51.100.4:5060>", "<sip:victim.example;lr>"):
            routes = callee.routes
            callee.routes = [*routes, last]
            assert (await callee.ask(method)).status == 403
            callee.routes = routes
        await cast.rest()

    play(tmp_path, story)


def test_in_a_users_name_only_from_that_users_place_or_with_a_password(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        caller, _ = await cast.begin()
        elsewhere = Peer(world, "alice", ("198.51.100.9", 5060))
        caller.agent = elsewhere
        elsewhere.has_password = False
        assert (await caller.ask("INFO")).status == 407
        assert cast.carol.untaken() == []
        elsewhere.has_password = True
        asked: list[int] = []

        async def ask() -> None:
            asked.append((await caller.ask("INFO")).status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            cast.carol.answer(await cast.carol.take(b"INFO"))
        assert asked == [200]
        assert b"proxy-authorization" not in cast.carol.taken[-1].headers

    play(tmp_path, story)


def test_the_place_of_a_user_is_also_where_the_user_registers_now(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        caller, _ = await cast.begin()
        cast.alice.move(50123)
        assert (await cast.alice.register()).status == 200
        cast.alice.has_password = False
        await caller.reach("INFO", cast.carol)

    play(tmp_path, story)


def test_another_port_of_the_peers_host_is_not_the_peer(tmp_path: Path) -> None:
    """The request goes to the peer's place, and a Route to another port is refused."""

    async def story(world: World) -> None:
        cast = Cast(world)
        _, callee = await cast.begin()
        other = Peer(world, "other", (ALICE[0], 7777))
        callee.target = "sip:x@198.51.100.1:7777"
        request = await callee.reach("INFO", cast.alice)
        assert request.uri == b"sip:x@198.51.100.1:7777"
        callee.routes.append("<sip:198.51.100.1:7777;lr>")
        assert (await callee.ask("INFO")).status == 403
        callee.agent.send(callee.request("ACK"))
        await cast.rest()
        assert other.untaken() == []

    play(tmp_path, story)


def test_the_callers_proxy_is_reached_by_the_name_that_it_recorded(tmp_path: Path) -> None:
    """The caller's proxy has another address in Record-Route than the source of the INVITE."""

    async def story(world: World) -> None:
        bob = Peer(world, "bob", BOB)
        proxy = Peer(world, "caller", ("198.51.100.20", 5060), domain="elsewhere.example")
        listens = Peer(world, "proxy", ("198.51.100.21", 5070))
        lock(world, "bob")
        assert (await bob.register()).status == 200
        recorded = "<sip:198.51.100.21:5070;lr>"
        data = proxy.request("INVITE", bob.aor, extra=f"Record-Route: {recorded}\r\n")
        heard: list[Response] = []

        async def ask() -> None:
            heard.append(await proxy.ask(data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            invite = await bob.take(b"INVITE")
            bob.answer(invite)
        _, callee = sides(proxy, heard[0], bob, invite)
        bob.has_password = False
        bob.send(callee.request("BYE"))
        assert (await listens.take(b"BYE")).headers.split(b"route") == [recorded.encode()]

    play(tmp_path, story, config=configured(auth={"inbound": "anybody"}))


def test_to_makes_nobody_a_user(tmp_path: Path) -> None:
    """Alice writes Bob into To and Carol's place into the Request-URI: Carol does not speak in Bob's name."""

    async def story(world: World) -> None:
        cast = Cast(world)
        await cast.begin()
        data = cast.alice.request("INVITE", cast.carol.contact, "<sip:bob@example.test>")
        heard: list[Response] = []

        async def ask() -> None:
            heard.append(await cast.alice.ask(data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            invite = await cast.carol.take(b"INVITE")
            cast.carol.answer(invite)
        caller, callee = sides(cast.alice, heard[0], cast.carol, invite)
        assert (await callee.ask("INFO")).status == 407
        await caller.reach("BYE", cast.carol)
        await cast.rest()

    play(tmp_path, story)


def test_a_hidden_peer_is_found_by_the_token_of_a_refresh_too(tmp_path: Path) -> None:
    """Some endpoints take the route set of a re-INVITE; neither peer is registered by then."""

    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("203.0.113.1", 41001), "sip:alice@10.0.0.1:5060")
        bob = Peer(world, "bob", ("203.0.113.2", 41002), "sip:bob@10.0.0.2:5060")
        lock(world, "alice", "bob")
        for peer in (alice, bob):
            assert (await peer.register()).status == 200
        caller, callee = await call(alice, bob)
        for peer in (alice, bob):
            assert (await peer.ask(peer.registration(0))).status == 200
        for asking, asked, other in ((caller, callee, bob), (callee, caller, alice), (caller, callee, bob)):
            request = await asking.reach("INVITE", other)
            asked.routes = [value.decode() for value in request.headers.split(b"record-route")]
            asking.routes = asked.routes[::-1]
        await callee.reach("INFO", alice)
        await caller.reach("BYE", bob)

    play(tmp_path, story)


def test_a_message_of_a_user_needs_the_password_in_a_dialog_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        caller, _ = await cast.begin()
        cast.alice.has_password = False
        assert (await caller.ask("MESSAGE")).status == 407
        assert cast.carol.untaken() == []

    play(tmp_path, story)


def removal(who: str) -> Story:
    async def story(world: World) -> None:
        cast = Cast(world)
        await cast.begin()
        caller, callee = await call(cast.alice, cast.bob)
        if who != "nobody":
            world.parts.members.users.remove(f"{who}@example.test")
            world.parts.revocation.end([f"{who}@example.test"])
        for side, sender, other in ((callee, cast.bob, cast.alice), (caller, cast.alice, cast.bob)):
            if who == "nobody":
                await side.reach("INFO", other)
            else:
                sender.has_password = False
                assert (await side.ask("INFO")).status in (403, 407)
                sender.send(side.request("ACK"))
        await cast.rest()

    return story


@pytest.mark.parametrize("who", ["nobody", "alice", "bob"])
def test_a_token_ends_with_the_user_that_it_names(tmp_path: Path, who: str) -> None:
    play(tmp_path, removal(who))


@pytest.mark.parametrize(("method", "life"), [("INVITE", LIFE_OF_CALL), ("SUBSCRIBE", LIFE_OF_SUBSCRIPTION)])
def test_a_token_has_a_life_time_and_a_refresh_has_a_new_one(tmp_path: Path, method: str, life: int) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        await cast.begin()
        caller, callee = await call(cast.alice, cast.bob, method=method)
        world.clock.suspend(life - MINUTE)
        for peer in (cast.alice, cast.bob):
            assert (await peer.register()).status == 200
        refreshed = await caller.reach(method, cast.bob)
        world.clock.suspend(MINUTE)
        assert (await callee.ask("INFO")).status == 481
        assert (await caller.ask("BYE")).status == 481
        cast.alice.send(caller.request("ACK"))
        callee.routes = [value.decode() for value in refreshed.headers.split(b"record-route")]
        caller.routes = callee.routes[::-1]
        await callee.reach("INFO", cast.alice)
        await caller.reach("INFO", cast.bob)
        await cast.rest()

    play(tmp_path, story)


@pytest.mark.parametrize(
    "old", ["dlg=0123456789abcdef01234567", "dlg=" + 24 * "f" + ";flow=7564703a", "dlg", "dlg="]
)
def test_the_token_of_an_older_version_is_refused(tmp_path: Path, old: str) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        _, callee = await cast.begin()
        callee.routes = [f"<sip:192.0.2.1:5060;lr;{old}>"]
        assert (await callee.ask("BYE")).status == 403
        cast.carol.send(callee.request("ACK"))
        await cast.rest()

    play(tmp_path, story)


def test_a_token_outlives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cast = Cast(world)
        caller, callee = await cast.begin()
        await world.restart()
        lock(world, "alice", "bob")
        await callee.reach("INFO", cast.alice)
        await caller.reach("BYE", cast.carol)

    play(tmp_path, story)


def test_a_value_is_short_and_tells_no_address(tmp_path: Path) -> None:
    found: list[bytes] = []

    async def story(world: World) -> None:
        cast = Cast(world)
        await cast.begin()
        await call(cast.alice, cast.bob)
        for request in (*cast.carol.taken, *cast.bob.taken):
            assert isinstance(request, Request)
            found.extend(request.headers.split(b"record-route"))

    play(tmp_path, story)
    assert len(found) >= 2
    assert max(map(len, found)) < 130
    assert len(set(found)) == len(found), "each call has its own"


def test_without_users_a_token_is_asked_for_all_the_same(tmp_path: Path) -> None:
    """A daemon without users relays for no sender either."""

    async def story(world: World) -> None:
        alice, bob = Peer(world, "alice", ALICE, domain="elsewhere.example"), Peer(world, "bob", BOB)
        victim = Peer(world, "victim", VICTIM)
        assert (await bob.register()).status == 200
        caller, callee = await call(alice, bob)
        for side in (caller, callee):
            assert (await side.ask("INFO", uri=NOBODY, to=f"<{NOBODY}>;tag=x")).status == 403
        await callee.reach("INFO", alice)
        await caller.reach("BYE", bob)
        await trio.sleep(40)
        assert victim.untaken() == []

    play(tmp_path, story, config=configured(auth={"mode": "off"}))
