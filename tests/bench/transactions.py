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
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.sip.message import Request, response_bytes
from msilod.transaction.completed import Remembered
from msilod.transaction.key import server_key
from tests.bench.layer import (
    ALICE,
    BATCH,
    BOB,
    MANY,
    RATE,
    ROUNDS,
    Silo,
    answer_to,
    best,
    request,
    requests,
    say,
)
from tests.bench.shortcuts import table

SECONDS = 70

# --- speed -------------------------------------------------------------------------------------------


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
        memory.add(b"filler %d" % number, 1 << 50, 202, number / RATE)
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
    say(
        best(lambda: [None] * MANY, each(lambda _: memory.add(next(adding), 1 << 50, 202, 31.0))),
        "  memory.add",
    )


def speed() -> None:
    """All of it."""
    store()
    copies()
    relay()
    parts()


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
