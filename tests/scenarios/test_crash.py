"""kill -9 under load: each 202 has a row or a delivery; only messages in flight may be delivered twice.

Five rounds here; `MSILOD_CRASHES=50 pytest tests/scenarios/test_crash.py` before a release.
"""

import os
import select
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from msilod.sip.message import Request, Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone

ROUNDS = int(os.environ.get("MSILOD_CRASHES", "5"))
USERS = 4
MESSAGES = 400
WINDOW = 32


@dataclass
class Sender:
    """Sends texts to the users in turn, WINDOW at a time, and repeats unanswered ones, also after a restart."""

    phone: Phone
    accepted: set[bytes] = field(default_factory=set)
    sent: dict[bytes, bytes] = field(default_factory=dict)
    number: int = 0

    def fill(self, limit: int) -> None:
        while len(self.sent) < WINDOW and self.number < limit:
            call_id = f"crash-{self.number}"
            data = self.phone.message(f"user{self.number % USERS}", call_id, call_id=call_id)
            self.sent[call_id.encode()] = data
            self.phone.send(data)
            self.number += 1

    def again(self) -> None:
        for data in self.sent.values():
            self.phone.send(data)

    def listen(self, seconds: float) -> None:
        while select.select([self.phone.socket], [], [], seconds)[0]:
            answer = self.phone.receive()
            assert isinstance(answer, Response)
            call_id = answer.headers.get(b"call-id") or b""
            # On a busy machine a 100 comes before the 202 (RFC 4320).
            if answer.status >= 200 and self.sent.pop(call_id, None) is not None:
                assert answer.status == 202
                self.accepted.add(call_id)
            seconds = 0

    def finish(self, limit: int) -> None:
        """Run until all texts are answered, with repetitions as by Timer E."""
        for _ in range(200):
            self.fill(limit)
            if not self.sent:
                return
            self.listen(0.25)
            if self.sent and self.number >= limit:
                self.again()
        raise AssertionError(f"{len(self.sent)} were never answered")


def _kill_in_mid_load(daemon: Daemon, sender: Sender, after: int) -> None:
    """Kill the daemon after `after` more accepted texts, with others in flight."""
    goal = len(sender.accepted) + after
    while len(sender.accepted) < goal:
        sender.fill(sender.number + WINDOW)
        sender.listen(0.25)
    daemon.kill()


@pytest.mark.parametrize("crash", range(ROUNDS))
def test_every_202_has_its_row_when_stores_are_killed(
    start_daemon: Callable[..., Daemon], crash: int
) -> None:
    daemon = start_daemon()
    with Phone("alice", daemon.address) as alice:
        sender = Sender(alice)
        _kill_in_mid_load(daemon, sender, 60 + 37 * crash)
        daemon.start()
        sender.again()
        sender.finish(MESSAGES)
    rows = Counter(row["call_id"].encode() for row in daemon.rows())
    assert set(rows) == sender.accepted, "every 202 has its row, and nothing else has"
    assert set(rows.values()) == {1}, "a retransmission across the restart is no second message"


@pytest.mark.parametrize("crash", range(ROUNDS))
def test_none_is_delivered_twice_but_the_one_in_flight(
    start_daemon: Callable[..., Daemon], crash: int
) -> None:
    daemon = start_daemon()
    with Phone("alice", daemon.address) as alice:
        sender = Sender(alice)
        sender.finish(100)
    phones = [Phone(f"user{number}", daemon.address) for number in range(USERS)]
    taken: list[list[bytes]] = [[] for _ in phones]
    stop = threading.Event()
    threads = [
        threading.Thread(target=_take, args=(phone, mine, stop))
        for phone, mine in zip(phones, taken, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        _wait_for(lambda: sum(map(len, taken)) > 10 + 7 * (crash % 12))
        daemon.kill()
        daemon.start()
        for phone in phones:
            phone.send(phone.registration())
        _wait_for(lambda: len(daemon.rows()) == 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for phone in phones:
            phone.socket.close()
    _check(taken, sender.accepted)


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE * 20)):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never came to pass")


def _take(phone: Phone, taken: list[bytes], stop: threading.Event) -> None:
    """A phone: registers, answers each MESSAGE, and notes each new one (a repetition has the same branch)."""
    phone.send(phone.registration())
    branches: set[bytes] = set()
    while not stop.is_set():
        if not select.select([phone.socket], [], [], 0.05)[0]:
            continue
        message = phone.receive()
        if isinstance(message, Request):
            if message.via.branch not in branches:
                branches.add(message.via.branch)
                taken.append(message.call_id)
            phone.answer(message)


def _check(taken: list[list[bytes]], accepted: set[bytes]) -> None:
    assert {call_id for mine in taken for call_id in mine} == accepted, "every 202 was delivered"
    for mine in taken:
        doubled = [call_id for call_id, count in Counter(mine).items() if count > 1]
        assert len(doubled) <= 1, f"only the one in flight may come twice: {doubled}"
        first = list(dict.fromkeys(mine))
        assert first == sorted(first, key=lambda call_id: int(call_id.rpartition(b"-")[2])), "in order"
