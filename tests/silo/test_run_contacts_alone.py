"""The contacts of one recipient: new contacts, free contacts, and contacts that replace others."""

from msilod.registrar.binding import contact_key
from msilod.silo.runs.run_contacts import MAX_KNOWN, RunContacts, Standing
from tests.silo.fake_daemon import START, binding


def standings(contacts: RunContacts) -> list[Standing]:
    return [contact.standing for contact in contacts.known.values()]


def test_a_contact_is_identified_by_uri_and_flow() -> None:
    assert contact_key(binding("a", 5061)) == contact_key(binding("a", 5061, cseq=7))
    assert contact_key(binding("a", 5061)) != contact_key(binding("a", 5062))
    assert contact_key(binding("a", 5061)) != contact_key(binding("b", 5061))


def test_an_offer_says_whether_the_contact_is_new() -> None:
    contacts = RunContacts()
    assert contacts.offer(binding("a", 5061), START)
    assert not contacts.offer(binding("a", 5061, cseq=2), START)
    assert contacts.offer(binding("a", 5062), START)


def test_a_refresh_restarts_a_failed_contact_and_another_offer_does_not() -> None:
    """The registrar changes the given binding in place, so the CSeq of the binding cannot tell a refresh."""
    contacts, bound = RunContacts(), binding("a", 5061)
    contacts.offer(bound, START)
    contacts.stop(contacts.free(), START + 60, 0.0)
    contacts.offer(bound, START)
    assert standings(contacts) == [Standing.STOPPED]
    bound.cseq += 1
    contacts.offer(bound, START)
    assert standings(contacts) == [Standing.READY]


def test_a_new_flow_replaces_the_old_flow() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a", 5061), START)
    contacts.offer(binding("a", 5062), START)
    assert list(contacts.known) == [contact_key(binding("a", 5062))]


def test_an_old_flow_with_a_message_on_the_wire_is_removed_after_its_end() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a", 5061), START)
    old = contacts.free()[0]
    old.row_id = 1
    contacts.offer(binding("a", 5062), START)
    assert standings(contacts) == [Standing.GONE, Standing.READY]
    contacts.offer(binding("a", 5061), START)
    assert standings(contacts) == [Standing.READY]


def test_two_flows_of_one_phone_both_stay() -> None:
    contacts = RunContacts()
    for port in (1, 2):
        contacts.offer(binding("a", 5060 + port, instance="<urn:uuid:1>", reg_id=port), START)
    assert len(contacts.known) == 2
    assert [contact.binding.reg_id for contact in contacts.free()] == [1]
    assert len(contacts.flows_of(contacts.free()[0])) == 2


def test_p13_contacts_of_one_instance_are_one_device_with_or_without_reg_id() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a", 5061, instance="<urn:uuid:1>"), START)
    contacts.offer(binding("b", 5061, instance="<urn:uuid:1>"), START)
    contacts.offer(binding("c", 5061, instance="<urn:uuid:2>"), START)
    assert [contact.binding.instance for contact in contacts.free()] == ["<urn:uuid:1>", "<urn:uuid:2>"]


def test_an_occupied_contact_is_not_free() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a"), START)
    contact = contacts.free()[0]
    for name, nothing, something in (("row_id", 0, 1), ("waits_for", 0, 1), ("is_busy", False, True)):
        setattr(contact, name, something)
        assert contacts.free() == []
        setattr(contact, name, nothing)
    assert contacts.free() == [contact]


def test_a_new_run_starts_without_offers_and_keeps_contacts_that_are_out() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a"), START)
    contacts.offer(binding("b"), START)
    contacts.free()[1].standing = Standing.OUT
    contacts.begin()
    assert standings(contacts) == [Standing.ABSENT, Standing.OUT]
    assert contacts.free() == []


def test_a_mentioned_contact_is_not_offered_but_counts_for_refusals() -> None:
    contacts = RunContacts()
    contacts.mention(binding("a"), START)
    assert contacts.free() == []
    assert contacts.devices(START) == {contact_key(binding("a"))}
    assert contacts.devices(START + 2e6) == set()


def test_the_memory_of_former_contacts_is_bounded() -> None:
    contacts = RunContacts()
    for number in range(MAX_KNOWN + 10):
        contacts.mention(binding(f"n{number}"), START)
    assert len(contacts.known) <= MAX_KNOWN


def test_a_removed_contact_is_not_in_the_next_run() -> None:
    contacts = RunContacts()
    contacts.offer(binding("a", 5061), START)
    contacts.free()[0].row_id = 1
    contacts.withdraw(contact_key(binding("a", 5061)))
    contacts.mark_busy(contact_key(binding("a", 5061)), True)
    assert standings(contacts) == [Standing.GONE]
    contacts.begin()
    assert contacts.known == {}
