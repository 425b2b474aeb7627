"""A thousand days of stores, registrations, relays and calls on the virtual network, a day per seed.

CI runs 200 days. All days, or any others:

    MSILOD_SEEDS=1000 pytest tests/network/test_seeds.py
    MSILOD_SEEDS=4711-4720 pytest tests/network/test_seeds.py

A failure shows the seed, the broken laws and the SIP ladder of the day.
"""

import os
from pathlib import Path

import pytest

from tests.network.days import KINDS, Day
from tests.network.world import World, play


def _seeds(words: str) -> range:
    first, dash, last = words.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(first))


SEEDS = _seeds(os.environ.get("MSILOD_SEEDS", "200"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_ends_as_it_should(tmp_path: Path, seed: int) -> None:
    async def story(world: World) -> None:
        await Day(world, KINDS[seed % len(KINDS)]).live()

    world = play(tmp_path, story, seed)
    faults = "\n".join(world.ledger.faults)
    assert not faults, f"seed {seed}, {KINDS[seed % len(KINDS)]}:\n{faults}\n\n{world.ladder.draw()}"
