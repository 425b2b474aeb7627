"""World: the whole daemon on a virtual clock, the wires, and the phones around it.

Rules: the daemon is made by `msilod.daemon.wiring.build`, with a SQLite file; only its sockets, its clock and its
threads are replaced (a clock that jumps when all sleep must never run beside a live thread). `crash`
is a kill: what was not committed is lost, what was not sent is not sent. Nothing here sleeps for real.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
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
from msilod.store.commit.quota import Limits
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
    """`jump` is somebody setting the system's clock, `suspend` a system that sleeps, `reboot` another boot."""

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
        """With the time that the system slept."""
        return self.now() - self._booted

    def boot(self) -> str:
        """The same for all daemons between two calls of `reboot`."""
        return f"boot-{self._boots}"

    def jump(self, seconds: float) -> None:
        self.set_to += seconds

    def suspend(self, seconds: float) -> None:
        """No timer has seen these seconds, and the other clocks have."""
        self.set_to += seconds
        self._booted -= seconds

    def reboot(self) -> None:
        """While no daemon runs."""
        self._booted = self.now()
        self._boots += 1


class World:
    """One daemon at a time on one file, and everything around it."""

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
        self.on_sent: list[Callable[[bytes, Address], None]] = []
        self.on_stored: list[Callable[[StoredMessage], None]] = []
        self._nursery = nursery
        self._scope = trio.CancelScope()
        nursery.start_soon(self.wires.run)

    # --- the daemon ----------------------------------------------------------------------------------

    async def start(self) -> Parts:
        """A daemon on the file, new or as it was left."""
        self.silo = Silo(
            self.folder / "silo.db", "silo", Limits.of(self.config.silo, False), self.config.silo.history
        )
        self.silo.start("node", None)
        self.ledger.life += 1
        self.learn_rows()
        await self._nursery.start(self._serve)
        # All its tasks have begun: one that has not would still take its first step after a kill.
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
            # It looks from a thread, and no story has users: a read beside `crash` would be a crash of ours.
            self.parts.user_watch.run = trio.sleep_forever  # type: ignore[method-assign]
            await self.daemon.run(task_status.started)
            nursery.cancel_scope.cancel()

    def _stored(self, row: StoredMessage) -> None:
        self.ledger.stored(row.body, row.id)
        for told in self.on_stored:
            told(row)

    def verbs(self) -> ControlVerbs:
        """What the control socket offers."""
        return build_verbs(self.parts, dict, self.daemon.stop)

    def crash(self) -> None:
        """A kill -9: whatever is not on the disk is gone."""
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
        """Killed, if it still lives, and started again."""
        if self.is_up:
            self.crash()
        await trio.sleep(down_for)
        return await self.start()

    # --- what the transports tell ---------------------------------------------------------------------

    def sent(self, data: bytes, destination: Address) -> None:
        self.ledger.left(data, destination, self.wires.now)
        for told in self.on_sent:
            told(data, destination)

    def arriving(self, batch: Sequence[bytes]) -> None:
        self.ledger.heard(batch, self.wires.now)

    def arrived(self) -> None:
        """`crash_in` kills once in the middle of a batch: before its commit, or after it and before its answers."""
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

    # --- around it -----------------------------------------------------------------------------------

    def phone(self, user: str, stream: bool = False) -> Phone:
        """A phone of `user` on a host of its own; `boot` it."""
        address = (f"198.51.100.{len(self.phones) + 1}", 5060)
        made = Phone(self.wires, self.ledger, user, address, SERVER, stream)
        self.phones.append(made)
        return made

    def jump(self, seconds: float) -> None:
        """Somebody sets the system's clock."""
        self.clock.jump(seconds)
        self.ledger.jump(seconds, self.wires.now)

    def ended(self) -> list[Any]:
        """(id, how) of rows that have ended, as far back as the daemon remembers."""
        return self.read("SELECT id, how FROM silo_ended")

    def learn_rows(self) -> None:
        """Tell the ledger of rows that came otherwise than by this daemon."""
        for name, row in self.read("SELECT CAST(body AS BLOB), id FROM silo"):
            self.ledger.stored(bytes(name), row)

    def column(self, name: str) -> list[Any]:
        """One column of the silo, oldest row first."""
        return [value for (value,) in self.read(f"SELECT {name} FROM silo ORDER BY id")]

    def rows(self) -> dict[bytes, tuple[str, str]]:
        """What is in the silo: body to state and reason."""
        found = self.read(
            "SELECT body, state, coalesce(last_status, '') || last_reason FROM silo ORDER BY id"
        )
        return {bytes(body): (str(state), str(reason)) for body, state, reason in found}

    def read(self, sql: str) -> list[Any]:
        """Rows of the database as it stands."""
        return self.silo._read(sql)

    def left_over(self) -> dict[str, int]:
        """What the daemon still has in memory; all zero when all is quiet."""
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
    """A configuration with these sections or keys, the rest by default."""
    return msgspec.convert(sections, Config)


Story = Callable[[World], Awaitable[None]]


async def _at_once(call: Callable[..., Any], *arguments: object, **_: object) -> Any:
    """What the daemon reads in a thread is read here: no thread lives beside a clock that jumps."""
    await trio.lowlevel.checkpoint()
    return call(*arguments)


def play(
    folder: Path, story: Story, seed: int = 0, config: Config | None = None, errors: Sequence[str] = (),
    may_log: Collection[str] = (),
) -> World:  # fmt: skip
    """Start a daemon, let the story happen, and hand the world back with what the ledger found.

    Raises AssertionError with the ladder when the daemon logged other errors than `errors`; those of `may_log` do not
    count.
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

    # What trio itself leaves to chance (which of two tasks that are due runs first) is the seed's as well.
    vars(trio._core._run).update(_ALLOW_DETERMINISTIC_SCHEDULING=True)
    trio._core._run._r.seed(seed)
    with structlog.testing.capture_logs() as logs, patch.object(trio.to_thread, "run_sync", _at_once):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    logged = [entry for entry in logs if entry["log_level"] == "error" and entry["event"] not in may_log]
    assert [entry["event"] for entry in logged] == list(errors), f"{logged}\n{made[0].ladder.draw()}"
    return made[0]
