"""The receiver: malformed bytes are counted and answered where a Via can be read; ICMP ends a wait at once."""

from pathlib import Path

import trio

from tests.network.world import World, play

HEAD = (
    "Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK1\r\n"
    "From: <sip:alice@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
)


def test_malformed_requests_are_answered_and_other_bytes_are_dropped(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        counters = world.parts.counters
        alice.send(b"no SIP at all\r\n\r\n")
        await trio.sleep(0.5)
        assert (counters.malformed, counters.dropped) == (1, 1)
        alice.send(f"MESSAGE sip:bob@example.test SIP/2.0\r\n{HEAD}\r\n".encode())
        await trio.sleep(0.5)
        assert (counters.malformed, counters.dropped) == (2, 1)
        assert counters.internal_errors == 0

    play(tmp_path, story)


def test_a_closed_port_ends_the_wait_for_an_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.die()
        asked = alice.text("bob")
        await trio.sleep(1)
        assert asked.status == 202

    play(tmp_path, story)
