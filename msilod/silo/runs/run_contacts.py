"""Contact: a place that a delivery run sends to, and Contacts: all that are known of one recipient.

Rules: a contact is its URI and its flow, so that the same phone on a new connection is a new contact. All
flows of one device (RFC 5626 +sip.instance) are asked one at a time, in the order of their offer:
when the device answers it has answered for all of them, when a flow is dead the next one is tried (§7).
"""

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Final

from msilod.registrar.binding import Binding, ContactKey, contact_key
from msilod.sip.sips import is_sips

# A delivery with so many octets of body and kept headers makes a datagram of about 1300 octets (RFC 3261 §18.1.1).
LARGE: Final = 800

# Bindings of one AOR are bounded by max_contacts; this bounds what is remembered of former ones.
MAX_KNOWN: Final = 128


class Standing(Enum):
    """What a run may do with a contact."""

    READY = "ready"
    STOPPED = "stopped"
    """It failed in this run, or asked to be left alone for a while."""
    OUT = "out"
    """It takes no MESSAGE until its registration changes."""
    ABSENT = "absent"
    """Known, but not one of this run."""
    GONE = "gone"
    """Un-registered while something of it was under way."""


# Enum members cost a descriptor call each time they are looked up; these are asked several times a row.
READY: Final = Standing.READY
STOPPED: Final = Standing.STOPPED
OUT: Final = Standing.OUT
ABSENT: Final = Standing.ABSENT
GONE: Final = Standing.GONE


class RunContact:
    """`row_id` is the MESSAGE on the wire, 0 for none; `waits_for` how many ends are being committed; `is_sips`:
    it registered as sips:; `cseq` is that of the REGISTER by which it was offered last.

    `retry_at` is when a stopped one is worth another try, `not_before` what it asked for with Retry-After
    (wall seconds; 0.0: nothing). `loses` is the size from which on rows do not reach it as datagrams (0: none is
    known to be lost); such rows are sent after all others.
    """

    __slots__ = (
        "binding", "cseq", "device", "is_busy", "is_sips", "key", "loses", "not_before", "retry_at", "row_id",
        "standing", "waits_for",
    )  # fmt: skip

    def __init__(self, binding: Binding, key: ContactKey, standing: Standing) -> None:
        self.binding = binding
        self.cseq = binding.cseq
        self.key = key
        self.device: Hashable = binding.instance or key
        self.is_sips = is_sips(key[0])
        self.standing = standing
        self.is_busy = False
        self.row_id = 0
        self.waits_for = 0
        self.retry_at = 0.0
        self.not_before = 0.0
        self.loses = 0

    @property
    def is_occupied(self) -> bool:
        """True while a MESSAGE is on the wire to it, or the end of its last one is not yet durable."""
        return bool(self.row_id or self.waits_for or self.is_busy)

    def has_lost(self, size: int, was_sent: bool) -> bool:
        """A delivery with `size` octets of body and headers got no answer; True when its size may be the cause.

        Fragments of a datagram get lost, and more than 65,507 octets are no datagram. When the contact does not
        answer a small one either, or a large one again, the size is not the cause.
        """
        flow = self.binding.flow
        is_cause = size >= LARGE and not (flow is not None and flow.connection)
        is_new = not self.loses or size < self.loses
        if is_cause and is_new:
            self.loses = LARGE if was_sent else size
        elif not is_cause:
            self.loses = 0
        return is_cause and is_new

    def is_another(self, binding: Binding) -> bool:
        """True when the same URI and flow were registered anew: another Call-ID or User-Agent, no refresh."""
        former = self.binding
        return binding.call_id != former.call_id or binding.user_agent != former.user_agent

    def renew(self, binding: Binding, now: float) -> bool:
        """The binding was offered again; a REGISTER since then gives a failed one another chance.

        True when it is another registration.
        """
        has_changed = self.is_another(binding)
        is_fresh = has_changed or binding.cseq != self.cseq
        self.binding, self.cseq = binding, binding.cseq
        if is_fresh:
            self.not_before = 0.0
        if has_changed:
            self.loses = 0
        if self.standing is OUT:
            if has_changed:
                self.standing = READY
        elif self.not_before > now:
            self.standing = STOPPED
            self.retry_at = self.not_before
        elif self.standing is not STOPPED or is_fresh:
            self.standing = READY
        return has_changed

    def __repr__(self) -> str:
        return f"<Contact {self.binding.contact} {self.standing.value} row {self.row_id}>"


class RunContacts:
    """All contacts known of one recipient, in the order of their first offer."""

    __slots__ = ("_has_flows", "_has_sips", "known")

    def __init__(self) -> None:
        self.known: dict[ContactKey, RunContact] = {}
        self._has_flows = False
        self._has_sips = False

    def begin(self) -> None:
        """A new run: nobody is offered yet, nothing is on the wire."""
        for contact in list(self.known.values()):
            if contact.standing is GONE:
                del self.known[contact.key]
            elif contact.standing is not OUT:
                contact.standing = ABSENT
            contact.row_id = contact.waits_for = 0
            contact.is_busy = False

    def offer(self, binding: Binding, now: float) -> RunContact | None:
        """Serve this one. The contact when its registration is new: another URI, flow, Call-ID or User-Agent."""
        key = contact_key(binding)
        contact = self.known.get(key)
        if contact is None:
            return self._add(binding, key, READY, now)
        if contact.standing is GONE or contact.standing is ABSENT:
            self._supersede(binding)
        return contact if contact.renew(binding, now) else None

    def mention(self, binding: Binding, now: float) -> RunContact:
        """Not one of this run, but somebody who may yet take what others refuse."""
        key = contact_key(binding)
        return self.known.get(key) or self._add(binding, key, ABSENT, now)

    def is_out(self, binding: Binding) -> bool:
        """True when it has said that it takes no MESSAGE, and has not registered anew since."""
        contact = self.known.get(contact_key(binding))
        return contact is not None and contact.standing is OUT and not contact.is_another(binding)

    def loses(self, binding: Binding) -> bool:
        """True when large rows do not reach the contact, and shorter rows do."""
        contact = self.known.get(contact_key(binding))
        return contact is not None and contact.loses > 0

    def _add(self, binding: Binding, key: ContactKey, standing: Standing, now: float) -> RunContact:
        self._supersede(binding)
        if len(self.known) >= MAX_KNOWN:
            self.forget_absent(now)
        contact = RunContact(binding, key, standing)
        if contact.device != key and any(other.device == contact.device for other in self.known.values()):
            self._has_flows = True
        self._has_sips |= contact.is_sips
        self.known[key] = contact
        return contact

    def _supersede(self, binding: Binding) -> None:
        """RFC 3261 §10.3 step 7: one binding per URI, so that its former flow is no contact any more.

        Several only where the phone keeps several flows (RFC 5626 §4.2).
        """
        key, reg_id = contact_key(binding), binding.reg_id
        for other in [c for c in self.known.values() if c.key[0] == key[0] and c.binding.reg_id == reg_id]:
            if other.key != key:
                self.withdraw(other.key)

    def forget_absent(self, now: float) -> None:
        """Drop what is not of this run and what has expired."""
        for contact in list(self.known.values()):
            if contact.standing is ABSENT or contact.binding.expires_at <= now:
                self.withdraw(contact.key)

    def withdraw(self, key: ContactKey) -> None:
        """The binding is gone; a MESSAGE on its way to it, or the end of its last one, is waited for."""
        contact = self.known.get(key)
        if contact is None:
            return
        contact.standing = GONE
        contact.is_busy = False
        self.drop_if_gone(contact)

    def stop(self, flows: Sequence[RunContact], retry_at: float, not_before: float) -> None:
        """No more of this run to these; `not_before` is kept beyond it."""
        for flow in flows:
            if flow.standing is READY:
                flow.standing = STOPPED
                flow.retry_at = retry_at
                flow.not_before = not_before

    def rule_out(self, flows: Sequence[RunContact]) -> None:
        """No MESSAGE to these until their registration changes."""
        for flow in flows:
            if flow.standing is not GONE:
                flow.standing = OUT

    def mark_busy(self, key: ContactKey, is_busy: bool) -> None:
        """A MESSAGE that is not of this run is on its way to the contact, or no longer."""
        contact = self.known.get(key)
        if contact is not None and contact.standing is not GONE:
            contact.is_busy = is_busy

    def drop_if_gone(self, contact: RunContact) -> None:
        """Forget it when nothing of it is under way any more."""
        if contact.standing is GONE and not contact.is_occupied:
            self.known.pop(contact.key, None)

    def free(self) -> list[RunContact]:
        """Those that a MESSAGE may leave to now: ready, nothing under way to their device."""
        if not self._has_flows:
            return [
                c
                for c in self.known.values()
                if c.standing is READY and not (c.row_id or c.waits_for or c.is_busy)
            ]
        # A flow as sips: may take what another of the same device may not.
        ready = sorted(self.with_standing(READY), key=lambda contact: not contact.is_sips)
        taken = {c.device for c in self.known.values() if c.is_occupied}
        free = []
        for contact in ready:
            if contact.device not in taken:
                taken.add(contact.device)
                free.append(contact)
        return free

    def flows_of(self, contact: RunContact) -> Sequence[RunContact]:
        """The contact and the other flows of its device."""
        if not self._has_flows:
            return (contact,)
        return [c for c in self.known.values() if c.device == contact.device]

    def with_standing(self, standing: Standing) -> list[RunContact]:
        """Those of one standing."""
        return [c for c in self.known.values() if c.standing is standing]

    def serves_sips(self) -> bool:
        """True when a contact of this run may have what was sent to sips:, now or after its back-off."""
        return self._has_sips and any(
            c.is_sips and (c.standing is READY or c.standing is STOPPED) for c in self.known.values()
        )

    def sips_will_ask(self) -> bool:
        """True when who of this run may have what was sent to sips: is occupied now, and asks for the next then."""
        return (
            self._has_sips
            and any(c.is_sips and c.standing is READY for c in self.known.values())
            and not any(c.is_sips for c in self.free())
        )

    def devices(self, now: float, by_sips: bool = False) -> set[Hashable]:
        """Every device that a row could still go to, one day; `by_sips`: one that was sent to sips:."""
        if by_sips and not self._has_sips:
            return set()
        return {
            c.device
            for c in self.known.values()
            if (c.is_sips or not by_sips)
            and c.standing is not GONE
            and (c.standing is not ABSENT or c.binding.expires_at > now)
        }
