"""The model: random stores, registrations, refusals, kills, write errors, clock jumps and operators; simple rules.

Hypothesis writes a plan, with a step per rule, and shrinks a failing plan. The plan is played on the virtual daemon in
a small town (town.py). Each verb of the operator must do exactly the work computed by the model (desk.py). In the
evening all phones accept messages; then each accepted message must have ended in exactly one way, with entries in the
history (endings.py). The ledger's rules hold all the time: no message again after a 2xx, one in flight per contact,
rows in order, no held, purged, paused, expired or early messages, no message to another user.

CI plays the same 60 plans each time. More plans, and new ones:

    MSILOD_MODEL=1000 pytest tests/network/test_model.py
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.network.desk import CHOICES, VERBS
from tests.network.town import LIFE, MOODS, NOBODY, SENDERS, SILO, USERS, Town
from tests.network.world import DOMAIN, World, configured, play

PLANS = int(os.environ.get("MSILOD_MODEL", "60"))
STEPS = 30
REFUSED = ("rows could not be given back",)
Step = Callable[[Town], Awaitable[None]]
LIVES = st.sampled_from([LIFE, LIFE, LIFE, 60.0])
CHOSEN = st.sampled_from(["all"] * 6 + ["two"] * 2 + sorted(CHOICES))
WHO = st.sampled_from(USERS)


class Plan(RuleBasedStateMachine):
    """The steps of one example, played at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def _step(self, step: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self.steps.append(lambda town: partial(step, town)(*arguments))

    @initialize(
        user=WHO, mood=st.sampled_from(["slow", "slow", "type", "type", "busy", "tardy"]),
        act=st.sampled_from(["pause", "hold", "hold", "purge", "purge", "requeue"]),
        domain=st.sampled_from(["", DOMAIN]), choice=CHOSEN, is_killed=st.booleans(),
        is_late=st.booleans(),
    )  # fmt: skip
    def morning(
        self, user: str, mood: str, act: str, domain: str, choice: str, is_killed: bool, is_late: bool
    ) -> None:
        """Each day begins with an operator's verb during a delivery; half of the days add a kill or a late answer."""
        self._step(Town.wake_up)
        for sender, life in (("alice", LIFE), ("dave", LIFE), ("alice", 60.0), ("dave", LIFE)):
            self._step(Town.send, user, life, sender, "text")
            self._step(Town.send, NOBODY, 60.0 if sender == "dave" else 175.0, sender, "text")
        self._step(Town.mood, user, mood)
        self._step(Town.change, user, "comes")
        self._step(Town.wait, 1.0)
        if act == "pause":
            self._step(Town.switch, act, domain)
        else:
            self._step(Town.operate, act, user, choice)
        if is_killed:
            self._step(Town.kill, "now")
        self._step(Town.wait, 70.0 if mood in ("busy", "tardy") else 12.0)
        if is_late:
            self._step(Town.mood, user, "late")
            self._step(Town.change, user, "comes")
            self._step(Town.send, user, LIFE, "alice", "text")
            self._step(Town.wait, 30.0)

    @rule(
        user=WHO, life=LIVES, count=st.integers(1, 4), sender=st.sampled_from(SENDERS),
        kind=st.sampled_from(["text", "text", "large", "picture"]),
    )  # fmt: skip
    def send(self, user: str, life: float, count: int, sender: str, kind: str) -> None:
        for _ in range(count):
            self._step(Town.send, user, life, sender, kind)

    @rule(user=WHO, life=LIVES, delay=st.sampled_from([0.0, 30.0, 200.0, 90_000.0]))
    def inject(self, user: str, life: float, delay: float) -> None:
        self._step(Town.inject, user, life, delay)

    @rule(user=WHO, what=st.sampled_from(["comes", "stays", "moves", "leaves", "dies"]))
    def change(self, user: str, what: str) -> None:
        self._step(Town.change, user, what)

    @rule(user=WHO, mood=st.sampled_from(sorted(MOODS)))
    def mood(self, user: str, mood: str) -> None:
        self._step(Town.mood, user, mood)

    @rule(seconds=st.sampled_from([0.01, 0.05, 1.0, 12.0, 40.0, 70.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self._step(Town.wait, seconds)

    @rule(
        verb=st.sampled_from(sorted(VERBS)), user=st.sampled_from((*USERS, "*")),
        choice=CHOSEN,
    )  # fmt: skip
    def operate(self, verb: str, user: str, choice: str) -> None:
        self._step(Town.operate, verb, user, choice)

    @rule(
        user=WHO, mood=st.sampled_from(["slow", "slow", "declines", "type", "busy", "silent"]),
        verb=st.sampled_from(sorted(VERBS)), choice=CHOSEN,
    )  # fmt: skip
    def scene(self, user: str, mood: str, verb: str, choice: str) -> None:
        """Run a verb of the operator during a delivery, which is too rare by chance alone."""
        for sender, kind in (("alice", "text"), ("dave", "large"), ("dave", "picture")):
            self._step(Town.send, user, LIFE, sender, kind)
        self._step(Town.inject, user, LIFE, 30.0)
        self._step(Town.mood, user, mood)
        self._step(Town.change, user, "comes")
        self._step(Town.wait, 1.0)
        self._step(Town.operate, verb, user, choice)

    @rule(verb=st.sampled_from(["pause", "resume", "resume"]), domain=st.sampled_from(["", DOMAIN, "test"]))
    def switch(self, verb: str, domain: str) -> None:
        self._step(Town.switch, verb, domain)

    @rule(user=WHO, is_to_tablet=st.booleans())
    def dump(self, user: str, is_to_tablet: bool) -> None:
        self._step(Town.dump, user, is_to_tablet)

    @rule(how=st.sampled_from(["now", "before commit", "before answers"]))
    def kill(self, how: str) -> None:
        self._step(Town.kill, how)

    @rule(
        user=WHO, mood=st.sampled_from(["busy", "declines", "type", "silent"]),
        seconds=st.sampled_from([1.0, 12.0, 70.0]), how=st.sampled_from(["comes", "stays", "moves", "leaves", "dies"]),
        next_mood=st.sampled_from(["takes", "takes", "slow", "busy"]),
    )  # fmt: skip
    def refuse(self, user: str, mood: str, seconds: float, how: str, next_mood: str) -> None:
        """For a while outcomes of deliveries cannot be written; then the user registers, with older and newer rows."""
        for sender, kind in (("alice", "text"), ("dave", "large")):
            self._step(Town.send, user, LIFE, sender, kind)
        self._step(Town.mood, user, mood)
        self._step(Town.change, user, "comes")
        self._step(Town.refuse, seconds)
        self._step(Town.mood, user, next_mood)
        self._step(Town.change, user, how)
        self._step(Town.send, user, LIFE, "alice", "text")
        self._step(Town.wait, 1.0)
        self._step(Town.change, user, "comes")

    @rule(seconds=st.sampled_from([-345_600.0, -10.0, 10.0, 345_600.0]))
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
            world = play(Path(folder), story, config=configured(silo=SILO), may_log=REFUSED)
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
