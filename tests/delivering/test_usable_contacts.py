"""UsableContacts: the contacts of a recipient that may get a MESSAGE."""

from msilod.delivering.usable_contacts import UsableContacts
from msilod.registrar.binding import Binding, contact_key
from msilod.registrar.location import LocationService
from msilod.registrar.ping_state import PingState
from msilod.silo.runs.schedule import DeliverySchedule
from tests.delivering.room import BOB, binding
from tests.without_io import WALL, ManualClock


class Contacts:
    """Contacts of Bob."""

    def __init__(self, *bindings: Binding) -> None:
        self.location = LocationService()
        self.location.restore(BOB, bindings)
        self.schedule = DeliverySchedule()
        self.clock = ManualClock()
        self.usable = UsableContacts(self.location, self.schedule, self.clock)


def ports(bindings: list[Binding]) -> list[int]:
    return [found.flow.port for found in bindings if found.flow is not None]


def test_a_contact_registered_without_message_gets_no_stored_message() -> None:
    contacts = Contacts(
        binding(5061, methods=frozenset(("INVITE", "OPTIONS"))),
        binding(5062, methods=frozenset(("MESSAGE",))),
        binding(5063),
    )
    assert ports(contacts.usable.of(BOB)) == [5062, 5063]


def test_an_expired_contact_gets_no_stored_message() -> None:
    contacts = Contacts(binding(5061, seconds=10.0), binding(5062))
    contacts.clock.pass_(10.0)
    assert ports(contacts.usable.of(BOB)) == [5062]


def test_of_a_restarted_phone_only_the_newest_binding_is_used() -> None:
    former, latest = binding(5061), binding(5061, registered_at=WALL + 5)
    latest.contact += ";ob"
    contacts = Contacts(former, latest)
    assert contacts.usable.of(BOB) == [latest]


def test_a_contact_out_after_405_is_used_again_after_a_new_registration() -> None:
    former = binding(5061)
    contacts = Contacts(former, binding(5062))
    memory = contacts.schedule.memory(BOB)
    memory.contacts.rule_out([memory.contacts.mention(former, WALL)])
    assert ports(contacts.usable.of(BOB)) == [5062]
    assert ports(contacts.usable.among(BOB, [binding(5061, call_id="r2")])) == [5061]


def test_a_contact_without_answers_to_options_gets_no_request_until_it_registers() -> None:
    away = binding(5061)
    state = away.pings = PingState()
    state.registered_at, state.is_away = away.registered_at, True
    contacts = Contacts(away, binding(5062))
    contacts.location.away.add(BOB)
    assert ports(contacts.usable.of(BOB)) == [5062]
    assert ports(contacts.usable.present(BOB, [away, binding(5062)])) == [5062]
    away.registered_at += 1.0
    assert ports(contacts.usable.of(BOB)) == [5061, 5062]


def test_a_contact_in_a_back_off_is_not_ready() -> None:
    contacts = Contacts(binding(5061), binding(5062))
    contacts.schedule.back_off("bob at 5061", WALL + 60)
    names = {5061: "bob at 5061", 5062: "bob at 5062"}
    ready = contacts.usable.ready(contacts.usable.of(BOB), lambda b: names[b.flow.port] if b.flow else "")
    assert ports(ready) == [5062]


def test_a_contact_that_backs_off_from_large_messages_only_is_ready() -> None:
    contact = binding(5061)
    contacts = Contacts(contact)
    contacts.schedule.back_off(BOB, WALL + 60)
    known = contacts.schedule.memory(BOB).contacts.mention(contact, WALL)
    assert contacts.usable.ready([contact], lambda b: b.aor) == []
    assert known.key == contact_key(contact)
    assert known.has_lost(4_000, True)
    assert contacts.usable.ready([contact], lambda b: b.aor) == [contact]
