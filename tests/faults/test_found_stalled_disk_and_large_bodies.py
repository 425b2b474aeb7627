"""Found: with a stalled disk, 20,000 rows of 64 kB waited in memory: 1.3 GB."""

from pathlib import Path
from unittest.mock import patch

import pytest
import trio

from msilod.keeping import storing as silo_service
from msilod.sip.message import Response
from msilod.store.writer.contract import InlineWriter
from tests.faults.peer import Peer
from tests.network.world import World, play

BOUND = 1_000_000


@pytest.mark.interpreted
def test_waiting_rows_are_bounded_by_their_octets(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.9", 5060), stream=True)
        with patch.object(silo_service, "MAX_WAITING_BYTES", BOUND), patch.object(InlineWriter, "flush"):
            for number in range(40):
                extra = "Content-Type: text/plain\r\n"
                alice.send(
                    alice.request("MESSAGE", f"sip:b{number}@example.test", extra=extra, body="x" * 50_000)
                )
            await trio.sleep(1)
            told = [heard for heard in alice.heard if isinstance(heard, Response)]
            assert {answer.status for answer in told} == {503}
            assert all(answer.headers.get(b"retry-after") for answer in told)
            assert BOUND // 53_000 <= world.parts.storing.waiting_rows <= BOUND // 52_000 + 1
            assert len(told) + world.parts.storing.waiting_rows == 40
            # After COMMIT_DEADLINE all have had a 503, and nothing is held any more.
            await trio.sleep(15)
            assert sum(isinstance(heard, Response) for heard in alice.heard) == 40
            assert world.parts.storing.waiting_rows == 0
        alice.heard.clear()
        alice.send(
            alice.request("MESSAGE", "sip:bob@example.test", extra="Content-Type: text/plain\r\n", body="x")
        )
        assert (await alice.final(b"MESSAGE")).status == 202
        assert world.parts.storing._waiting_bytes == 0

    play(tmp_path, story, may_log=("store failed",))
