"""Town: the users of the model, the operator, and the actions of a plan; the evening checks all.

Alice and Dave send, and are registered all day, so the daemon can send notices. Bob and Carol register and leave.
Each of the two has a phone, and a tablet without a registration, for `msilo dump --to`. The network loses and
repeats nothing, so each loss or repetition is the daemon's.
"""

from typing import Final

import trio

from msilod.daemon.housekeeping import TICK
from msilod.silo.runs.leased_rows import SETTLE_AGAIN
from tests.network.desk import Desk
from tests.network.endings import FAILED, NOTICE_PERIOD, OFFLINE, Endings
from tests.network.phone import LATE, SILENT, TAKES, Phone, Script
from tests.network.refusing import refusing
from tests.network.world import DOMAIN, World

USERS: Final = ("bob", "carol")
SENDERS: Final = ("alice", "dave")
# A user without a phone: the messages expire in the sweep.
NOBODY: Final = "erin"
LIFE: Final = 259_200.0
MOODS: Final[dict[str, Script]] = {
    "takes": TAKES, "away": ((0.05, 480),), "busy": ((0.05, 486),), "type": ((0.05, 415),), "error": ((0.05, 500),),
    "declines": ((0.05, 603),), "no messages": ((0.05, 405),), "silent": SILENT, "late": LATE, "slow": ((5.0, 200),),
    "tardy": ((45.0, 200),),
}  # fmt: skip
# A small mailbox, few attempts and a short back-off, so a run of minutes reaches the limits; notices of both kinds.
SILO: Final[dict[str, object]] = {
    "retry": [60, 120], "attempts": 2, "max_messages": 9, "history": 2**30, "registrar": f"sip:office@{DOMAIN}",
    "notice": OFFLINE + " {recipient}", "failure_notice": FAILED + " {recipient}", "notice_period": NOTICE_PERIOD,
}  # fmt: skip


class Town:
    """The users by name, and a method per step of a plan."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = Desk(world)
        self.senders = {user: world.phone(user) for user in SENDERS}
        self.phones = {user: world.phone(user) for user in USERS}
        self.tablets: dict[str, Phone] = {}
        for user in USERS:
            self.tablets[user] = world.phone(user)
            self.tablets[user].switch_on()
            world.ledger.hosts[user] = {
                self.phones[user].address[0],
                self.tablets[user].address[0],
            }
        self.endings = Endings(
            world, self.desk, {phone.address[0]: user for user, phone in self.senders.items()}
        )
        self._names = 0
        self._writes_again_at = -1e9

    async def wake_up(self) -> None:
        """Register the senders for the whole run: refreshes would count as work left in the evening."""
        for phone in self.senders.values():
            phone.expires = 7200
            phone.boot()
        await trio.sleep(0.1)

    def _name(self, kind: str) -> bytes:
        self._names += 1
        return b"m%d%b" % (self._names, {"large": b"-" * 20, "picture": b"-picture"}.get(kind, b""))

    async def send(self, user: str, life: float, sender: str, kind: str) -> None:
        """Send a short text, a long text ("large"), or a picture."""
        extra = f"Expires: {life:.0f}\r\n" if life != LIFE else ""
        content_type = "image/png" if kind == "picture" else "text/plain"
        self.senders[sender].text(user, extra, life, self._name(kind), content_type)

    async def inject(self, user: str, life: float, delay: float) -> None:
        """Inject a message from Dave, by the operator."""
        self.desk.inject(f"{user}@{DOMAIN}", self._name("text"), life, delay)

    async def change(self, user: str, what: str) -> None:
        """Let a phone register, move to another port, remove the binding, or die without a message."""
        phone = self.phones[user]
        if what == "dies":
            phone.die()
        elif what == "comes" or not phone.wire.is_open:
            phone.boot()
        elif what == "moves":
            phone.move(phone.address[1] + 1)
            phone.boot()
        else:
            phone.register(0 if what == "leaves" else None)

    async def mood(self, user: str, mood: str) -> None:
        """Set the answers of a phone to MESSAGEs."""
        self.phones[user].answers = MOODS[mood]

    async def operate(self, verb: str, user: str, choice: str) -> None:
        """Run hold, release, requeue or purge, after a dry run with each filter.

        The desk does not know refusals by devices before the refusals are written, so the step waits for the writes.
        """
        await self.wait(self._writes_again_at + SETTLE_AGAIN[-1] + 1 - self.world.wires.now)
        self.desk.look(verb, f"{user}@{DOMAIN}")
        self.desk.do(verb, f"{user}@{DOMAIN}", choice)

    async def switch(self, verb: str, domain: str) -> None:
        """Run pause or resume."""
        getattr(self.desk, verb)(domain)

    async def dump(self, user: str, is_to_tablet: bool) -> None:
        """Run dump."""
        await self.desk.dump(f"{user}@{DOMAIN}", self.tablets[user].contact if is_to_tablet else "")

    async def wait(self, seconds: float) -> None:
        """Wait. A killed daemon is started again within a minute."""
        while seconds > 0:
            await trio.sleep(min(seconds, 60))
            seconds -= 60
            if not self.world.is_up:
                await self.world.restart()
            self.endings.read()

    async def kill(self, how: str) -> None:
        """Kill the daemon now, or in the middle of the next batch."""
        if how == "now":
            await self.world.restart()
        else:
            self.world.crash_in = how

    async def refuse(self, seconds: float) -> None:
        """For `seconds`, let the writer refuse the jobs by which rows leave a delivery run."""
        with refusing(self.world):
            await self.wait(seconds)
        self._writes_again_at = self.world.wires.now

    async def set_clock(self, seconds: float) -> None:
        """Set the system's clock by `seconds`, and wait until the daemon notices."""
        self.world.jump(seconds)
        await trio.sleep(TICK)

    async def evening(self) -> None:
        """Release and requeue Bob's messages, let all phones accept messages, and check the ends."""
        self.world.crash_in = ""
        await self.wait(1)
        self.desk.resume("")
        for verb in ("release", "requeue"):
            self.desk.do(verb, f"bob@{DOMAIN}", "all")
        for _ in range(4):
            for phone in self.phones.values():
                phone.answers = TAKES
                phone.boot()
            await self.wait(80)
        self.world.ledger.faults += self.endings.faults()
