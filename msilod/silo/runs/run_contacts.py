"""Run contacts: the contacts of one recipient, and the state of each contact in a run.

A contact is a URI and a flow: the same phone on a new connection is a new contact. The flows of one device (RFC 5626
+sip.instance) are tried one at a time, in the order of the offers. A response of the device counts for all flows; after
a failed flow the next flow is tried (§7).
"""

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Final

from msilod.registrar.binding import Binding, ContactKey, contact_key
from msilod.sip.sips import is_sips

# Bytes of body and kept header lines in a datagram of about 1300 bytes (RFC 3261 §18.1.1).
LARGE: Final = 800

# The bound for remembered former contacts. The bindings of an AOR are bounded by max_contacts.
MAX_KNOWN: Final = 128


class Standing(Enum):
    """The state of a contact in a run."""

    READY = "ready"
    STOPPED = "stopped"
    """A failure in this run, or a Retry-After in the future."""
    OUT = "out"
    """No MESSAGE until the next registration."""
    ABSENT = "absent"
    """Known, but outside this run."""
    GONE = "gone"
    """The binding has ended, and a MESSAGE or a commit is still awaited."""


# Constants, because looking up an enum member costs a descriptor call. The states are read several times per row.
READY: Final = Standing.READY
STOPPED: Final = Standing.STOPPED
OUT: Final = Standing.OUT
ABSENT: Final = Standing.ABSENT
GONE: Final = Standing.GONE


class RunContact:
    """One contact.

    `row_id`: the row on the wire, 0 for none. `waits_for`: the number of ends being committed. `is_sips`: registered as
    sips:. `cseq`: the CSeq of the REGISTER of the last offer. `retry_at`: the next attempt after a stop. `not_before`:
    the time set by Retry-After (silo time, 0.0 for none). `loses`: rows of this size or larger do not arrive as
    datagrams (0: no loss known); these rows are sent last.
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
        """True while a MESSAGE is on the wire to the contact, or the end of the last MESSAGE is not yet durable."""
        return bool(self.row_id or self.waits_for or self.is_busy)

    def has_lost(self, size: int, was_sent: bool) -> bool:
        """Handle a lost delivery of `size` bytes of body and header lines. True if the size may be the cause.

        Fragments of a datagram get lost, and datagrams have at most 65,507 bytes. The size is not the cause if a small
        row is lost as well, or a second large row.
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
        """True for a new registration of the same URI and flow: another Call-ID or User-Agent, and no refresh."""
        former = self.binding
        return binding.call_id != former.call_id or binding.user_agent != former.user_agent

    def renew(self, binding: Binding, now: float) -> bool:
        """Handle a new offer. A REGISTER after a failure allows another attempt.

        Returns True for a new registration.
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
    """All known contacts of one recipient, in the order of the first offer."""

    __slots__ = ("_has_flows", "_has_sips", "known")

    def __init__(self) -> None:
        self.known: dict[ContactKey, RunContact] = {}
        self._has_flows = False
        self._has_sips = False

    def begin(self) -> None:
        """Begin a new run: no contact is offered, and nothing is on the wire."""
        for contact in list(self.known.values()):
            if contact.standing is GONE:
                del self.known[contact.key]
            elif contact.standing is not OUT:
                contact.standing = ABSENT
            contact.row_id = contact.waits_for = 0
            contact.is_busy = False

    def offer(self, binding: Binding, now: float) -> RunContact | None:
        """Serve the binding. Returns the contact after a new registration: another URI, flow, Call-ID or User-Agent."""
        key = contact_key(binding)
        contact = self.known.get(key)
        if contact is None:
            return self._add(binding, key, READY, now)
        if contact.standing is GONE or contact.standing is ABSENT:
            self._supersede(binding)
        return contact if contact.renew(binding, now) else None

    def mention(self, binding: Binding, now: float) -> RunContact:
        """Add a contact outside this run. The contact may accept rows refused by other contacts."""
        key = contact_key(binding)
        return self.known.get(key) or self._add(binding, key, ABSENT, now)

    def is_out(self, binding: Binding) -> bool:
        """True after a response such as 405, until a new registration."""
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
        """Withdraw the former flows of a URI: there is one binding per URI (RFC 3261 §10.3 step 7).

        Several bindings are possible only for a phone with several flows (RFC 5626 §4.2).
        """
        key, reg_id = contact_key(binding), binding.reg_id
        for other in [c for c in self.known.values() if c.key[0] == key[0] and c.binding.reg_id == reg_id]:
            if other.key != key:
                self.withdraw(other.key)

    def forget_absent(self, now: float) -> None:
        """Withdraw contacts outside this run, and expired contacts."""
        for contact in list(self.known.values()):
            if contact.standing is ABSENT or contact.binding.expires_at <= now:
                self.withdraw(contact.key)

    def withdraw(self, key: ContactKey) -> None:
        """Handle the end of a binding. A MESSAGE on the wire, and the commit of an end, are awaited."""
        contact = self.known.get(key)
        if contact is None:
            return
        contact.standing = GONE
        contact.is_busy = False
        self.drop_if_gone(contact)

    def stop(self, flows: Sequence[RunContact], retry_at: float, not_before: float) -> None:
        """Stop contacts for this run. `not_before` holds for later runs as well."""
        for flow in flows:
            if flow.standing is READY:
                flow.standing = STOPPED
                flow.retry_at = retry_at
                flow.not_before = not_before

    def rule_out(self, flows: Sequence[RunContact]) -> None:
        """Send no MESSAGE to these contacts until the next registration."""
        for flow in flows:
            if flow.standing is not GONE:
                flow.standing = OUT

    def mark_busy(self, key: ContactKey, is_busy: bool) -> None:
        """Note the begin or the end of a MESSAGE from outside this run."""
        contact = self.known.get(key)
        if contact is not None and contact.standing is not GONE:
            contact.is_busy = is_busy

    def drop_if_gone(self, contact: RunContact) -> None:
        """Forget a contact after the end of the binding and of all activity."""
        if contact.standing is GONE and not contact.is_occupied:
            self.known.pop(contact.key, None)

    def free(self) -> list[RunContact]:
        """The contacts for the next MESSAGE: ready, with nothing in progress at the device."""
        if not self._has_flows:
            return [
                c
                for c in self.known.values()
                if c.standing is READY and not (c.row_id or c.waits_for or c.is_busy)
            ]
        # A sips: flow may accept rows not allowed on other flows of the device.
        ready = sorted(self.with_standing(READY), key=lambda contact: not contact.is_sips)
        taken = {c.device for c in self.known.values() if c.is_occupied}
        free = []
        for contact in ready:
            if contact.device not in taken:
                taken.add(contact.device)
                free.append(contact)
        return free

    def flows_of(self, contact: RunContact) -> Sequence[RunContact]:
        """The contact and the other flows of the device."""
        if not self._has_flows:
            return (contact,)
        return [c for c in self.known.values() if c.device == contact.device]

    def with_standing(self, standing: Standing) -> list[RunContact]:
        """The contacts in this state."""
        return [c for c in self.known.values() if c.standing is standing]

    def serves_sips(self) -> bool:
        """True if a contact of this run may get rows sent to sips:, now or after a back-off."""
        return self._has_sips and any(
            c.is_sips and (c.standing is READY or c.standing is STOPPED) for c in self.known.values()
        )

    def sips_will_ask(self) -> bool:
        """True if all sips: contacts of this run are occupied, and will ask for the next row."""
        return (
            self._has_sips
            and any(c.is_sips and c.standing is READY for c in self.known.values())
            and not any(c.is_sips for c in self.free())
        )

    def devices(self, now: float, by_sips: bool = False) -> set[Hashable]:
        """The devices of a possible later delivery; with `by_sips`, of rows sent to sips:."""
        if by_sips and not self._has_sips:
            return set()
        return {
            c.device
            for c in self.known.values()
            if (c.is_sips or not by_sips)
            and c.standing is not GONE
            and (c.standing is not ABSENT or c.binding.expires_at > now)
        }
