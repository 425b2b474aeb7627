"""Daemon: starts the tasks of a daemon, serves, reloads and drains. `_drain` has the order of the drain."""

from collections.abc import Callable
from typing import Final

import trio

from msilod.config import Config
from msilod.daemon.configuring import configure
from msilod.daemon.housekeeping import send_pings
from msilod.daemon.parts import Parts
from msilod.routing.policy import Policy
from msilod.transaction.timers import PATIENCE

DRAIN_POLL: Final = 0.05


class Daemon:
    """One daemon, made inside trio.run() with open listeners and an open silo. `run` serves until `stop`."""

    def __init__(self, parts: Parts, nursery: trio.Nursery) -> None:
        self._parts = parts
        self._nursery = nursery
        self._started = parts.clock.now()
        self.stopping = trio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, then drain. `ready` is called when all listeners accept messages.

        The caller closes the writer, the listeners and the control socket afterwards.
        """
        parts, start = self._parts, self._nursery.start_soon
        parts.recollection.begin()
        parts.user_watch.start()
        parts.orphans.load(parts.store.load_bindings())
        parts.shedding.remember([binding.flow for binding in parts.location.all()], parts.clock.now())
        parts.revocation.begin()
        parts.pings.load(parts.config.registrar.ping)
        start(send_pings, parts.pings)
        start(parts.user_watch.run)
        start(parts.alarm.run)
        start(parts.housekeeping.run)
        parts.deliverer.pause(parts.store.paused())
        former = parts.store.lately(parts.clock.wall() - PATIENCE)
        parts.storing.remember_former(former, self._started)
        start(parts.recollection.go_on)
        start(parts.transports.serve, parts.receiver)
        ready()
        await self.stopping.wait()
        await self._drain()

    def reload(self, config: Config, policy: Policy) -> None:
        """Take over a new configuration and routing policy, except for listeners, database and control socket.

        When bindings need a password and did not before, all bindings end (daemon/revocation.py).
        """
        parts = self._parts
        is_other_realm, was_closed = config.auth.realm != parts.config.auth.realm, parts.members.is_closed
        parts.policy.configure(policy)
        configure(parts, config)
        if not was_closed:
            # The bindings so far were made without a password.
            parts.revocation.end(None)
        if is_other_realm:
            self._nursery.start_soon(parts.user_watch.read_again)

    def stop(self) -> None:
        """Begin to drain; a second call changes nothing."""
        self.stopping.set()

    async def _drain(self) -> None:
        """Refuse requests, begin no delivery, and give open transactions `drain` seconds to end (msilod(8), TERM)."""
        parts = self._parts
        parts.user.is_draining = True
        parts.pings.stop()
        parts.transports.stop_listening()
        parts.deliverer.stop(parts.clock.now())
        parts.receiver.after_batch()
        with trio.move_on_after(parts.config.drain):
            while parts.layer.open_transactions or parts.storing.waiting_rows or parts.deliverer.runs:
                await trio.sleep(DRAIN_POLL)
        parts.registrar.write_refreshes()
        parts.writer.keep_clock(parts.clock.kept())
        parts.receiver.after_batch()
