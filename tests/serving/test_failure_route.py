"""The failure route: asked once per failure with its status, and late answers reach the stored row."""

from pathlib import Path

import pytest
import trio

from msilod.routing import default
from msilod.routing.actions import Action, Relay
from msilod.routing.request import RoutingRequest
from msilod.serving.failure_route import MAX_RELAYS
from tests.network.phone import Phone, Script
from tests.network.world import World, configured, play


class Asked:
    """The default policy, which notes each call of failure_route. `then`: the action instead of the default's."""

    def __init__(self, then: Action | None = None) -> None:
        self.then = then
        self.statuses: list[int] = []

    def route(self, request: RoutingRequest) -> Action:
        if self.then is not None and request.is_registered:
            return Relay(on_failure=True)
        return default.route(request)

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        self.statuses.append(status)
        return default.failure_route(request, status) if self.then is None else self.then


async def two_phones(world: World, answers: Script) -> tuple[Phone, Phone]:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.boot()
    bob.expires = 3600
    bob.boot()
    await trio.sleep(1)
    bob.answers = answers
    return alice, bob


@pytest.mark.parametrize(("answer", "status"), [(480, 202), (404, 202), (603, 603), (503, 202)])
def test_the_policy_is_asked_once_with_the_status_of_the_phone(
    tmp_path: Path, answer: int, status: int
) -> None:
    async def story(world: World) -> None:
        policy = Asked()
        world.parts.policy.configure(policy)
        alice, _ = await two_phones(world, ((0.1, answer),))
        asked = alice.text("bob")
        await trio.sleep(2)
        assert len(policy.statuses) == 1
        assert policy.statuses[0] in (answer, 500), (
            "a 503 counts as 500 for the policy of a proxy (16.7 step 6)"
        )
        assert asked.status == status

    play(tmp_path, story)


def test_a_policy_that_relays_again_and_again_is_stopped(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        policy = Asked(Relay(on_failure=True))
        world.parts.policy.configure(policy)
        alice, bob = await two_phones(world, ((0.01, 480),))
        bob.rings = ((0.01, 480),)
        asked = alice.text("bob")
        await trio.sleep(5)
        assert asked.status == 480
        assert len(policy.statuses) == MAX_RELAYS
        policy.statuses.clear()
        call = alice.call("bob")
        await trio.sleep(40)
        assert call.status == 480
        assert len(policy.statuses) == MAX_RELAYS

    play(tmp_path, story)


def test_a_late_6xx_rejects_the_stored_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await two_phones(world, ((20.0, 603),))
        asked = alice.text("bob")
        await trio.sleep(15)
        assert asked.status == 202
        await trio.sleep(10)
        ((state, reason),) = world.rows().values()
        assert state == "rejected", reason

    play(tmp_path, story)


def test_a_refusal_of_the_silo_waits_for_a_phone_that_may_still_take_the_message(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await two_phones(world, ((12.0, 200),))
        asked = alice.text("bob")
        await trio.sleep(20)
        assert len(bob.got) >= 1
        assert asked.status == 200

    play(tmp_path, story, config=configured(silo={"max_body": 1}))


def test_a_phone_that_takes_no_messages_is_not_asked_again_after_the_2xx_of_another(tmp_path: Path) -> None:
    """405 holds for all messages, and not only for messages that went to the silo."""

    async def story(world: World) -> None:
        alice, bob = await two_phones(world, ((0.5, 200),))
        desk = world.phone("bob")
        desk.expires = 3600
        desk.boot()
        await trio.sleep(1)
        desk.answers = ((0.1, 405),)
        for count in (1, 2):
            asked = alice.text("bob")
            await trio.sleep(2)
            assert asked.status == 200
            assert (len(bob.got), len(desk.got)) == (count, 1)

    play(tmp_path, story)
