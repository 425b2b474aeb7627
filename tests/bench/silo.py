"""Microseconds of the silo's pure decisions: what each costs of the budgets of a store and of a delivery.

    python tests/bench/silo.py [REPEAT]

Rules: no clock is read inside what is measured; the best of several rounds counts, since noise only adds.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from timeit import repeat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import build_delivery
from msilod.silo.intake.acceptance import accept, duplicate_hash
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.delivery_run import DeliveryRun, contact_key
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse

WALL = 1_700_000_000.0
AOR = "bob@example.test"
SENDER = "alice@example.test"
POLICY = SiloPolicy()
ROWS = 64
MESSAGE = (
    b"MESSAGE sip:bob@example.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@example.test>;tag=1928301774\r\n'
    b"To: <sip:bob@example.test>\r\n"
    b"Call-ID: a84b4c76e66710@pc33.example.test\r\n"
    b"CSeq: 314159 MESSAGE\r\n"
    b"User-Agent: Phone 1.0\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    b"Content-Type: text/plain;charset=utf-8\r\n"
    b"Content-Length: 200\r\n\r\n" + b"x" * 200
)


def message() -> Request:
    """A text of 200 bytes as it comes from the parser."""
    request = parse(MESSAGE)
    assert isinstance(request, Request)
    return request


def rows(count: int) -> list[StoredMessage]:
    """Rows of AOR with ids from 1."""
    request = message()
    kept = [accept(request, AOR, SENDER, POLICY, WALL) for _ in range(count)]
    for id, row in enumerate(kept, 1):
        row.id = id
    return kept


def binding() -> Binding:
    """A phone on UDP."""
    flow = Flow(Endpoint(UDP, "192.0.2.1", 5060, b""), "198.51.100.7", 5062)
    return Binding(AOR, "sip:bob@198.51.100.7:5062;ob", "reg", 1, WALL + 3600, WALL, flow=flow)


def one_user(kept: list[StoredMessage], contact: Binding) -> None:
    """A run of 64 rows to one contact, each delivered and its end durable."""
    key = contact_key(contact)
    run = DeliveryRun(AOR, POLICY, RecipientMemory())
    run.offer([contact], WALL)
    run.claimed(kept, WALL)
    for row in kept:
        run.answered(row.id, key, 200, None, WALL)
        run.settled(row.id, True, WALL)
    run.claimed([], WALL)
    assert run.is_finished


def one_row(row: StoredMessage, contact: Binding, schedule: DeliverySchedule) -> None:
    """A run of one row, with its place in the schedule."""
    schedule.begin(AOR)
    run = DeliveryRun(AOR, POLICY, schedule.memory(AOR))
    run.offer([contact], WALL)
    run.claimed([row], WALL)
    run.answered(row.id, contact_key(contact), 200, None, WALL)
    run.settled(row.id, True, WALL)
    assert run.is_finished
    schedule.finished(AOR, None, WALL)


def main() -> None:
    """Write a line per operation."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    request = message()
    kept = rows(ROWS)
    contact = binding()
    schedule = DeliverySchedule()

    def show(name: str, work: Callable[[], object], number: int, per: int = 1) -> None:
        best = min(repeat(work, number=number, repeat=rounds)) / number / per
        sys.stdout.write(f"{name:34}{best * 1e6:8.2f} µs\n")

    show("accept", lambda: accept(request, AOR, SENDER, POLICY, WALL), 20_000)
    show("  of it duplicate_hash", lambda: duplicate_hash(
        request.call_id, 314159, b"1928301774", "alice@example.test", AOR, b"text/plain;charset=utf-8", request.body
    ), 50_000)  # fmt: skip
    show("build_delivery", lambda: build_delivery(kept[0], contact.contact, (), POLICY, 0.0), 20_000)
    show("  and its to_bytes", build_delivery(kept[0], contact.contact, (), POLICY, 0.0).to_bytes, 20_000)
    show(f"run, per row of {ROWS}", lambda: one_user(kept, contact), 200, ROWS)
    show("run of one row, with schedule", lambda: one_row(kept[0], contact, schedule), 5_000)


if __name__ == "__main__":
    main()
