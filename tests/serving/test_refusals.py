"""Refusals: an unexpected error is answered with 500 and counted."""

from pathlib import Path

import trio

from msilod.routing.actions import Action
from msilod.routing.default import failure_route
from msilod.routing.request import RoutingRequest
from tests.network.world import World, play


class Broken:
    """A policy with a fault in `route`."""

    def route(self, request: RoutingRequest) -> Action:
        raise RuntimeError("a fault of the policy")

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        return failure_route(request, status)


def test_an_unexpected_error_is_answered_with_500_and_counted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        world.parts.policy.configure(Broken())
        asked = [alice.text("bob"), alice.text("bob")]
        await trio.sleep(1)
        assert [each.status for each in asked] == [500, 500]
        assert world.parts.counters.internal_errors == 2

    play(tmp_path, story, errors=["a request could not be served"] * 2)
