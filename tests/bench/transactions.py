"""What the transaction layer costs: microseconds per operation, bytes per remembered answer.

    python tests/bench/transactions.py [speed] [table] [memory] [relayed]

`speed`   a MESSAGE stored (receive_request, respond) and relayed (request, receive_response, forward), and
          their parts. Every request is another one, as on the wire: the caches are cold.
`table`   the layer with its two short cuts, and with the steps through the tables that they stand for.
`memory`  30,000 stores a second for 70 s of virtual time, live transactions, Timer J and RFC 4320's queue
          included; what the process grew by, and the longest pause.
`relayed` the same for relayed MESSAGEs, which keep the device's To tag.

Rules: messages are parsed outside of what is measured; the best of several rounds counts, since noise only
adds; memory runs each in a process of its own.
"""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from gc import collect
from itertools import count
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.sip.flow import Endpoint, Flow
from msilod.sip.message import Request, Response, response_bytes
from msilod.sip.parser import parse
from msilod.sip.via import stamp_source
from msilod.transaction.client import ClientTransaction
from msilod.transaction.clients import ClientTransactions
from msilod.transaction.key import server_key
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.relayed import take_top_via
from msilod.transaction.remembered import TIMER_J, Answer, Remembered
from msilod.transaction.server import ServerTransaction
from msilod.transaction.servers import ServerTransactions
from msilod.transaction.tables import Action, Input
from msilod.transaction.timers import T4

UDP = Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
ALICE = Flow(UDP, "198.51.100.7", 40001)
BOB = Flow(UDP, "198.51.100.8", 5060)
BODY = b"The quick brown fox jumps over the lazy dog. " * 2
RATE = 30_000
SECONDS = 70
BATCH = 30
ROUNDS = 7
MANY = 10_000
TAGS = count(1)


def bits(number: int) -> int:
    """64 bits that look random (splitmix64), the same in every run."""
    mixed = (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return mixed ^ (mixed >> 31)


def request() -> Request:
    """A MESSAGE that was never seen before."""
    number = next(TAGS)
    data = (
        b"MESSAGE sip:bob@example.test SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bK%016x\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "Alice Liddell" <sip:alice@example.test>;tag=3b1f0a7e9d\r\n'
        b"To: <sip:bob@example.test>\r\n"
        b"Call-ID: 5f0b2c1e-7d7b-4a0f-9a77-%012x\r\n"
        b"CSeq: 20 MESSAGE\r\n"
        b"User-Agent: Linphone/4.4.10 (belle-sip/5.1.0)\r\n"
        b"Content-Type: text/plain;charset=utf-8\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (bits(number), number, len(BODY), BODY)
    )
    made = parse(data)
    assert isinstance(made, Request)
    stamp_source(made, ALICE)
    return made


class Silo:
    """A user that stores everything, and an owner that forwards everything."""

    def __init__(self) -> None:
        self.layer = TransactionLayer(self, self.send, b"secret")
        self.sent = b""
        self.is_storing = True
        self.server: ServerTransaction | None = None
        self.relays: dict[ClientTransaction, ServerTransaction | None] = {}

    def send(self, data: bytes, flow: Flow) -> None:
        """Nowhere."""
        self.sent = data

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """Answer at once, or let the bench go on with it."""
        self.server = transaction
        if self.is_storing:
            transaction.respond(202, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Back to whoever asked."""
        server = self.relays.pop(transaction)
        if server is not None:
            server.forward(response, now)

    def _not_here(self, *args: object, **kwargs: object) -> None:
        """Never called."""
        raise AssertionError

    on_cancel = on_ack = on_unsent = on_limit = on_timeout = on_transport_error = _not_here

    def relay(self, now: float) -> ClientTransaction:
        """The request that came last goes on to the device."""
        assert self.server is not None
        copy = self.server.request.copy()
        client = self.layer.request(copy, BOB, self, now, b"z9hG4bK%016x" % bits(next(TAGS)), 10.0)
        self.relays[client] = self.server
        return client


def answer_to(data: bytes) -> Response:
    """What the device says, as it comes from the parser."""
    asked = parse(data)
    assert isinstance(asked, Request)
    made = parse(response_bytes(asked, 200, b"dev%08x" % next(TAGS), ((b"Server", b"phone"),)))
    assert isinstance(made, Response)
    return made


def say(microseconds: float, what: str) -> None:
    """One line."""
    sys.stdout.write(f"{microseconds:8.2f} us  {what}\n")


def say_bytes(size: float, what: str) -> None:
    """One line."""
    sys.stdout.write(f"{size:8.0f} bytes  {what}\n")


def best(prepare: Callable[[], list[object]], run: Callable[[list[object]], None]) -> float:
    """Microseconds per item, the best of the rounds."""
    least = float("inf")
    for _ in range(ROUNDS):
        items = prepare()
        began = perf_counter()
        run(items)
        least = min(least, (perf_counter() - began) / len(items) * 1e6)
    return least


# --- speed -------------------------------------------------------------------------------------------


def requests() -> list[object]:
    return [request() for _ in range(MANY)]


def store() -> None:
    silo = Silo()
    now = 0.0

    def run(items: list[object]) -> None:
        nonlocal now
        receive = silo.layer.receive_request
        for at in range(0, len(items), BATCH):
            now += BATCH / RATE
            for item in items[at : at + BATCH]:
                receive(item, ALICE, now)  # type: ignore[arg-type]
            silo.layer.handle_timeout(now)

    say(best(requests, run), "store: receive_request (new) + respond(202), timers included")


def copies() -> None:
    silo = Silo()

    def prepare() -> list[object]:
        items = requests()
        for item in items:
            silo.layer.receive_request(item, ALICE, 1.0)  # type: ignore[arg-type]
        return items

    def run(items: list[object]) -> None:
        for item in items:
            silo.layer.receive_request(item, ALICE, 2.0)  # type: ignore[arg-type]

    say(best(prepare, run), "a copy answered from memory")


def relay() -> None:
    """Each step is timed by itself, since a response needs the request that went out."""
    least = [float("inf")] * 3
    for _ in range(ROUNDS):
        silo = Silo()
        silo.is_storing = False
        spent = [0.0, 0.0, 0.0]
        for item in requests():
            began = perf_counter()
            silo.layer.receive_request(item, ALICE, 1.0)  # type: ignore[arg-type]
            asked = perf_counter()
            client = silo.relay(1.0)
            spent[0] += asked - began
            spent[1] += perf_counter() - asked
            assert client in silo.relays
            response = answer_to(silo.sent)
            began = perf_counter()
            silo.layer.receive_response(response, BOB, 1.0)
            spent[2] += perf_counter() - began
        least = [min(pair) for pair in zip(least, (part / MANY * 1e6 for part in spent), strict=True)]
    say(least[1] + least[2], "relay: request + receive_response + forward, with the copy of the request")
    for part, what in zip(
        least, ("receive_request (new)", "copy + request", "receive_response + forward"), strict=True
    ):
        say(part, f"  {what}")


def parts() -> None:
    silo = Silo()
    memory = Remembered()
    for number in range(900_000):
        memory.add(b"filler %d" % number, 202, number / RATE)
    keys: list[bytes] = []

    def each(what: Callable[[Request], object]) -> Callable[[list[object]], None]:
        def run(items: list[object]) -> None:
            for item in items:
                what(item)  # type: ignore[arg-type]

        return run

    def make_key(item: Request) -> None:
        keys.append(server_key(item, item.method))

    say(best(requests, each(make_key)), "  server_key")
    say(best(requests, each(silo.layer.stateless_tag)), "  stateless_tag")
    say(
        best(requests, each(lambda item: response_bytes(item, 202, b"0123456789abcdef"))),
        "  response_bytes (sip)",
    )
    say(best(requests, each(Request.to_bytes)), "  Request.to_bytes (sip)")
    asking: Iterator[bytes] = iter(keys)
    say(
        best(lambda: [None] * MANY, each(lambda _: memory.get(next(asking)))),
        "  memory.get, 0.9 million in it, a miss",
    )
    adding: Iterator[bytes] = iter(keys)
    say(best(lambda: [None] * MANY, each(lambda _: memory.add(next(adding), 202, 31.0))), "  memory.add")


def speed() -> None:
    """All of it."""
    store()
    copies()
    relay()
    parts()


# --- table -------------------------------------------------------------------------------------------


class ServersByTable(ServerTransactions):
    """Without the short cut: a completed transaction lives on, and Timer J ends it."""

    def _complete(self, transaction: ServerTransaction, data: bytes, answer: Answer, now: float) -> None:
        if self._step(transaction, Input.FINAL, now) is Action.SEND:
            self._timers.add(TIMER_J, transaction.key, now)
            transaction.last = data
            self._put(transaction, data, now)

    def _fire(self, transaction: ServerTransaction, span: float, now: float) -> None:
        if span == TIMER_J:
            self._step(transaction, Input.TIMER_J, now)


class ClientsByTable(ClientTransactions):
    """Without the short cut: a transaction with its final response lives on, and Timer K ends it."""

    def receive(self, response: Response, now: float) -> None:
        transaction = self._match(response)
        if transaction is not None:
            take_top_via(response)
            self._step(transaction, Input.FINAL, now, response)
            transaction.alarm = self._timers.add(T4, transaction.branch, now)


def each_way(servers: type[ServerTransactions], clients: type[ClientTransactions], name: str) -> None:
    """Time and memory of final answers, in and out, their last timers included."""
    silo = Silo()
    silo.layer._servers = servers(silo, silo.send, b"secret", 10**9)
    silo.layer._clients = clients(silo.send)
    silo.is_storing = False
    now = 0.0

    def prepare_servers() -> list[object]:
        made: list[object] = []
        for item in requests():
            silo.layer.receive_request(item, ALICE, now)  # type: ignore[arg-type]
            made.append(silo.server)
        return made

    def answer(items: list[object]) -> None:
        nonlocal now
        for server in items:
            server.respond(202, now)  # type: ignore[attr-defined]
        now += 40.0
        silo.layer.handle_timeout(now)

    def prepare_clients() -> list[object]:
        made: list[object] = []
        for server in prepare_servers():
            assert isinstance(server, ServerTransaction)
            silo.server = server
            silo.relay(now)
            made.append(answer_to(silo.sent))
        silo.relays = dict.fromkeys(silo.relays)
        return made

    def receive(items: list[object]) -> None:
        nonlocal now
        for response in items:
            silo.layer.receive_response(response, BOB, now)  # type: ignore[arg-type]
        now += 10.0
        silo.layer.handle_timeout(now)

    say(best(prepare_servers, answer), f"NIST final answer, by the {name}, with Timer J")
    say(best(prepare_clients, receive), f"NICT final response, by the {name}, with Timer K")
    collect()
    tracemalloc.start()
    waiting = prepare_servers()
    for server in waiting:
        server.respond(202, now)  # type: ignore[attr-defined]
    del waiting, server
    silo.server = None
    collect()
    say_bytes(tracemalloc.get_traced_memory()[0] / MANY, f"kept for each NIST until Timer J, by the {name}")
    tracemalloc.stop()


def table() -> None:
    """The same messages with and without the short cuts."""
    each_way(ServerTransactions, ClientTransactions, "short cut")
    each_way(ServersByTable, ClientsByTable, "table")


# --- memory ------------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def steady(is_storing: bool) -> None:
    """A steady state of Timer J; generator and requests of one batch live on, no more."""
    silo = Silo()
    silo.is_storing = is_storing
    before = resident()
    worst = 0.0
    for batch in range(RATE * SECONDS // BATCH):
        now = batch * BATCH / RATE
        items = [request() for _ in range(BATCH)]
        began = perf_counter()
        for item in items:
            silo.layer.receive_request(item, ALICE, now)
            if not is_storing:
                silo.relay(now)
                silo.layer.receive_response(answer_to(silo.sent), BOB, now)
        silo.layer.handle_timeout(now)
        worst = max(worst, perf_counter() - began)
    grown, kept = resident() - before, silo.layer.remembered
    sys.stdout.write(
        f"{grown / kept:8.0f} bytes  for each of {kept} remembered answers, {grown / 1e6:.0f} MB in all;"
        f" process {resident() / 1e6:.0f} MB; longest batch of {BATCH}: {worst * 1e3:.1f} ms\n"
    )


def in_a_process_of_its_own(what: str) -> None:
    """Memory that another measurement has left behind would count for nothing."""
    subprocess.run([sys.executable, __file__, f"{what}-here"], check=True)


COMMANDS: dict[str, Callable[[], None]] = {
    "speed": speed,
    "table": table,
    "memory": lambda: in_a_process_of_its_own("memory"),
    "relayed": lambda: in_a_process_of_its_own("relayed"),
    "memory-here": lambda: steady(True),
    "relayed-here": lambda: steady(False),
}


def main() -> None:
    """All four, or those that are named."""
    for name in sys.argv[1:] or ("speed", "table", "memory", "relayed"):
        if not name.endswith("-here"):
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
        COMMANDS[name]()


if __name__ == "__main__":
    main()
