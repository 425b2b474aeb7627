"""Intervention: what an operator does to deliveries under way: pause and resume, give up, requeue.

Rule: rows and pauses are the database's; here only what the daemon remembers follows them.
"""

from collections.abc import Sequence

from msilod.delivering.deliverer import Deliverer
from msilod.silo.runs.delivery_run import DeliveryRun
from msilod.silo.runs.device_runs import parts, run_name
from msilod.silo.runs.pauses import Pauses


class Intervention:
    """Acts on one deliverer."""

    def __init__(self, deliverer: Deliverer) -> None:
        self.deliverer = deliverer

    def on_wire(self) -> list[int]:
        """The ids of rows that a MESSAGE is under way for."""
        in_runs = [id for run in self.deliverer.runs.values() for id in run.on_wire]
        return in_runs + self.deliverer.live.row_ids()

    def give_up(self, aor: str, id: int, now: float) -> bool:
        """Let go of a row that is not on the wire; False: it is.

        Rows that could not be given back earlier are given back now, so that the operator finds them free.
        """
        self.deliverer.ends.giving_back.hand_over(aor)
        runs = [run for run in self._runs_of(aor) if id in {row.id for row in run.in_hand}]
        for run in runs:
            self.deliverer.carry_out(run, run.give_up(id, self.deliverer.clock.wall()), now)
        return not any(id in run.on_wire for run in runs)

    def _runs_of(self, aor: str) -> list[DeliveryRun]:
        """The recipient's run, or those of his devices."""
        runs = self.deliverer.runs
        if self.deliverer.policy.is_for_each:
            return [run for name, run in runs.items() if parts(name)[0] == aor]
        return [runs[aor]] if aor in runs else []

    def forget_refusals(self, aor: str, ids: Sequence[int]) -> None:
        """These rows are tried as if they were new."""
        bindings = self.deliverer.location.bindings(aor, self.deliverer.clock.wall())
        for name in (aor, *map(run_name, bindings)):
            memory = self.deliverer.schedule.known(name)
            if memory is not None:
                for id in ids:
                    memory.forget_row(id)

    def set_paused(self, domains: frozenset[str], now: float) -> None:
        """Nothing more to these; to those that were paused and no longer are, what has waited."""
        pauses = self.deliverer.pauses
        former = Pauses()
        former.domains = pauses.domains
        self.deliverer.pause(domains)
        for name, run in list(self.deliverer.runs.items()):
            if pauses.cover(parts(name)[0]):
                self.deliverer.carry_out(run, run.stop(self.deliverer.clock.wall()), now)
        if former.domains - domains:
            self.wake_registered(now, former)

    def wake_registered(self, now: float, of: Pauses | None = None) -> None:
        """Everybody who is here and may have mail, unless he backs off; only those that `of` covers."""
        deliverer, wall = self.deliverer, self.deliverer.clock.wall()
        for binding in list(deliverer.location.all()):
            aor = binding.aor
            if binding.expires_at <= wall or not deliverer.mail.may_have(aor):
                continue
            if deliverer.schedule.retry_at(aor) is None and (of is None or of.cover(aor)):
                deliverer.wake(aor, now)
