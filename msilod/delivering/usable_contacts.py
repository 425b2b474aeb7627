"""UsableContacts: selects the contacts of a recipient for a MESSAGE.

- A stored MESSAGE is not sent to a contact registered without MESSAGE (methods=, Allow), as in m_dump.
- No MESSAGE is sent to a contact after a 405 or similar, until the contact registers anew.
- A contact without an answer to OPTIONS counts as away, and gets no request until the next answer
  (registrar/keep_alive.py).
"""

from collections.abc import Callable, Iterable

from msilod.clock import Clock
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.registrar.phones import newest_of_each_phone
from msilod.silo.runs.schedule import DeliverySchedule


class UsableContacts:
    """Filters bindings. Fast without a RecipientMemory, the usual case for the target of a relayed MESSAGE."""

    def __init__(self, location: LocationService, schedule: DeliverySchedule, clock: Clock) -> None:
        self.location = location
        self.schedule = schedule
        self.clock = clock
        self._away = location.away

    def of(self, aor: str) -> list[Binding]:
        """The bindings of `aor` for a stored MESSAGE."""
        return self.among(aor, self.location.bindings(aor, self.clock.wall()))

    def among(self, aor: str, contacts: Iterable[Binding]) -> list[Binding]:
        """The bindings in `contacts` for a stored MESSAGE. Of a restarted phone: only the newest binding."""
        taking = [binding for binding in contacts if binding.takes_messages]
        return self.not_out(aor, newest_of_each_phone(taking) if len(taking) > 1 else taking)

    def ready(self, bindings: Iterable[Binding], name_of: Callable[[Binding], str]) -> list[Binding]:
        """Bindings that do not back off, or back off only from messages that are too large for the way.

        `name_of` gives the name of the run of a binding.
        """
        return [
            b for b in bindings if self.schedule.retry_at(name_of(b)) is None or self._loses(name_of(b), b)
        ]

    def _loses(self, name: str, binding: Binding) -> bool:
        memory = self.schedule.known(name)
        return memory is not None and memory.contacts.loses(binding)

    def present(self, aor: str, contacts: list[Binding]) -> list[Binding]:
        """The bindings not known to be away, for a request of any method."""
        if aor not in self._away:
            return contacts
        return [binding for binding in contacts if not binding.is_away]

    def not_out(self, aor: str, contacts: list[Binding]) -> list[Binding]:
        """The bindings neither away nor known to refuse MESSAGE."""
        if self._away:
            contacts = self.present(aor, contacts)
        memory = self.schedule.known(aor)
        if memory is None:
            return contacts
        return [binding for binding in contacts if not memory.contacts.is_out(binding)]
