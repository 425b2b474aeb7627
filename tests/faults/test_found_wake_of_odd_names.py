"""A call to wake many recipients failed as a whole when one of the names could not be read as an address."""

from pathlib import Path

import pytest
import trio

from tests.network.desk import handlers
from tests.network.world import DOMAIN, World, play

ODD = (
    "bob",
    "",
    "@",
    "sip:",
    "a b@c d",
    f"bob@{DOMAIN}:99999",
    "x" * 5000,
    "\udcff@x",
    "tel:",
    f"carol@{DOMAIN}",
)


@pytest.mark.parametrize("first", [True, False])
def test_the_others_are_woken(tmp_path: Path, first: bool) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.answers = ((0.05, 480),)
        bob.boot()
        await trio.sleep(1)
        alice.text("bob")
        await trio.sleep(5)
        assert len(world.rows()) == 1
        bob.answers = ((0.05, 200),)
        aors = [f"bob@{DOMAIN}", *ODD] if first else [*ODD, f"bob@{DOMAIN}"]
        wake = handlers(world)["wake"]
        await wake({"aors": aors, "requeued": {aor: [1, 2**62] for aor in ODD}})
        await trio.sleep(1)
        assert world.rows() == {}
        assert not any(world.left_over()[name] for name in ("runs", "live", "internal errors"))

    assert play(tmp_path, story).ledger.faults == []
