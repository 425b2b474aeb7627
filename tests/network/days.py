"""Days: the actions of users, phones, network and power in one seeded run, and the checks at the end.

All choices are drawn from the world's random, so a seed always gives the same day. There are four kinds of weather:
calm; rainy (loss, copies, strays); stormy (hosts are cut off for a while); ruinous (the daemon is killed, too, also in
the middle of a batch). In the evening the network is calm and all phones accept messages. After the evening no work may
be left.
"""

from dataclasses import dataclass

import trio

from msilod.store.engine.sqlite.statements import total
from tests.network.phone import ANSWERS_A_CALL, LATE, SILENT, TAKES, Phone, Script
from tests.network.wires import Weather
from tests.network.world import World

CALM, RAINY, STORMY, RUINOUS = "calm", "rainy", "stormy", "ruinous"
KINDS = (CALM, RAINY, STORMY, RUINOUS)
ACTS = 40
# Seconds after the last act, longer than Timer F. Then the pauses between registrations, in sum longer than 3 * 64 s
# (for phones with a 482) and 64*T1 (until answers are forgotten).
SETTLING = 40.0
EVENING = (60.0, 75.0, 75.0, 75.0, 75.0)

# The answers of a phone to a MESSAGE, with weights. Most phones accept.
MOODS: tuple[tuple[int, Script], ...] = (
    (12, TAKES), (2, ((0.2, 100), (6.0, 200))), (2, LATE), (2, SILENT), (2, ((0.05, 480),)), (2, ((0.05, 486),)),
    (1, ((0.05, 415),)), (1, ((0.05, 603),)), (1, ((0.05, 405),)), (1, ((0.05, 500),)), (1, ((15.0, 603),)),
)  # fmt: skip
RINGS: tuple[tuple[int, Script], ...] = (
    (6, ANSWERS_A_CALL), (1, ((0.1, 180),)), (1, ((0.05, 486),)), (1, ((0.1, 180), (2.0, 603))), (1, SILENT),
)  # fmt: skip


@dataclass(slots=True)
class Day:
    """One run. `kind`: the weather."""

    world: World
    kind: str
    is_evening: bool = False

    async def live(self) -> None:
        """Run the whole day."""
        self._morning()
        for _ in range(ACTS):
            await trio.sleep(self.world.random.expovariate(0.2))
            await self._act()
        await self._evening()

    # --- morning -------------------------------------------------------------------------------------

    def _morning(self) -> None:
        world, random = self.world, self.world.random
        if self.kind != CALM:
            world.wires.weather = Weather(
                loss=random.uniform(0, 0.3), copies=random.uniform(0, 0.2), stray=random.uniform(0, 0.2)
            )
        for user in ("alice", "bob", "carol")[: random.randint(2, 3)]:
            for _ in range(random.choice((1, 1, 2))):
                phone = world.phone(user, stream=random.random() < 0.3)
                phone.merges = random.random() < 0.3
                phone.expires = random.choice((60, 120, 600))
                phone.switch_on()
                if random.random() < 0.5:
                    phone.boot()

    # --- acts ----------------------------------------------------------------------------------------

    async def _act(self) -> None:
        world, random = self.world, self.world.random
        phone = random.choice(world.phones)
        roll = random.random()
        if roll < 0.45:
            self._texts(phone)
        elif roll < 0.55:
            phone.answers, phone.headers = self._draw(MOODS), ()
            if random.random() < 0.2:
                phone.headers = ((b"Retry-After", b"%d" % random.choice((1, 30, 200))),)
        elif roll < 0.75:
            self._comes_or_goes(phone)
        elif roll < 0.85:
            self._calls(phone)
        elif self.kind in (STORMY, RUINOUS):
            await self._bad_luck(phone)

    def _draw(self, table: tuple[tuple[int, Script], ...]) -> Script:
        (found,) = self.world.random.choices([script for _, script in table], [weight for weight, _ in table])
        return found

    def _users(self) -> list[str]:
        return sorted({phone.user for phone in self.world.phones} | {"dave"})

    def _texts(self, phone: Phone) -> None:
        random = self.world.random
        if not phone.wire.is_open:
            phone.switch_on()
        for _ in range(random.choice((1, 1, 2, 5))):
            user = random.choice(self._users())
            if random.random() < 0.1:
                phone.text(user, "Expires: 90\r\n", lives=90)
            else:
                phone.text(user)

    def _comes_or_goes(self, phone: Phone) -> None:
        random = self.world.random
        if not phone.wire.is_open or not phone.is_registered:
            phone.boot()
        elif random.random() < 0.4:
            phone.die()
        elif random.random() < 0.3:
            phone.register(0)
        elif random.random() < 0.5:
            phone.move(random.randint(5061, 5099))
            phone.boot()
        else:
            phone.register()

    def _calls(self, phone: Phone) -> None:
        random = self.world.random
        phone.rings = self._draw(RINGS)
        if phone.wire.is_open:
            cancels = random.choice((None, None, 0.05, 1.0, 2.0))
            phone.call(random.choice(self._users()), random.uniform(0.1, 20), cancels)

    async def _bad_luck(self, phone: Phone) -> None:
        world, random = self.world, self.world.random
        roll = random.random()
        if roll < 0.5:
            host = phone.address[0]
            world.wires.cut.add(host)
            world.wires.after(random.uniform(1, 60), lambda: world.wires.cut.discard(host))
        elif roll < 0.7:
            phone.wire.hang_up()
        elif self.kind == RUINOUS:
            await self._power_cut()

    async def _power_cut(self) -> None:
        world, random = self.world, self.world.random
        how = random.choice(("now", "before commit", "before answers"))
        if how != "now" and world.is_up:
            world.crash_in = how
            await trio.sleep(random.uniform(0, 10))
        world.crash_in = ""
        await world.restart(random.uniform(0.1, 30))

    # --- evening -------------------------------------------------------------------------------------

    async def _evening(self) -> None:
        world = self.world
        world.crash_in = ""
        if not world.is_up:
            await world.restart()
        world.wires.cut.clear()
        world.wires.weather = Weather()
        dave = world.phone("dave")
        for phone in world.phones:
            phone.answers, phone.headers, phone.rings = TAKES, (), ANSWERS_A_CALL
        await trio.sleep(SETTLING)
        for wait in EVENING:
            for phone in world.phones:
                phone.expires = 600
                phone.boot()
            await trio.sleep(wait)
        assert dave.is_registered
        self._check()

    def _check(self) -> None:
        world = self.world
        world.ledger.settle(world.rows(), world.wires.now)
        for name, count in world.left_over().items():
            if count:
                world.ledger.fault(world.wires.now, f"{count} {name} left over")
        if world.read(total("silo")) != world.read("SELECT count(*), coalesce(sum(size), 0) FROM silo"):
            world.ledger.fault(world.wires.now, "the total is not what is there")
        for phone in world.phones:
            for call in phone.calls:
                if self.kind == CALM and call.is_caller and not call.ending:
                    world.ledger.fault(world.wires.now, f"{call.call_id!r} has no end")
                if call.is_ringing and not call.ending and phone.wire.is_open and self.kind == CALM:
                    world.ledger.fault(world.wires.now, f"{call.call_id!r} still rings at {phone.user}")
