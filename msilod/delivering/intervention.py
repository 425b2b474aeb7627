"""Intervention: applies commands of the operator to deliveries: pause, resume, give up, requeue.

Rows and pauses are changed in the database by the command. This module changes only the memory of the daemon.
"""

from collections.abc import Mapping, Sequence

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.giving_back import GivingBack
from msilod.registrar.location import LocationService
from msilod.silo.runs.delivery_run import DeliveryRun
from msilod.silo.runs.device_runs import parts, run_name
from msilod.silo.runs.live_branches import LiveBranches
from msilod.silo.runs.pauses import Pauses
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.runs.who_has_mail import WhoHasMail


class Intervention:
    """Applies commands to the runs of one deliverer."""

    def __init__(
        self,
        deliverer: Deliverer,
        runs: Mapping[str, DeliveryRun],
        live: LiveBranches,
        giving_back: GivingBack,
        schedule: DeliverySchedule,
        pauses: Pauses,
        location: LocationService,
        mail: WhoHasMail,
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self._runs = runs
        self._live = live
        self._giving_back = giving_back
        self._schedule = schedule
        self._pauses = pauses
        self._location = location
        self._mail = mail
        self._clock = clock

    def on_wire(self) -> list[int]:
        """The ids of rows with a MESSAGE on the wire."""
        in_runs = [id for run in self._runs.values() for id in run.on_wire]
        return in_runs + self._live.row_ids()

    def give_up(self, aor: str, id: int, now: float) -> bool:
        """Release the row for a change by the operator. Returns False if the row is on the wire.

        Rows left over from failed commits are given back now.
        """
        self._giving_back.hand_over(aor)
        runs = [run for run in self._deliverer.runs_of(aor) if id in {row.id for row in run.in_hand}]
        for run in runs:
            self._deliverer.carry_out(run, run.give_up(id, self._clock.wall()), now)
        return not any(id in run.on_wire for run in runs)

    def forget_refusals(self, aor: str, ids: Sequence[int]) -> None:
        """Forget refusals of these rows, to try all contacts again (`msilo requeue`)."""
        bindings = self._location.bindings(aor, self._clock.wall())
        for name in (aor, *map(run_name, bindings)):
            memory = self._schedule.known(name)
            if memory is not None:
                for id in ids:
                    memory.forget_row(id)

    def set_paused(self, domains: frozenset[str], now: float) -> None:
        """Pause deliveries to `domains`. Deliver the waiting rows of domains not paused any more."""
        former = Pauses()
        former.domains = self._pauses.domains
        self._deliverer.pause(domains)
        for name, run in list(self._runs.items()):
            if self._pauses.cover(parts(name)[0]):
                self._deliverer.carry_out(run, run.stop(self._clock.wall()), now)
        if former.domains - domains:
            self.wake_registered(now, former)

    def wake_registered(self, now: float, of: Pauses | None = None) -> None:
        """Wake registered recipients with mail and without a back-off. `of`: only for these domains."""
        wall = self._clock.wall()
        for binding in list(self._location.all()):
            aor = binding.aor
            if binding.expires_at <= wall or not self._mail.may_have(aor):
                continue
            if self._schedule.retry_at(aor) is None and (of is None or of.cover(aor)):
                self._deliverer.wake(aor, now)
