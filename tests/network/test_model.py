"""The model: random stores, registrations, refusals, kills, clock jumps, holds and purges, against simple rules.

Hypothesis writes a plan, one step a rule, and shrinks it when it ends badly; the plan is played on the virtual
daemon in fine weather, so that whatever is lost or repeated is the daemon's doing. In the evening everybody comes
and takes what there is. Then every message that was accepted has ended in exactly one way: delivered, expired,
purged, or kept as rejected or held. What the ledger knows holds all the time: nothing again after its 2xx, one
in flight per contact, rows in their order, nothing that is held or purged.

CI plays the same 60 plans each time. More, and new ones:

    MSILOD_MODEL=1000 pytest tests/network/test_model.py
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.network.desk import Desk
from tests.network.phone import LATE, SILENT, TAKES, Phone, Script
from tests.network.world import World, configured, play

PLANS = int(os.environ.get("MSILOD_MODEL", "60"))
STEPS = 30
USERS = ("bob", "carol")
LIFE = 259_200.0
MOODS: dict[str, Script] = {
    "takes": TAKES, "away": ((0.05, 480),), "busy": ((0.05, 486),), "type": ((0.05, 415),), "error": ((0.05, 500),),
    "declines": ((0.05, 603),), "no messages": ((0.05, 405),), "silent": SILENT, "late": LATE, "slow": ((5.0, 200),),
}  # fmt: skip
Step = Callable[["Town"], Awaitable[None]]


class Town:
    """alice, who writes, and one phone for each of the others; `ends` is how rows have ended, by id."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = Desk(world)
        self.alice = world.phone("alice")
        self.alice.switch_on()
        self.phones: dict[str, Phone] = {user: world.phone(user) for user in USERS}
        self.ends: dict[int, list[str]] = {}
        self.names = 0

    async def send(self, user: str, life: float) -> None:
        self.names += 1
        extra = f"Expires: {life:.0f}\r\n" if life != LIFE else ""
        self.alice.text(user, extra, life, b"m%d" % self.names)

    async def change(self, user: str, what: str) -> None:
        phone = self.phones[user]
        if what == "dies":
            phone.die()
        elif what == "comes" or not phone.is_alive:
            phone.boot()
        elif what == "moves":
            phone.move(phone.address[1] + 1)
            phone.boot()
        else:
            phone.register(0 if what == "leaves" else None)

    async def mood(self, user: str, mood: str) -> None:
        self.phones[user].answers = MOODS[mood]

    async def operate(self, user: str, what: str) -> None:
        await getattr(self.desk, what)(user)

    async def wait(self, seconds: float) -> None:
        """The table of the ended forgets after a while, so it is read on the way."""
        while seconds > 0:
            await trio.sleep(min(seconds, 60))
            seconds -= 60
            if not self.world.is_up:
                await self.world.restart()
            self._read_ends()

    async def kill(self, how: str) -> None:
        if how == "now":
            await self.world.restart()
        else:
            self.world.crash_in = how

    async def set_clock(self, seconds: float) -> None:
        self.world.jump(seconds)

    def _read_ends(self) -> None:
        for id, how in self.world.ended():
            ends = self.ends.setdefault(id, [])
            if how not in ends:
                ends.append(how)

    async def evening(self) -> None:
        """Everybody comes back and takes what there is."""
        self.world.crash_in = ""
        await self.wait(1)
        for _ in range(4):
            for phone in self.phones.values():
                phone.answers = TAKES
                phone.boot()
            await self.wait(80)
        self.world.ledger.faults += self._faults()

    def _faults(self) -> list[str]:
        rows = {name: state for name, (state, _) in self.world.rows().items()}
        faults = [f"{count} {name} left over" for name, count in self.world.left_over().items() if count]
        for name, message in self.world.ledger.messages.items():
            ends = list(self.ends.get(message.row, [])) + ([rows[name]] if name in rows else [])
            if message.taken and not message.row:
                ends.append("delivered online")
            if any(status < 300 for status in message.statuses) and len(ends) != 1:
                faults.append(
                    f"{name!r}, row {message.row}, answered {message.statuses}, has ended as {ends}"
                )
            if set(ends) & {"waiting", "scheduled"}:
                faults.append(f"{name!r} is left waiting")
            if ends == ["delivered"] and not message.taken:
                faults.append(f"{name!r} is said to be delivered, and nobody has it")
        return faults


class Plan(RuleBasedStateMachine):
    """The steps of one example; played when it is complete."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def _step(self, step: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self.steps.append(lambda town: partial(step, town)(*arguments))

    @initialize(is_busy=st.booleans())
    def morning(self, is_busy: bool) -> None:
        """Half of the days begin in the middle of a slow delivery."""
        if is_busy:
            for _ in range(4):
                self._step(Town.send, "bob", LIFE)
            self._step(Town.mood, "bob", "slow")
            self._step(Town.change, "bob", "comes")
            self._step(Town.wait, 1.0)

    @rule(
        user=st.sampled_from(USERS), life=st.sampled_from([LIFE, LIFE, LIFE, 60.0]), count=st.integers(1, 4)
    )
    def send(self, user: str, life: float, count: int) -> None:
        for _ in range(count):
            self._step(Town.send, user, life)

    @rule(user=st.sampled_from(USERS), what=st.sampled_from(["comes", "stays", "moves", "leaves", "dies"]))
    def change(self, user: str, what: str) -> None:
        self._step(Town.change, user, what)

    @rule(user=st.sampled_from(USERS), mood=st.sampled_from(sorted(MOODS)))
    def mood(self, user: str, mood: str) -> None:
        self._step(Town.mood, user, mood)

    @rule(seconds=st.sampled_from([0.01, 0.05, 1.0, 12.0, 40.0, 70.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self._step(Town.wait, seconds)

    @rule(user=st.sampled_from(USERS), what=st.sampled_from(["hold", "release", "requeue", "purge"]))
    def operate(self, user: str, what: str) -> None:
        self._step(Town.operate, user, what)

    @rule(how=st.sampled_from(["now", "before commit", "before answers"]))
    def kill(self, how: str) -> None:
        self._step(Town.kill, how)

    @rule(seconds=st.sampled_from([-86_400.0, -10.0, 10.0, 86_400.0]))
    def set_clock(self, seconds: float) -> None:
        self._step(Town.set_clock, seconds)

    def teardown(self) -> None:
        async def story(world: World) -> None:
            town = Town(world)
            for step in self.steps:
                if not world.is_up:
                    await world.restart()
                await step(town)
            await town.evening()

        with TemporaryDirectory() as folder:
            world = play(Path(folder), story, config=configured(silo={"retry": [60, 120]}))
        faults = "\n".join(world.ledger.faults)
        assert not faults, f"{faults}\n{world.ladder.draw()}"


def test_nothing_is_lost_or_repeated_and_every_message_ends_in_one_way() -> None:
    run_state_machine_as_test(
        Plan,
        settings=settings(
            max_examples=PLANS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="MSILOD_MODEL" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
