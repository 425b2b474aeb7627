"""World: the whole daemon on a virtual clock, with an in-memory network and phones.

The daemon is made by `msilod.daemon.wiring.build`, with a SQLite file. Only sockets, clock and threads are replaced: a
clock that jumps while all tasks sleep must not run beside a live thread. `crash` is a kill: uncommitted rows and unsent
bytes are lost. No test waits for real time.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import structlog
import trio
from trio.testing import MockClock

from msilod.clock import Clock
from msilod.config import Config
from msilod.control.verbs import ControlVerbs
from msilod.daemon.daemon import Daemon
from msilod.daemon.parts import Parts
from msilod.daemon.wiring import build, build_verbs
from msilod.routing import default
from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.choice import sqlite_url
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.writer.contract import InlineWriter
from tests.network.ladder import Address
from tests.network.ledger import Ledger
from tests.network.phone import Phone
from tests.network.transports import VirtualTransports
from tests.network.wires import Wires

SERVER: Address = ("192.0.2.1", 5060)
# 2026-11-24 10:00 UTC.
EPOCH = 1_795_600_800.0
DOMAIN = "example.test"


class VirtualClock(Clock):
    """The clocks of the daemon, in virtual time. `jump` sets the system's clock, `suspend` puts the system to sleep."""

    def __init__(self) -> None:
        self.set_to = EPOCH
        self._booted = 0.0
        self._boots = 1
        super().__init__()

    def wall(self) -> float:
        """Silo time."""
        return self.since_boot() + self.base

    def system(self) -> float:
        """Seconds since 1970, by the system's clock."""
        return self.now() + self.set_to

    def since_boot(self) -> float:
        """Seconds since the boot, including time asleep."""
        return self.now() - self._booted

    def boot(self) -> str:
        """The name of this boot, which changes with `reboot`."""
        return f"boot-{self._boots}"

    def jump(self, seconds: float) -> None:
        self.set_to += seconds

    def suspend(self, seconds: float) -> None:
        """Let the system sleep: all clocks go on except for the one of timers."""
        self.set_to += seconds
        self._booted -= seconds

    def reboot(self) -> None:
        """Boot the system again; only while no daemon runs."""
        self._booted = self.now()
        self._boots += 1


class World:
    """One daemon at a time on one silo, with network, phones and ledger."""

    def __init__(
        self, folder: Path, nursery: trio.Nursery, seed: int = 0, config: Config | None = None
    ) -> None:
        self.random = Random(seed)
        self.folder = folder
        self.config = msgspec.structs.replace(config or Config(), domains=[DOMAIN])
        self.wires = Wires(self.random)
        self.ladder = self.wires.ladder
        self.ledger = Ledger()
        self.clock = VirtualClock()
        self.ledger.offset = EPOCH
        self.phones: list[Phone] = []
        self.parts: Parts
        self.daemon: Daemon
        self.silo: Silo
        self.transports: VirtualTransports
        self.is_up = False
        self.crash_in: str = ""
        self.deaths: list[float] = []
        self.on_arriving: list[Callable[[bytes], None]] = []
        self.on_sent: list[Callable[[bytes, Address], None]] = []
        self.on_stored: list[Callable[[StoredMessage], None]] = []
        self._nursery = nursery
        self._scope = trio.CancelScope()
        nursery.start_soon(self.wires.run)

    # --- the daemon ----------------------------------------------------------------------------------

    async def start(self) -> Parts:
        """Start a daemon on the silo, new or left by an earlier daemon."""
        self.silo = Silo(
            sqlite_url(self.folder / "silo.db"),
            "silo",
            Limits.of(self.config.silo, False),
            self.config.silo.history,
        )
        self.silo.start("node", None)
        self.ledger.life += 1
        self.learn_rows()
        await self._nursery.start(self._serve)
        # Let all tasks begin: a task that has not begun would still run its first step after a kill.
        await trio.sleep(0.001)
        self.is_up = True
        self.ladder.note(self.wires.now, f"daemon {self.ledger.life} is up")
        return self.parts

    async def _serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.transports = VirtualTransports(self.wires, SERVER, self)
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            self.parts = build(self.config, self.clock, self.transports, self.silo, nursery, default)
            self.daemon = Daemon(self.parts, nursery)
            self.parts.storing.observers.append(lambda transaction, row, now: self._stored(row))
            # The watch reads from a thread, and stories have no users: a read during `crash` would fail the test.
            self.parts.user_watch.run = trio.sleep_forever  # type: ignore[method-assign]
            await self.daemon.run(task_status.started)
            nursery.cancel_scope.cancel()

    def _stored(self, row: StoredMessage) -> None:
        self.ledger.stored(row.body, row.id)
        for told in self.on_stored:
            told(row)

    def verbs(self) -> ControlVerbs:
        """The handlers of the control socket."""
        return build_verbs(self.parts, dict, self.daemon.stop)

    def crash(self) -> None:
        """Kill the daemon, as by SIGKILL: all that is not on the disk is lost."""
        writer = self.silo.writer
        assert isinstance(writer, InlineWriter)
        writer.lose()
        self.is_up = False
        self.ledger.died[self.ledger.life] = self.wires.now
        self.deaths.append(self.clock.wall())
        self.ladder.note(self.wires.now, "daemon is killed")
        self.transports.die()
        self._scope.cancel()
        self.silo.close()

    async def restart(self, down_for: float = 1.0) -> Parts:
        """Kill the daemon if alive, and start again after `down_for` seconds."""
        if self.is_up:
            self.crash()
        await trio.sleep(down_for)
        return await self.start()

    # --- calls from the transports (Watcher) ------------------------------------------------------------

    def sent(self, data: bytes, destination: Address) -> None:
        self.ledger.left(data, destination, self.wires.now)
        for told in self.on_sent:
            told(data, destination)

    def arriving(self, batch: Sequence[bytes]) -> None:
        self.ledger.heard(batch, self.wires.now)
        for told in self.on_arriving:
            for data in batch:
                told(data)

    def arrived(self) -> None:
        """End a batch. With `crash_in`, kill the daemon once: before the commit, or between commit and answers."""
        if self.crash_in == "before commit":
            self.crash_in = ""
            self.ledger.undo()
            self.crash()
            return
        self.transports.is_dead = self.crash_in == "before answers"
        self.parts.receiver.after_batch()
        if self.transports.is_dead:
            self.crash_in = ""
            self.crash()

    def unreachable(self, peer: Address, branch: bytes = b"") -> None:
        self.ledger.unreachable(peer, branch, self.wires.now)

    # --- phones, clock, database -----------------------------------------------------------------------

    def phone(self, user: str, stream: bool = False) -> Phone:
        """A new phone of `user` with an own host, switched off: call `boot`."""
        address = (f"198.51.100.{len(self.phones) + 1}", 5060)
        made = Phone(self.wires, self.ledger, user, address, SERVER, stream)
        self.phones.append(made)
        return made

    def jump(self, seconds: float) -> None:
        """Set the system's clock by `seconds`."""
        self.clock.jump(seconds)
        # The daemon may be down.
        with closing(sqlite3.connect(self.folder / "silo.db")) as db:
            found = db.execute("SELECT CAST(body AS BLOB) FROM silo WHERE due_at IS NOT NULL")
            self.ledger.jump(self.clock.system(), self.wires.now, {name for (name,) in found})

    def ended(self) -> list[Any]:
        """(id, how) of ended rows, as far back as the daemon remembers."""
        return self.read("SELECT id, how FROM silo_ended")

    def learn_rows(self) -> None:
        """Tell the ledger of rows stored by `msilo` or by earlier daemons."""
        for name, row in self.read("SELECT CAST(body AS BLOB), id FROM silo"):
            self.ledger.stored(bytes(name), row)

    def column(self, name: str) -> list[Any]:
        """One column of the silo, oldest row first."""
        return [value for (value,) in self.read(f"SELECT {name} FROM silo ORDER BY id")]

    def rows(self) -> dict[bytes, tuple[str, str]]:
        """The rows of the silo: body to (state, reason)."""
        found = self.read(
            "SELECT body, state, coalesce(last_status, '') || last_reason FROM silo ORDER BY id"
        )
        return {bytes(body): (str(state), str(reason)) for body, state, reason in found}

    def read(self, sql: str) -> list[Any]:
        """The result of a query of the database."""
        return self.silo.reads.read(sql)

    def left_over(self) -> dict[str, int]:
        """Counts of objects in the daemon's memory; all zero when no work is left."""
        parts = self.parts
        return {
            "transactions": parts.layer.open_transactions,
            "remembered": parts.layer.remembered,
            "runs": len(parts.deliverer.runs),
            "live": len(parts.deliverer.live),
            "only": len(parts.deliverer.only),
            "watchers": len(parts.deliverer.watchers),
            "invites": len(parts.forwarder.invites),
            "waiting rows": parts.storing.waiting_rows,
            "internal errors": parts.counters.internal_errors,
        }


def configured(**sections: object) -> Config:
    """A configuration with the given sections and keys, and defaults."""
    return msgspec.convert(sections, Config)


Story = Callable[[World], Awaitable[None]]


async def _at_once(call: Callable[..., Any], *arguments: object, **_: object) -> Any:
    """Replaces trio.to_thread.run_sync: call here, since no thread may run beside the virtual clock."""
    await trio.lowlevel.checkpoint()
    return call(*arguments)


def play(
    folder: Path, story: Story, seed: int = 0, config: Config | None = None, errors: Sequence[str] = (),
    may_log: Collection[str] = (),
) -> World:  # fmt: skip
    """Start a daemon, run the story, and return the world; `world.ledger.faults` has the broken laws.

    Raises AssertionError with the ladder when the logged errors are not exactly `errors`. Errors in `may_log` are not
    counted.
    """
    made: list[World] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            world = World(folder, nursery, seed, config)
            made.append(world)
            await world.start()
            try:
                await story(world)
            except Exception as error:
                error.add_note(world.ladder.draw())
                raise
            if world.is_up:
                world.crash()
            nursery.cancel_scope.cancel()

    # trio's own random choice, which of two due tasks runs first, follows the seed as well.
    vars(trio._core._run).update(_ALLOW_DETERMINISTIC_SCHEDULING=True)
    trio._core._run._r.seed(seed)
    with structlog.testing.capture_logs() as logs, patch.object(trio.to_thread, "run_sync", _at_once):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    logged = [entry for entry in logs if entry["log_level"] == "error" and entry["event"] not in may_log]
    assert [entry["event"] for entry in logged] == list(errors), f"{logged}\n{made[0].ladder.draw()}"
    return made[0]
