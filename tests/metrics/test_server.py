"""The HTTP listener: its pages, and clients that mean no good."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from msilod.clock import Clock
from msilod.errors import UnavailableError
from msilod.metrics import server as server_module
from msilod.metrics.exposition import Exposition
from msilod.metrics.figures import Figures
from msilod.metrics.health import Health
from msilod.metrics.server import MAX_CLIENTS, MAX_REQUEST, MetricsServer
from msilod.metrics.silo_figures import SiloFigures
from msilod.store.engine.hold import Reads
from msilod.transport.listen import ListenSpec


class Calm(Health):
    """A health by the test."""

    def __init__(self) -> None:
        self.text = ""

    def problem(self) -> str:
        return self.text


class NoSilo(Reads):
    """A silo without rows, but for a count."""

    def __init__(self) -> None:
        super().__init__("silo")
        self.reads = 0

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[object]:
        return []

    def backing_off(self, after: tuple[float, str]) -> list[tuple[float, str]]:
        return []

    def recipients(self, after: str) -> list[str]:
        return []

    def counts(self) -> dict[str, int]:
        self.reads += 1
        return {"waiting": 2}

    def total_bytes(self) -> int:
        return 0

    def waiting(self, aor: str, only_for_sips: bool = False) -> list[object]:  # type: ignore[override]
        return []


@asynccontextmanager
async def served(health: Calm | None = None, silo: NoSilo | None = None) -> AsyncIterator[int]:
    """The port of a server."""
    server = MetricsServer(
        ListenSpec("metrics", "127.0.0.1", 0),
        Figures(()),
        SiloFigures(silo or NoSilo(), Clock()),
        health or Calm(),
        Exposition(None),
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve)
            yield server.port
            nursery.cancel_scope.cancel()
    finally:
        server.close()


async def ask(port: int, octets: bytes) -> bytes:
    """The whole answer. The client leaves its side open."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(octets)
        answer = b""
        while part := await stream.receive_some():
            answer += part
        return answer


async def get(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    answer = await ask(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_the_pages() -> None:
    health = Calm()
    async with served(health) as port:
        assert await get(port, "/healthz") == (200, b"ok\n")
        assert await get(port, "/readyz?verbose") == (200, b"ready\n")
        health.text = "draining"
        assert await get(port, "/readyz") == (503, b"draining\n")
        assert await get(port, "/healthz") == (200, b"ok\n")
        status, page = await get(port, "/metrics")
        assert status == 200
        assert b'\nmsilod_messages{state="waiting"} 2.0\n' in page
        assert await get(port, "/metrics", "HEAD") == (200, b"")
        assert (await get(port, "/"))[0] == 404
        assert (await get(port, "/metrics", "DELETE"))[0] == 405


async def test_scrapes_close_to_each_other_read_the_silo_once() -> None:
    silo = NoSilo()
    async with served(silo=silo) as port:
        for _ in range(3):
            await get(port, "/metrics")
    assert silo.reads == 1


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX y: z\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"404"),
        (b"GET /" + b"a" * 2 * MAX_REQUEST + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * MAX_REQUEST, b"431"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 9000, b"405"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
    ],
)
async def test_bad_requests_get_a_clear_answer(octets: bytes, status: bytes) -> None:
    async with served() as port:
        assert (await ask(port, octets)).split()[1] == status
        assert (await get(port, "/healthz"))[0] == 200


async def test_the_octets_of_a_request_that_never_ends_are_not_kept() -> None:
    async with served() as port:
        answer = await ask(port, b"G" * (MAX_REQUEST + 1))
        assert answer.split()[1] in (b"400", b"431")


async def test_idle_clients_do_not_keep_a_collector_out() -> None:
    async with served() as port:
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3 * MAX_CLIENTS)]
        for stream in idle[::2]:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(b"GET /")
        assert await get(port, "/healthz") == (200, b"ok\n")
        for stream in idle:
            await trio.aclose_forcefully(stream)


async def test_a_slow_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "REQUEST_TIMEOUT", 0.05)
    async with served() as port:
        assert await ask(port, b"GET /healthz HTTP/1.1\r\nHost: ") == b""


async def test_a_client_that_leaves_early_harms_nothing() -> None:
    async with served() as port:
        for octets in (b"", b"GET /metrics", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(octets)
            await trio.aclose_forcefully(stream)
        assert await get(port, "/healthz") == (200, b"ok\n")


async def test_a_taken_port_is_told_at_once() -> None:
    async with served() as port:
        with pytest.raises(UnavailableError, match="cannot listen on metrics:"):
            MetricsServer(
                ListenSpec("metrics", "127.0.0.1", port),
                Figures(()),
                SiloFigures(NoSilo(), Clock()),
                Calm(),
                Exposition(None),
            )
