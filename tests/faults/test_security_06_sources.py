"""Security 6: guesses and challenges were counted per IPv6 /128, and behind an edge proxy all phones were one source.

3,000 guesses from one /64 were all looked at. Behind an edge of our own (Path) one phone's wrong password slowed all.
"""

from pathlib import Path

import pytest
import trio

from msilod.auth.flood import MAX_IN_SUM, MAX_PER_EDGE, MAX_PER_SECOND
from msilod.auth.throttle import FREE_PAIR, FREE_SOURCE, FREE_SUM
from tests.faults.doorway import Doorway, with_auth
from tests.network.world import DOMAIN, World, play

EDGE = ("192.0.2.9", 5060)


def guesses_looked_at(door: Doorway, hosts: list[str]) -> int:
    """The number of wrong passwords answered without delay. Each host tries a different user."""
    looked_at = 0
    for number, host in enumerate(hosts):
        (first,) = door.say(door.request("REGISTER", user=f"u{number}"), (host, 5060))
        if first.status == 401:
            line = door.credentials(first, "wrong", f"u{number}")
            looked_at += (
                door.status(door.request("REGISTER", user=f"u{number}", more=line), (host, 5060)) == 401
            )
    return looked_at


def test_3000_addresses_of_one_ipv6_network_are_one_guesser(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        assert (
            guesses_looked_at(door, [f"2001:db8:0:1::{number:x}" for number in range(90)]) <= FREE_SOURCE + 1
        )
        assert door.register(("2001:db8:0:2::1", 5060)) == 200, "another customer"

    play(tmp_path, story, config=with_auth())


def test_the_networks_of_one_customer_are_counted_in_sum(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        hosts = [f"2001:db8:0:{number:x}::1" for number in range(FREE_SUM + 80)]
        assert guesses_looked_at(door, hosts) <= FREE_SUM + 1
        answers = [
            door.status(door.request("REGISTER"), (f"2001:db8:1:{number:x}::1", 5060))
            for number in range(256)
        ]
        assert answers.count(401) == 256, "a /56 has 400 challenges in a second"
        assert MAX_IN_SUM == 400

    play(tmp_path, story, config=with_auth())


def test_loopback_ports_are_counted_in_sum_and_with_the_switch_like_one_address(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        looked_at = 0
        for number in range(FREE_SUM + 80):
            source = ("127.0.0.1", 10_000 + number)
            (first,) = door.say(door.request("REGISTER", user=f"u{number}"), source)
            line = door.credentials(first, "wrong", f"u{number}")
            looked_at += door.status(door.request("REGISTER", user=f"u{number}", more=line), source) == 401
        assert looked_at <= FREE_SUM + 1

    async def limited(world: World) -> None:
        assert guesses_looked_at(Doorway(world), ["127.0.0.2"] * 90) <= FREE_SOURCE + 1

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    play(tmp_path / "one", story, config=with_auth())
    play(tmp_path / "two", limited, config=with_auth(limit_loopback=True))


def via(client: str) -> str:
    """The Vias of a request from an edge: the edge's own, and the client's with `received`."""
    edge = f"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKe{client}\r\n"
    return f"{edge}Via: SIP/2.0/UDP 10.0.0.5;branch=z9;received={client}\r\n"


def test_behind_an_edge_the_phone_with_a_wrong_password_is_slowed_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        for _ in range(60):
            door.register(EDGE, via("198.51.100.66"), "wrong")
        (first,) = door.say(door.request("REGISTER", via=via("198.51.100.66")), EDGE)
        line = door.credentials(first, "wrong")
        (slowed,) = door.say(door.request("REGISTER", via=via("198.51.100.66"), more=line), EDGE)
        assert slowed.status == 500, "a proxy may take the Retry-After of a 503 for a word about the server"
        assert int(slowed.headers.get(b"retry-after") or 0) > 0
        assert door.register(EDGE, via("198.51.100.67")) == 200
        assert door.register(("198.51.100.66", 5060)) == 200, (
            "the address itself, past the edge, has not guessed"
        )

    play(tmp_path, story, config=with_auth(edges=["192.0.2.8/29"]))


@pytest.mark.parametrize("edges", [[EDGE[0]], []])
def test_a_user_who_is_registered_behind_the_edge_is_not_guessed_at_from_behind_it(
    tmp_path: Path, edges: list[str]
) -> None:
    """All users behind the edge have bindings at the edge's address; guesses behind the edge have this source, too."""

    async def story(world: World) -> None:
        door = Doorway(world)
        path = "Path: <sip:192.0.2.9;lr>\r\nSupported: path\r\n"
        (first,) = door.say(door.request("REGISTER", via=via("198.51.100.67")), EDGE)
        door.say(
            door.request("REGISTER", via=via("198.51.100.67"), more=path + door.credentials(first)), EDGE
        )
        await trio.sleep(0.1)
        assert len(world.parts.location.bindings("alice@" + DOMAIN, world.parts.clock.wall())) == 1
        statuses = [door.register(EDGE, via("198.51.100.66"), "wrong") for _ in range(FREE_PAIR + 3)]
        assert statuses[:FREE_PAIR] == [401] * FREE_PAIR
        assert statuses[-1] == (500 if edges else 503)

    play(tmp_path, story, config=with_auth(edges=edges))


def test_10000_phones_log_in_again_within_30_s_after_a_restart_of_their_edge(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        # A small request: the challenge would be much larger.
        due = [(0, number) for number in range(10_000)]
        in_time = 0
        for second in range(30):
            now, due = [one for one in due if one[0] == second], [one for one in due if one[0] != second]
            for _, number in now:
                client = via(f"198.51.{number // 250}.{number % 250}")
                request = (
                    f"REGISTER sip:example.test SIP/2.0\r\n{client}f:<sip:alice@example.test>;tag=1\r\n"
                    f"t:<sip:alice@example.test>\r\ni:{number}\r\nCSeq: {second} REGISTER\r\n\r\n"
                )
                (answer,) = door.say(request.encode(), EDGE)
                if answer.status == 401:
                    in_time += 1
                else:
                    assert answer.status == 500
                    due.append((second + int(answer.headers.get(b"retry-after") or 0), number))
            world.parts.receiver._now = float(1_000 + second)
        assert in_time == 10_000
        assert MAX_PER_EDGE == 20 * MAX_PER_SECOND

    play(tmp_path, story, config=with_auth(edges=["192.0.2.9"]))


def test_a_stranger_does_not_choose_the_client_that_he_counts_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        for number in range(60):
            door.register(("203.0.113.5", 5060), via(f"198.51.100.{number}"), "wrong")
        assert door.register(("203.0.113.5", 5060), via("198.51.100.200"), "wrong") == 503

    play(tmp_path, story, config=with_auth(edges=["192.0.2.9"]))
