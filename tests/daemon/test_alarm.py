"""The alarm: one timer for the transactions and for deliveries held apart."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from msilod.daemon.alarm import Alarm
from msilod.reaching.apart import SECONDS, Apart
from msilod.transaction.layer import TransactionLayer

KEY = ("sip:bob@192.0.2.9", None)


class Layer(TransactionLayer):
    """A layer with the deadlines of a test."""

    def __init__(self) -> None:
        super().__init__(lambda data, flow: None, bytes(16))
        self.deadlines: list[float] = []
        self.woken: list[float] = []

    def next_deadline(self) -> float | None:
        return min(self.deadlines, default=None)

    def handle_timeout(self, now: float) -> None:
        self.woken.append(now)
        self.deadlines = [at for at in self.deadlines if at > now]


class Desk:
    def __init__(self) -> None:
        self.layer, self.apart = Layer(), Apart()
        self.batches = 0
        self.alarm = Alarm(self.layer, self.apart, self.ended)

    def ended(self) -> None:
        self.batches += 1
        self.alarm.rearm()


async def story(autojump_clock: trio.testing.MockClock, then: Callable[[Desk], object], wait: float) -> Desk:
    async with trio.open_nursery() as nursery:
        desk = Desk()
        nursery.start_soon(desk.alarm.run)
        await trio.testing.wait_all_tasks_blocked()
        then(desk)
        await trio.sleep(wait)
        nursery.cancel_scope.cancel()
    return desk


@pytest.mark.interpreted
async def test_an_earlier_deadline_of_a_batch_moves_the_alarm_forward(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def then(desk: Desk) -> None:
        desk.layer.deadlines = [trio.current_time() + 50]
        desk.alarm.rearm()
        desk.layer.deadlines.append(trio.current_time() + 2)
        desk.alarm.rearm()

    start = trio.current_time()
    desk = await story(autojump_clock, then, 100)
    assert [round(at - start) for at in desk.layer.woken] == [2, 50]
    assert desk.batches == 2, "each wake-up ends a batch"


@pytest.mark.interpreted
async def test_a_held_delivery_is_sent_after_its_time_although_no_transaction_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    sent: list[float] = []

    def then(desk: Desk) -> None:
        now = trio.current_time()
        desk.apart.note(KEY, now)
        assert desk.apart.holds(KEY, now, sent.append)
        desk.layer.deadlines = [now + 32]
        desk.alarm.rearm()

    start = trio.current_time()
    await story(autojump_clock, then, 1)
    (at,) = sent
    assert SECONDS <= at - start < SECONDS + 0.1, "the earlier of the two deadlines counts"
