"""DeliveryRun: the delivery of one recipient's rows, as a state machine without I/O.

    offer ─► Claim ─► claimed ─► Send ─► answered / failed ─► Settle ─► settled ─► next row ... ─► Finished

- Rule 1: One MESSAGE is in flight per contact, oldest row first (RFC 3428 §8). Each free contact takes the oldest row
  allowed for the contact, so a row goes to all free contacts in parallel, and a slow contact delays no other contact.
- Rule 2: The first 2xx ends the row (Settle). The contact gets nothing more until the end is durable (`settled`).
- Rule 3: A KEEP outcome, silence or a failed transport stops the contact for this run, until the next REGISTER. A
  refusal takes the row from the contact only. The refusal is final when no known contact is left to ask, or after a
  6xx.
- Rule 4: When nothing is in progress and nothing can be sent, the rows in hand are given back and the run is finished.
  After that the run handles only late responses.
- Rule 5: A row in hand ends in exactly one of Settle, Reject, Postpone, Release. Only a late 2xx or 6xx adds a Settle
  or a Reject.

The returned steps are complete: carrying out a step may call the run again at once. An attempt ends with `answered` or
`failed`; a later response to the attempt counts only if 2xx or 6xx. All times are silo time.
"""

from collections.abc import Sequence

from msilod.registrar.binding import Binding, ContactKey, contact_key
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.claim_cursor import ClaimCursor
from msilod.silo.runs.decision_table import Why, verdict_of
from msilod.silo.runs.failed_attempts import FailedAttempts
from msilod.silo.runs.in_flight import InFlight
from msilod.silo.runs.leased_rows import Held, LeasedRows
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import READY, STOPPED, RunContact
from msilod.silo.runs.steps import Claim, Finished, Postpone, Reject, Release, Send, Settle, Step
from msilod.silo.stored_message import Ending, StoredMessage

__all__ = [
    "Claim",
    "ContactKey",
    "DeliveryRun",
    "Finished",
    "Postpone",
    "Reject",
    "Release",
    "RunContact",
    "Send",
    "Settle",
    "Step",
    "Why",
    "contact_key",
]  # fmt: skip


class DeliveryRun:
    """The run of one recipient or device (`aor`: device_runs.py). The next run of `aor` gets the same `memory`."""

    __slots__ = (
        "_claims", "_contacts", "_failures", "_hand", "_put_off", "_settling", "_under_way", "aor", "is_finished",
        "memory", "policy",
    )  # fmt: skip

    def __init__(self, aor: str, policy: SiloPolicy, memory: RecipientMemory | None = None) -> None:
        self.aor = aor
        self.policy = policy
        self.memory = RecipientMemory() if memory is None else memory
        self.is_finished = False
        self.memory.begin()
        self._contacts = self.memory.contacts
        self._hand = LeasedRows(self.memory)
        self._under_way = InFlight(self._contacts, self._hand)
        self._failures = FailedAttempts(self.memory, self._hand)
        self._claims = ClaimCursor()
        self._settling = 0
        # The next attempt of rows given back for lack of room in the hand; 0.0 for none.
        self._put_off = 0.0

    @property
    def in_hand(self) -> list[StoredMessage]:
        """The rows under lease, for the renewal of leases."""
        return [held.row for held in self._hand.rows.values()]

    def holds(self, row_id: int) -> bool:
        """True if the row is in hand."""
        return row_id in self._hand.rows

    @property
    def on_wire(self) -> list[int]:
        """The ids of rows with a MESSAGE on the wire."""
        return [id for id, held in self._hand.rows.items() if held.flights]

    # --- contacts ------------------------------------------------------------------------------------

    def offer(self, bindings: Sequence[Binding], now: float, others: Sequence[Binding] = ()) -> list[Step]:
        """Serve `bindings` at once, also with rows on the wire to other contacts, and claim again.

        `others` are the other usable contacts of the recipient. These get nothing in this run, but no row is rejected
        before these were asked. Ignored after the end of the run.
        """
        if self.is_finished:
            return []
        for binding in bindings:
            anew = self._contacts.offer(binding, now)
            if anew is not None:
                self.memory.registered_anew(anew.device)
        for binding in others:
            self._contacts.mention(binding, now)
        self._under_way.look_again()
        self._claims.look_again()
        return self._advance([], now)

    def withdraw(self, key: ContactKey, now: float) -> list[Step]:
        """Remove a contact after its binding has ended or its flow has closed. A MESSAGE on the wire is awaited."""
        self._contacts.withdraw(key)
        return self._advance([], now)

    def stop(self, now: float) -> list[Step]:
        """Send nothing more, as if all contacts were gone. MESSAGEs on the wire are awaited."""
        for key in list(self._contacts.known):
            self._contacts.withdraw(key)
        return self._advance([], now)

    def busy(self, key: ContactKey, row_id: int) -> None:
        """Mark the contact as occupied by a live branch of a relayed MESSAGE, an attempt of `row_id`."""
        self._under_way.occupy(key, row_id)

    def free(self, key: ContactKey, row_id: int, now: float) -> list[Step]:
        """End a live branch. The contact is free after the end of the last branch."""
        self._under_way.leave(key, row_id)
        return self._advance([], now)

    # --- rows ----------------------------------------------------------------------------------------

    def claimed(self, rows: Sequence[StoredMessage], now: float) -> list[Step]:
        """Take the answer to Claim, oldest first. Fewer rows than asked for are the last rows."""
        self._claims.answered(rows)
        return self._advance(self._hand.take(rows, now, self._backoff()), now)

    def settled(self, row_id: int, ok: bool, now: float) -> list[Step]:
        """Handle the commit of a row's end. With `ok` False the commit has failed and is repeated later."""
        held = self._hand.rows.get(row_id)
        if held is None or held.ending is None:
            return []
        if not ok:
            again = now + held.settle_again()
            return [Settle(held.row, held.ending, held.status, again, held.taken_by)]
        del self._hand.rows[row_id]
        if self.is_finished and self.memory.is_running:
            # Another run may have the row in hand.
            self.memory.delivered[row_id] = True
        else:
            self.memory.delivered.pop(row_id, None)
        self._settling -= 1
        for contact in held.takers:
            contact.waits_for -= 1
            self._contacts.drop_if_gone(contact)
        return self._advance([], now)

    def give_up(self, row_id: int, now: float) -> list[Step]:
        """Release a row for the operator (hold, purge). A row on the wire stays in hand until its attempts end."""
        held = self._hand.live(row_id)
        if held is not None:
            held.is_given_up = True
        if held is None or held.flights:
            return []
        return self._advance([self._hand.release(held)], now)

    def ended(self, row_id: int, now: float) -> list[Step]:
        """Keep the row from being sent again: a live branch got a 2xx or 6xx, and the caller ends the row."""
        steps = self.give_up(row_id, now)
        self.memory.delivered[row_id] = True
        return steps

    def _settle(
        self, held: Held, how: Ending, status: int | None, steps: list[Step], taken_by: str = ""
    ) -> None:
        held.ending = how
        held.status = status
        self._settling += 1
        self.memory.forget_row(held.row.id)
        if how is not Ending.EXPIRED:
            self.memory.delivered[held.row.id] = False
        held.taken_by = taken_by
        steps.append(Settle(held.row, how, status, 0.0, taken_by))

    # --- responses -----------------------------------------------------------------------------------

    def answered(
        self,
        row_id: int,
        key: ContactKey,
        status: int,
        retry_after: int | None,
        now: float,
        how: Ending = Ending.DELIVERED,
    ) -> list[Step]:
        """Handle a final response of a contact, also long after the run went on or finished.

        `how` is the ending of the row after a 2xx: HANDED for a next hop that may not have asked the device.
        """
        steps: list[Step] = []
        contact = self._under_way.landed(row_id, key)
        if contact is not None and contact.loses:
            held = self._hand.rows.get(row_id)
            if held is not None and held.bulk >= contact.loses:
                # A large row has arrived.
                contact.loses = 0
        if 200 <= status < 300:
            self._delivered(row_id, key, status, how, steps)
        elif contact is not None:
            steps += self._failures.answered(row_id, contact, status, retry_after, now, self.policy.retry)
        elif verdict_of(status).opinions == 1:
            steps += self._failures.late(row_id, status, self.is_finished and self.memory.is_running)
        if contact is not None:
            self._contacts.drop_if_gone(contact)
        return self._advance(steps, now)

    def failed(self, row_id: int, key: ContactKey, why: Why, now: float) -> list[Step]:
        """Handle the end of an attempt without a response."""
        contact = self._under_way.landed(row_id, key)
        if contact is not None:
            self._failures.silent(row_id, contact, why, now, self.policy.retry)
            self._contacts.drop_if_gone(contact)
        return self._advance([], now)

    def wants(self, row_id: int) -> bool:
        """False when the row has ended during the search for a flow to the contact."""
        return self._hand.live(row_id) is not None

    def unsent(self, row_id: int, key: ContactKey, now: float) -> list[Step]:
        """Handle an attempt that was not sent. The contact is free for the next row."""
        contact = self._under_way.landed(row_id, key)
        if contact is not None:
            self._contacts.drop_if_gone(contact)
        return self._advance([], now)

    def _delivered(self, row_id: int, key: ContactKey, status: int, how: Ending, steps: list[Step]) -> None:
        self.memory.stops = 0
        held = self._hand.rows.get(row_id)
        if held is None:
            former = self._hand.former.pop(row_id, None)
            if former is None:
                return
            self._hand.given_back.discard(row_id)
            held = self._hand.rows[row_id] = Held(former)
        contact = None if self.is_finished else self._contacts.known.get(key)
        if contact is not None:
            contact.waits_for += 1
            held.takers.append(contact)
        if held.ending is None:
            self._settle(held, how, status, steps, key[0])

    # --- next steps ----------------------------------------------------------------------------------

    def _advance(self, steps: list[Step], now: float) -> list[Step]:
        if self.is_finished:
            return steps
        wants_rows = False
        for contact in self._contacts.free():
            # The oldest row for the contact is not known before all allowed rows were claimed (law 4).
            is_early = contact.is_sips and self._claims.lacks_sips and self._hand.room > 0
            held = None if is_early else self._next_for(contact, now, steps)
            if held is None:
                wants_rows = True
            else:
                contact.row_id = held.row.id
                held.flights += 1
                self._under_way.flights += 1
                steps.append(Send(held.row, contact))
        if wants_rows and self._claims.may_have_more and not self._claims.asked:
            self._claim(steps, now)
        under_way = self._under_way
        if not (under_way.flights or self._claims.asked or self._settling or under_way.holds_up()):
            self._finish(steps, now)
        return steps

    def _next_for(self, contact: RunContact, now: float, steps: list[Step]) -> Held | None:
        """The oldest row for this contact. Expired rows and rows refused by all contacts end on the way."""
        while True:
            held = self._hand.oldest_for(contact, now, self.policy, self._claims.may_have_more)
            if held is None:
                return None
            if held.row.expires_at <= now:
                self._settle(held, Ending.EXPIRED, None, steps)
            elif refused := self.memory.refused_with(held.row.id):
                steps.append(self._hand.reject(held, refused))
            else:
                return held

    def _claim(self, steps: list[Step], now: float) -> None:
        if self._hand.room <= 0:
            # A hand full of rows refused by the free contacts must not keep later rows from these contacts (law 4).
            # Half of the rows stay for the other contacts. Rows for a sips: contact with a next request stay: a sips:
            # contact gets all rows in order, and meanwhile the other contacts wait for room in the hand.
            is_kept = self._contacts.sips_will_ask()
            idle = [
                held
                for held in self._hand.rows.values()
                if not (held.flights or held.ending or (is_kept and held.is_for_sips))
            ]
            until = now + self._backoff()
            if self._give_back(idle[len(idle) // 2 :], until, now, steps):
                self._put_off = until
        if self._hand.room > 0:
            steps.append(self._claims.ask(self._hand.room, self._contacts.serves_sips()))

    def _give_back(self, rows: Sequence[Held], until: float, now: float, steps: list[Step]) -> bool:
        told, has_rows = self._hand.give_back(
            rows, until, self.policy.attempts, self._contacts.devices(now), now,
            self._contacts.devices(now, by_sips=True),
        )  # fmt: skip
        steps += told
        return has_rows

    def _backoff(self) -> float:
        return float(self.policy.backoff(self.memory.stops))

    def _finish(self, steps: list[Step], now: float) -> None:
        self.is_finished = True
        self.memory.is_running = False
        self._under_way.end()
        # Rows for sips: were left out of the claims, and the devices for these rows keep their time of retry.
        keeps_time = self._claims.lacks_sips and bool(self._contacts.devices(now, by_sips=True))
        if not (self._hand.rows or self._claims.may_have_more or self._put_off):
            steps.append(Finished(None, keeps_time))
            return
        retry_at = self._retry_at(now)
        until = retry_at if retry_at is not None else now + self.policy.retry[-1]
        has_rows = self._give_back(list(self._hand.rows.values()), until, now, steps)
        has_rows = has_rows or bool(self._put_off) or (self._claims.may_have_more and retry_at is not None)
        self.memory.stops += has_rows and self._failures.has_stopped
        steps.append(Finished(retry_at if has_rows else None, keeps_time))

    def _retry_at(self, now: float) -> float | None:
        """The time of the next run. None if only a REGISTER can help."""
        times = [c.retry_at for c in self._contacts.with_standing(STOPPED)]
        times += [held.not_before for held in self._hand.rows.values() if held.not_before > now]
        times += [self._put_off] if self._put_off else []
        if times:
            return max(min(times), now)
        if self._hand.rows and self._contacts.with_standing(READY):
            # All contacts of this run have refused the rows, and other contacts have not been asked.
            self._failures.has_stopped = True
            return now + self._backoff()
        return None
