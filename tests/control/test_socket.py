"""The control socket: JSON-RPC lines, clear errors, and the socket of a live daemon is never replaced."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from msilod.control.protocol import ControlClient, ControlError, Listing
from msilod.control.socket import ControlServer
from msilod.errors import BusyError, UnavailableError


async def slow(params: dict[str, Any]) -> dict[str, Any]:
    await trio.lowlevel.checkpoint()
    return {"said": params.get("word")}


def busy(params: dict[str, Any]) -> None:
    raise BusyError("try again")


def broken(params: dict[str, Any]) -> None:
    raise RuntimeError("a secret of ours")


HANDLERS = {"slow": slow, "busy": busy, "broken": broken}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Path]:
    server = ControlServer(folder / "run" / "control.sock", HANDLERS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve)
        yield server.path
        nursery.cancel_scope.cancel()
    server.close()
    assert not server.path.exists()


async def say(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    heard = b""
    async with await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(b"".join(lines))
        await stream.send_eof()
        with trio.fail_after(10):
            while data := await stream.receive_some():
                heard += data
    return [json.loads(line) for line in heard.splitlines()]


async def test_results_errors_and_garbage(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        assert path.stat().st_mode & 0o777 == 0o660
        answers = await say(
            path,
            b'{"jsonrpc":"2.0","id":1,"method":"slow","params":{"word":"x"}}\n',
            b'{"jsonrpc":"2.0","method":"slow"}\n',
            b'{"jsonrpc":"2.0","id":2,"method":"nothing"}\n',
            b'{"jsonrpc":"2.0","id":3,"method":"busy"}\n',
            b'{"jsonrpc":"2.0","id":4,"method":"broken"}\n',
            b"garbage\n",
            b'{"id":5}\n',
        )
    assert answers[0] == {"jsonrpc": "2.0", "id": 1, "result": {"said": "x"}}
    codes = [answer["error"]["code"] for answer in answers[1:]]
    assert codes == [-32601, -32000, -32000, -32700, -32600], "a notification gets no answer"
    assert answers[2]["error"]["data"] == {"exit_code": 75}
    assert "secret" not in json.dumps(answers)


async def test_the_client_tells_the_same_story(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:

        def talk() -> tuple[Any, int]:
            with ControlClient(path) as client:
                said = client.call("slow", {"word": "y"})
                with pytest.raises(ControlError) as caught:
                    client.call("busy")
                return said, caught.value.exit_code

        assert await trio.to_thread.run_sync(talk) == ({"said": "y"}, 75)
    with pytest.raises(UnavailableError, match="is msilod running"):
        ControlClient(path)


async def test_a_live_socket_is_refused_and_a_stale_one_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        with pytest.raises(UnavailableError, match="another msilod"):
            await trio.to_thread.run_sync(ControlServer, path, HANDLERS)
    stale = ControlServer(path, HANDLERS)
    stale._socket.close()
    assert path.exists()
    ControlServer(path, HANDLERS).close()


async def test_a_listing_that_fails_in_a_later_piece_ends_one_connection_only(tmp_path: Path) -> None:
    """The pieces are made outside of the handler, and an error of theirs ended the daemon."""

    def pieces() -> Iterator[list[dict[str, Any]]]:
        yield [{"a": 1}]
        raise RuntimeError("a secret of ours")

    server = ControlServer(
        tmp_path / "control.sock", {"long": lambda params: Listing("list", pieces()), "slow": slow}
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve)
            async with await trio.open_unix_socket(str(server.path)) as stream:
                await stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"long"}\n')
                with trio.fail_after(10):
                    while await stream.receive_some():
                        pass
            answers = await say(server.path, b'{"jsonrpc":"2.0","id":2,"method":"slow"}\n')
            assert answers[0]["id"] == 2
            nursery.cancel_scope.cancel()
    finally:
        server.close()
