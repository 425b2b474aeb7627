"""The answer to `bindings` was made in one piece: seconds without service for 100,000 phones, and memory per client."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from msilod.control.protocol import Listing, encode_listing, encode_result
from msilod.control.socket import ControlServer
from msilod.control.verbs import PIECE
from tests.network.desk import handlers
from tests.network.world import DOMAIN, World, play

CALL = b'{"jsonrpc":"2.0","id":1,"method":"%b"}\n'
ITEM = {"text": "x" * 10_000}


@given(
    st.lists(st.lists(st.dictionaries(st.text(), st.integers()), max_size=3), max_size=4),
    st.one_of(st.integers(-9, 9), st.text()),
)
def test_the_pieces_are_the_line_of_the_whole_result(
    pieces: list[list[dict[str, int]]], id: int | str
) -> None:
    sent = b"".join(encode_listing(id, Listing("list", iter(pieces))))
    assert sent == encode_result(id, {"list": [item for piece in pieces for item in piece]})


def test_all_bindings_come_in_pieces(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        users = 2 * PIECE
        for number in range(users):
            phone = world.phone(f"user{number}")
            phone.expires = 3600
            phone.boot()
        await trio.sleep(5)
        pieces = list(handlers(world)["bindings"]({}).pieces)
        assert [len(piece) for piece in pieces] == [PIECE] * 2
        assert len({item["aor"] for piece in pieces for item in piece}) == users
        named = {"aors": [f"user7@{DOMAIN}", f"user*9@{DOMAIN}"]}
        found = [item["aor"] for piece in handlers(world)["bindings"](named).pieces for item in piece]
        assert found[0] == f"sip:user7@{DOMAIN}"
        assert len(found) == 1 + users // 10
        twice = {"aors": [f"user9@{DOMAIN}", f"user9@{DOMAIN}", f"user*9@{DOMAIN}"]}
        found = [item["aor"] for piece in handlers(world)["bindings"](twice).pieces for item in piece]
        assert len(found) == users // 10, "each binding is told once"

    play(tmp_path, story)


class Source:
    """Handlers: `long`, an endless result, and `short`. `made` counts pieces of long results."""

    def __init__(self) -> None:
        self.made = 0

    def long(self, params: dict[str, Any]) -> Listing:
        return Listing("list", self._pieces())

    def _pieces(self) -> Iterator[list[dict[str, Any]]]:
        while True:
            self.made += 1
            yield [ITEM]

    def short(self, params: dict[str, Any]) -> str:
        return "here"


@asynccontextmanager
async def serving(folder: Path, source: Source) -> AsyncIterator[str]:
    server = ControlServer(folder / "control.sock", {"long": source.long, "short": source.short})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve)
        yield str(server.path)
        nursery.cancel_scope.cancel()
    server.close()


@pytest.mark.parametrize("clients", [1, 20])
async def test_clients_that_do_not_read_cost_one_piece_each(tmp_path: Path, clients: int) -> None:
    source = Source()
    async with serving(tmp_path, source) as path, trio.open_nursery() as nursery:
        streams = [await trio.open_unix_socket(path) for _ in range(clients)]
        for stream in streams:
            await stream.send_all(CALL % b"long")
        for _ in range(3):
            async with await trio.open_unix_socket(path) as other:
                await other.send_all(CALL % b"short")
                with trio.fail_after(10):
                    assert json.loads(await other.receive_some())["result"] == "here"
        await trio.testing.wait_all_tasks_blocked()
        # The buffers of the kernel have some hundred kB per client.
        assert source.made < clients * 200
        for stream in streams:
            await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_a_client_without_progress_is_disconnected(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    source = Source()
    async with serving(tmp_path, source) as path, await trio.open_unix_socket(path) as stream:
        await stream.send_all(CALL % b"long")
        await trio.testing.wait_all_tasks_blocked()
        made = source.made
        await trio.sleep(60)
        while await stream.receive_some(1 << 20):
            pass
        assert source.made == made
