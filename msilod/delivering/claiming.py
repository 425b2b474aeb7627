"""Claiming: fetches rows of a recipient from the silo for a run."""

from collections.abc import Mapping
from functools import partial

from msilod.clock import Clock
from msilod.delivering.carrying_out import CarryingOut
from msilod.delivering.each_device import EachDevice
from msilod.delivering.giving_back import GivingBack
from msilod.errors import StoreError
from msilod.log import get_log
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.delivery_run import Claim, DeliveryRun
from msilod.silo.runs.device_runs import parts
from msilod.silo.runs.live_branches import LiveBranches
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.silo.stored_message import StoredMessage
from msilod.store.writer.contract import StoreWriter


class Claiming:
    """Carries out `Claim`. `only` maps the name of a run to row ids, for runs limited to some rows."""

    def __init__(
        self,
        deliverer: CarryingOut,
        policy: SiloPolicy,
        writer: StoreWriter,
        each: EachDevice,
        giving_back: GivingBack,
        schedule: DeliverySchedule,
        mail: WhoHasMail,
        live: LiveBranches,
        only: Mapping[str, frozenset[int]],
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self.policy = policy
        self._writer = writer
        self._each = each
        self._giving_back = giving_back
        self._schedule = schedule
        self._mail = mail
        self._live = live
        self._only = only
        self._clock = clock

    def claim(self, run: DeliveryRun, step: Claim, now: float) -> None:
        """Ask the writer for rows. A run gets a limited share of claims while other recipients wait for a place."""
        if self._schedule.must_yield(run.aor):
            self._deliverer.carry_out(run, run.claimed([], self._clock.wall()), now)
            return
        self._giving_back.when_written(parts(run.aor)[0], partial(self._claim_behind, run, step))

    def _claim_behind(self, run: DeliveryRun, step: Claim, is_written: bool) -> None:
        """Claim after the rows of earlier runs are written.

        Rows from the hands of earlier runs are sent first (law 4), so these rows must be free before this claim.
        """
        if not is_written:
            self._not_claimed(run)
            return
        ids = self._only.get(run.aor, frozenset())
        self._each.claim(run.aor, step, ids, partial(self._claimed, run, step))

    def _not_claimed(self, run: DeliveryRun) -> None:
        """Go on with the rows in hand, and back off before the next claim."""
        self._deliverer.carry_out(run, run.claimed([], self._clock.wall()), self._clock.now())
        self._schedule.back_off(run.aor, self._clock.wall() + self.policy.backoff(0))

    def _claimed(self, run: DeliveryRun, step: Claim, rows: "list[StoredMessage] | StoreError") -> None:
        if isinstance(rows, StoreError):
            get_log().error("rows could not be claimed", aor=run.aor, reason=str(rows))
            self._not_claimed(run)
            return
        if not (rows or step.after or run.in_hand or run.aor in self._live or run.aor in self._only):
            # A claim for one device proves nothing about the recipient's other rows. The name of the device's run is no
            # AOR: discarding the name has no effect.
            if step.with_sips:
                self._mail.discard(run.aor)
            else:
                self._writer.has_waiting(run.aor, partial(self._has_waiting, run.aor))
        self._deliverer.carry_out(run, run.claimed(rows, self._clock.wall()), self._clock.now())

    def _has_waiting(self, aor: str, found: "bool | StoreError") -> None:
        if found is False:
            self._mail.discard(aor)
