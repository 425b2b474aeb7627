"""Requests that wait for the answer of a place."""

import trio
import trio.testing

from msilod.auth.trust import Trust
from msilod.reaching.places import Places
from msilod.registrar.binding import Binding
from msilod.sip.flow import UDP, Endpoint, Flow

ENDPOINT = Endpoint(UDP, "203.0.113.1", 5060, b"203.0.113.1")
FLOW = Flow(ENDPOINT, "198.51.100.7", 5070)
BINDING = Binding(
    "bob@example.test", "sip:bob@198.51.100.7:5070", "c", 1, 9e9, 0.0,
    flow=Flow(ENDPOINT, "198.51.100.9", 5060),
)  # fmt: skip


class Owner:
    """No event comes."""


async def test_waiting_requests_leave_in_the_order_in_which_they_came() -> None:
    for _ in range(20):
        places, left = Places(Trust()), list[int]()
        places.watched(Owner(), BINDING, FLOW, trio.current_time())  # type: ignore[arg-type]

        async def wait(number: int, places: Places = places, left: list[int] = left) -> None:
            await places.turn(BINDING, FLOW)
            left.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(wait, number)
                await trio.testing.wait_all_tasks_blocked()
            places.answered((FLOW.host, FLOW.port))
        assert left == [0, 1, 2, 3]
