"""Deliverer: begins the runs of silo/runs/delivery_run.py and carries out the steps (msilo's m_dump).

A recipient has one run at a time. A run claims rows (Claim), sends one MESSAGE at a time to each contact (Send), and
ends rows (row_ends.py). The deliverer turns steps into client transactions and jobs of the writer, and gives the
results to the run.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msilod.counters import Counters
from msilod.delivering.carrying_out import CarryingOut
from msilod.delivering.claiming import Claiming
from msilod.delivering.delivery_state import DeliveryState
from msilod.delivering.giving_back import GivingBack
from msilod.delivering.row_ends import RowEnds
from msilod.delivering.sending import Sending
from msilod.reaching.paths import Paths
from msilod.registrar.binding import Binding, ContactKey, contact_key
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.decision_table import SPACED
from msilod.silo.runs.delivery_run import (
    Claim,
    DeliveryRun,
    Finished,
    Postpone,
    Reject,
    Release,
    Send,
    Settle,
    Step,
)
from msilod.silo.runs.device_runs import by_run, parts, recipients, run_name
from msilod.silo.stored_message import StoredMessage
from msilod.store.writer.contract import StoreWriter
from msilod.tasks import Tasks
from msilod.transaction.layer import TransactionLayer


class Deliverer(CarryingOut):
    """Drives the runs of all recipients.

    `live` are branches of relayed MESSAGEs still occupying a contact. `unseen` maps an AOR with a run by next hop to
    the contact of that run; `on_unseen(aor, now)` is called when a back-off ends and the recipient has no binding
    (probes.py).

    A new MESSAGE is sent after the waiting rows of the same recipient (law 7). Rows wait while the recipient has a run,
    while a REGISTER of the recipient is being committed (`registering`), while the recipient waits for a place
    (`in_line`), while the domain is paused, and after a start until the silo has been read. `asks_more` is True while
    one of the last two cases is possible.
    """

    def __init__(
        self,
        policy: SiloPolicy,
        state: DeliveryState,
        layer: TransactionLayer,
        paths: Paths,
        writer: StoreWriter,
        counters: Counters,
        tasks: Tasks,
        random: Callable[[], bytes],
    ) -> None:
        self.policy = policy
        self.schedule, self.usable = state.schedule, state.usable
        self.location, self.clock, self.mail = state.location, state.clock, state.mail
        self.live, self.overdue = state.live, state.overdue
        self.watchers, self.pauses, self.each = state.watchers, state.pauses, state.each
        self.apart = state.apart
        self.writer = writer
        self.runs = state.runs
        self.registering: dict[str, int] = {}
        self._stored_meanwhile: set[str] = set()
        self.in_line = self.schedule.in_line
        self.is_recalled, self.is_stopping, self.asks_more = False, False, True
        self.only: dict[str, frozenset[int]] = {}
        self.again: set[str] = set()
        self.unseen: dict[str, ContactKey] = {}
        self.on_unseen: Callable[[str, float], None] = lambda aor, now: None
        self.giving_back = GivingBack(self.clock.now, self._holds, self._freed)
        self.ends = RowEnds(
            writer, self.each, state.historian, self.watchers, counters, self.clock, tasks, self, self.giving_back,
        )  # fmt: skip
        self.claiming = Claiming(
            self, policy, writer, self.each, self.giving_back, self.schedule, self.mail, self.live, self.only,
            self.clock,
        )  # fmt: skip
        self.sending = Sending(
            self, policy, layer, paths, state.historian, self.overdue, self.apart, self.clock, random
        )
        self._by_step = self._steps()

    def configure(self, policy: SiloPolicy) -> None:
        """Use `policy` from now on. A run in progress decides by the old policy."""
        self.policy = self.claiming.policy = self.sending.policy = policy

    def _steps(self) -> dict[type, Callable[[DeliveryRun, Any, float], None]]:
        return {
            Claim: self.claiming.claim,
            Send: self.sending.send,
            Settle: self.ends.settle,
            Reject: self.ends.reject,
            Postpone: self.ends.postpone,
            Release: self.ends.release,
            Finished: self._finished,
        }

    # --- what begins a run ---------------------------------------------------------------------------

    def expect(self, aor: str) -> None:
        """Count a REGISTER of `aor` as in progress. The caller calls `expected` after the commit."""
        self.registering[aor] = self.registering.get(aor, 0) + 1

    def expected(self, aor: str) -> None:
        """End a REGISTER in progress: committed and given to `registered`, or failed."""
        left = self.registering.pop(aor, 0) - 1
        if left > 0:
            self.registering[aor] = left
        elif aor in self._stored_meanwhile:
            self._stored_meanwhile.discard(aor)
            if aor not in self.runs:
                self.wake_new(aor, self.clock.now())

    def pause(self, domains: frozenset[str]) -> None:
        """Pause deliveries to `domains`, and resume deliveries to all other domains."""
        self.pauses.domains = domains
        self.asks_more = bool(domains) or not self.is_recalled

    def recalled(self) -> None:
        """End the reading of the silo: all recipients with mail and all back-offs are known."""
        self.is_recalled = True
        self.asks_more = bool(self.pauses.domains)

    def registered(self, aor: str, contacts: Iterable[Binding], now: float) -> None:
        """Deliver to contacts of a REGISTER, as far as the contacts accept MESSAGE (m_dump)."""
        for binding in contacts:
            if binding.flow is not None and binding.flow.connection:
                self.apart.note(contact_key(binding), now)
        if self.mail.may_have(aor):
            usable = self.usable.among(aor, contacts)
            if usable:
                if self._backs_off(aor, usable):
                    # Without this a restart would restore the back-off ended by this REGISTER.
                    self.writer.forget_back_off(aor, SPACED)
                self.offer(aor, usable, now, self.usable.of(aor))

    def wake(self, aor: str, now: float) -> bool:
        """Deliver due rows of `aor` to all usable contacts. Returns False when there are no usable contacts."""
        usable = self.usable.of(aor)
        if usable or aor in self.unseen:
            self.offer(aor, usable, now)
        return bool(usable)

    def wake_new(self, aor: str, now: float) -> None:
        """Deliver new rows of `aor` to contacts without a back-off, and let runs in progress claim again (law 7).

        Contacts in a back-off are not tried early. Each early try would count as a step of [silo] retry, and five
        messages would delay all rows of the recipient by an hour.
        """
        bindings = self.usable.of(aor)
        usable = self.usable.ready(bindings, self._name)
        if usable or (aor in self.unseen and self.schedule.retry_at(aor) is None):
            self.offer(aor, usable, now)
        for name in {self._name(b) for b in bindings if b not in usable}:
            if name in self.runs and name not in self.only:
                self.carry_out(self.runs[name], self.runs[name].offer((), self.clock.wall()), now)

    def _name(self, binding: Binding) -> str:
        """The name of the run for the binding."""
        return run_name(binding) if self.policy.is_for_each else binding.aor

    def wake_due(self, now: float) -> None:
        """Wake the recipients at the end of a back-off."""
        for aor in recipients(self.schedule.due(self.clock.wall())):
            if not self.wake(aor, now):
                self.on_unseen(aor, now)

    def offer(
        self,
        aor: str,
        contacts: Sequence[Binding],
        now: float,
        others: Sequence[Binding] = (),
        only: frozenset[int] = frozenset(),
        policy: SiloPolicy | None = None,
    ) -> None:
        """Begin a run of `aor` to `contacts`, or add `contacts` to the run in progress.

        `others` are the other usable contacts of `aor`; no row is rejected before these contacts were asked. A new run
        delivers only the rows `only` (empty: all rows), by `policy` if given.
        """
        if not self.policy.is_for_each:
            self._offer(aor, aor, contacts, now, others, only, policy)
            return
        for name, bindings in by_run(contacts).items():
            mine = [other for other in others if run_name(other) == name]
            self._offer(name, aor, bindings, now, mine, only, policy)

    def _offer(
        self, name: str, aor: str, contacts: Sequence[Binding], now: float, others: Sequence[Binding],
        only: frozenset[int], policy: SiloPolicy | None,
    ) -> None:  # fmt: skip
        """Begin or extend the run `name`: the run of the recipient, or of one device of the recipient."""
        if self.is_stopping or self.pauses.cover(aor):
            # A run waiting for a last response gets no new contacts either.
            return
        run = self.runs.get(name)
        if run is None:
            if not self.schedule.begin(name):
                return
            run = self.runs[name] = DeliveryRun(name, policy or self.policy, self.schedule.memory(name))
            if only:
                self.only[name] = only
            for key, row_id in self.live.of(aor):
                run.busy(key, row_id)
        elif name in self.only and not only:
            # This run is limited to some rows. Other rows follow in a run of their own (law 7).
            self.again.add(aor)
        self.carry_out(run, run.offer(contacts, self.clock.wall(), others), now)
        if contacts and aor in self.unseen:
            run.policy = self.policy
            self.carry_out(run, run.withdraw(self.unseen.pop(aor), self.clock.wall()), now)

    def runs_of(self, aor: str) -> list[DeliveryRun]:
        """The run of the recipient, or the runs of the recipient's devices."""
        if self.policy.is_for_each:
            return [run for name, run in self.runs.items() if parts(name)[0] == aor]
        return [self.runs[aor]] if aor in self.runs else []

    def is_running(self, aor: str) -> bool:
        """True while rows of `aor` are due or on the wire. A new MESSAGE must be sent after these rows (law 7)."""
        if aor in self.runs or aor in self.registering or aor in self.in_line or self.pauses.cover(aor):
            return True
        return not self.is_recalled and self.mail.may_have(aor)

    def _backs_off(self, aor: str, contacts: Sequence[Binding]) -> bool:
        """True if rows of `aor` may be in a back-off."""
        if not self.is_recalled or self.schedule.is_full or self.schedule.retry_at(aor) is not None:
            return True
        if not self.policy.is_for_each:
            return False
        return any(self.schedule.retry_at(run_name(binding)) is not None for binding in contacts)

    def stored(self, row: StoredMessage, now: float) -> None:
        """Note a durable row, and deliver the row to contacts registered after the look-up (law 7)."""
        aor = row.aor
        self.mail.add(aor)
        if aor in self.registering:
            # The REGISTER in progress begins the run, after the 200 of the REGISTER.
            self._stored_meanwhile.add(aor)
        elif self.location.has(aor) or aor in self.unseen:
            self.wake_new(aor, now)

    def in_hand(self) -> list[int]:
        """The sorted ids of all rows in the hands of runs, without duplicates."""
        return sorted({row.id for run in self.runs.values() for row in run.in_hand})

    def _holds(self, aor: str, id: int) -> bool:
        """True if a run of `aor` has the row in hand."""
        names = (
            (aor, *map(run_name, self.location.bindings(aor, self.clock.wall())))
            if self.policy.is_for_each
            else (aor,)
        )
        return any(run.holds(id) for run in map(self.runs.get, names) if run is not None)

    def _freed(self, aor: str) -> None:
        """Deliver rows given back by a later try. A REGISTER may have claimed these rows in vain."""
        self.mail.add(aor)
        self.wake(aor, self.clock.now())

    def stop(self, now: float) -> None:
        """Begin no more deliveries. Requests on the wire end in the usual way."""
        self.is_stopping = self.sending.is_stopping = True
        for run in list(self.runs.values()):
            self.carry_out(run, run.stop(self.clock.wall()), now)

    def gone(self, binding: Binding, now: float) -> None:
        """Handle the end of a binding (removed or expired), or of the binding's connection."""
        name = self._name(binding)
        run = self.runs.get(name)
        if run is not None:
            self.carry_out(run, run.withdraw(contact_key(binding), self.clock.wall()), now)
        elif not self.location.bindings(binding.aor, self.clock.wall()):
            self.schedule.forget(name)

    def away(self, binding: Binding, now: float) -> None:
        """Handle a contact without answers to OPTIONS: the run in progress sends nothing more to the contact."""
        run = self.runs.get(self._name(binding))
        if run is not None:
            self.carry_out(run, run.withdraw(contact_key(binding), self.clock.wall()), now)

    # --- steps out -----------------------------------------------------------------------------------

    def carry_out(self, run: DeliveryRun, steps: Sequence[Step], now: float) -> None:
        """Carry out the steps of a run, also steps after a command of the operator or after an online MESSAGE."""
        for step in steps:
            self._by_step[step.__class__](run, step, now)

    def _finished(self, run: DeliveryRun, step: Finished, now: float) -> None:
        aor = parts(run.aor)[0]
        if self.runs.get(run.aor) is run:
            del self.runs[run.aor]
            self.only.pop(run.aor, None)
            self.unseen.pop(aor, None)
        if not self.policy.is_for_each or self.each.is_last(run.aor, self.runs):
            self.watchers.tell(aor, None, "finished", None, step.retry_at)
        wall = self.clock.wall()
        for waiting in recipients(self.schedule.finished(run.aor, step.retry_at, wall, step.keeps_time)):
            self.wake(waiting, now)
        if aor in self.again:
            self.again.discard(aor)
            self.wake(aor, now)
