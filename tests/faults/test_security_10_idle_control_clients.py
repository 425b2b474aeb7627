"""Security 10: 64 idle clients locked the control socket."""

from contextlib import AsyncExitStack
from pathlib import Path

import trio
import trio.testing

from msilod.control.protocol import decode_request
from msilod.control.socket import MAX_CLIENTS, ControlServer
from tests.control.test_socket import say, serving

CALL = b'{"jsonrpc":"2.0","id":1,"method":"slow","params":{"word":"x"}}\n'


async def test_idle_clients_do_not_keep_others_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as path, AsyncExitStack() as stack:
        for number in range(3 * MAX_CLIENTS):
            idle = await stack.enter_async_context(await trio.open_unix_socket(str(path)))
            # Every second one drips half a line.
            if number % 2:
                await idle.send_all(b'{"id"')
        assert (await say(path, CALL))[0]["result"] == {"said": "x"}


async def test_who_has_just_asked_stays_and_the_oldest_idle_client_goes(tmp_path: Path) -> None:
    async with serving(tmp_path) as path, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(await trio.open_unix_socket(str(path)))
            for _ in range(MAX_CLIENTS)
        ]
        for client in clients[:1]:
            await client.send_all(CALL)
            assert b'"x"' in await client.receive_some()
        assert (await say(path, CALL))[0]["result"] == {"said": "x"}
        with trio.fail_after(10):
            assert await clients[1].receive_some() == b""
        await clients[0].send_all(CALL)
        with trio.fail_after(10):
            assert b'"x"' in await clients[0].receive_some()


async def test_when_all_wait_for_answers_a_new_client_hears_that_the_daemon_is_busy(tmp_path: Path) -> None:
    async def never(params: dict[str, object]) -> None:
        await trio.sleep_forever()

    assert decode_request(CALL).method == "slow"
    server = ControlServer(tmp_path / "control.sock", {"slow": never})
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        nursery.start_soon(server.serve)
        for _ in range(MAX_CLIENTS):
            client = await stack.enter_async_context(await trio.open_unix_socket(str(server.path)))
            await client.send_all(CALL)
        await trio.testing.wait_all_tasks_blocked()
        async with await trio.open_unix_socket(str(server.path)) as late:
            with trio.fail_after(10):
                assert b'"exit_code":75' in await late.receive_some()
        nursery.cancel_scope.cancel()
    server.close()
