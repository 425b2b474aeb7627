"""DeliveryRun: one recipient's delivery run, a pure machine that the daemon feeds and obeys.

    offer ─► Claim ─► claimed ─► Send ─► answered / failed ─► Settle ─► settled ─► next row ... ─► Finished

Rules:
1. One MESSAGE in flight per contact, oldest row first (RFC 3428 §8). Each free contact takes the oldest row
   that it may have; so a row goes to all free contacts in parallel and a slow one delays nobody.
2. The first 2xx ends the row (Settle). Whoever took it is sent nothing until that is durable (`settled`).
3. An S outcome, silence or a dead transport stop the contact for this run; a REGISTER starts it again. A
   refusal takes the row from that contact only; it is final when nobody known is left to ask, or by a 6xx.
4. When nothing is under way and nothing can be sent, the rows in hand are given back and the run is over.
   After that it takes late answers only.
5. A row in hand ends in exactly one of Settle, Reject, Postpone, Release; only a late 2xx or 6xx adds a
   Settle or a Reject behind them.

Steps are complete when they are returned: carrying one out may call back into the run at once. An attempt
is over with `answered` or `failed`; what it answers after that counts only as a 2xx or a 6xx.
All times are wall seconds (UTC).
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
    """The run of one recipient. `memory` outlives it and is the same for the next run of `aor`."""

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
        # Until when rows were given back to make room in the hand; 0.0: none were.
        self._put_off = 0.0

    @property
    def in_hand(self) -> list[StoredMessage]:
        """The rows under lease, for its renewal."""
        return [held.row for held in self._hand.rows.values()]

    def holds(self, row_id: int) -> bool:
        """True when the row is in hand."""
        return row_id in self._hand.rows

    @property
    def on_wire(self) -> list[int]:
        """The ids of rows that a MESSAGE is under way for."""
        return [id for id, held in self._hand.rows.items() if held.flights]

    # --- contacts ------------------------------------------------------------------------------------

    def offer(self, bindings: Sequence[Binding], now: float, others: Sequence[Binding] = ()) -> list[Step]:
        """Serve these contacts, at once and also with the row on the wire; look for rows again.

        `others` are the recipient's other usable contacts: not sent to in this run, but a row is not
        rejected before they had their say. A finished run takes no offer.
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
        """The binding is gone or its flow has closed. A MESSAGE on the wire to it still ends by itself."""
        self._contacts.withdraw(key)
        return self._advance([], now)

    def stop(self, now: float) -> list[Step]:
        """No more to anybody, as if all had gone; what is on the wire still ends by itself."""
        for key in list(self._contacts.known):
            self._contacts.withdraw(key)
        return self._advance([], now)

    def busy(self, key: ContactKey, row_id: int) -> None:
        """A live branch of an online MESSAGE occupies this contact; it is the attempt of `row_id`."""
        self._under_way.occupy(key, row_id)

    def free(self, key: ContactKey, row_id: int, now: float) -> list[Step]:
        """That branch has ended; its contact is free after the last of them."""
        self._under_way.leave(key, row_id)
        return self._advance([], now)

    # --- rows ----------------------------------------------------------------------------------------

    def claimed(self, rows: Sequence[StoredMessage], now: float) -> list[Step]:
        """The answer to Claim, oldest first; fewer than asked for: there are no more."""
        self._claims.answered(rows)
        return self._advance(self._hand.take(rows, now, self._backoff()), now)

    def settled(self, row_id: int, ok: bool, now: float) -> list[Step]:
        """The end of the row is durable; not `ok`: it is not, and is asked for again later."""
        held = self._hand.rows.get(row_id)
        if held is None or held.ending is None:
            return []
        if not ok:
            again = now + held.settle_again()
            return [Settle(held.row, held.ending, held.status, again, held.taken_by)]
        del self._hand.rows[row_id]
        if self.is_finished and self.memory.is_running:
            # Another run may hold the row.
            self.memory.delivered[row_id] = True
        else:
            self.memory.delivered.pop(row_id, None)
        self._settling -= 1
        for contact in held.takers:
            contact.waits_for -= 1
            self._contacts.drop_if_gone(contact)
        return self._advance([], now)

    def give_up(self, row_id: int, now: float) -> list[Step]:
        """The operator wants the row (hold, purge): released; on the wire it ends by itself, and only there."""
        held = self._hand.live(row_id)
        if held is not None:
            held.is_given_up = True
        if held is None or held.flights:
            return []
        return self._advance([self._hand.release(held)], now)

    def ended(self, row_id: int, now: float) -> list[Step]:
        """Somebody else ends the row, after a live branch's 2xx or 6xx: it is not sent any more."""
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

    # --- answers -------------------------------------------------------------------------------------

    def answered(
        self,
        row_id: int,
        key: ContactKey,
        status: int,
        retry_after: int | None,
        now: float,
        how: Ending = Ending.DELIVERED,
    ) -> list[Step]:
        """A contact's final answer to a row, perhaps long after the run went on or ended.

        `how` is what a 2xx is worth: HANDED when a next hop says it that may not have asked the device.
        """
        steps: list[Step] = []
        contact = self._under_way.landed(row_id, key)
        if contact is not None and contact.loses:
            held = self._hand.rows.get(row_id)
            if held is not None and held.bulk >= contact.loses:
                # A large one has arrived.
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
        """The attempt ended without an answer."""
        contact = self._under_way.landed(row_id, key)
        if contact is not None:
            self._failures.silent(row_id, contact, why, now, self.policy.retry)
            self._contacts.drop_if_gone(contact)
        return self._advance([], now)

    def wants(self, row_id: int) -> bool:
        """False when the row has ended while a way to the contact was sought."""
        return self._hand.live(row_id) is not None

    def unsent(self, row_id: int, key: ContactKey, now: float) -> list[Step]:
        """The attempt was not made, and its contact is free for the next row."""
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

    # --- what to do next -----------------------------------------------------------------------------

    def _advance(self, steps: list[Step], now: float) -> list[Step]:
        if self.is_finished:
            return steps
        wants_rows = False
        for contact in self._contacts.free():
            # Before all has been looked at that it may have, the oldest is not known (law 4).
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
        """The oldest row that this contact may have; what nobody may have ends on the way."""
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
            # A hand full of what the free contacts have refused must not keep later rows from them (law 4);
            # half of it stays for the others. What a sips: contact is about to have stays: it gets all in order,
            # and who is not sips: waits for a place as long as that goes on.
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
        # Who may have what was left out is no contact of this run, and keeps his time.
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
        """When a timer run is worth while; None when only a REGISTER can help."""
        times = [c.retry_at for c in self._contacts.with_standing(STOPPED)]
        times += [held.not_before for held in self._hand.rows.values() if held.not_before > now]
        times += [self._put_off] if self._put_off else []
        if times:
            return max(min(times), now)
        if self._hand.rows and self._contacts.with_standing(READY):
            # Refused by all of this run, while others have not been asked.
            self._failures.has_stopped = True
            return now + self._backoff()
        return None
