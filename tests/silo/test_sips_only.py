"""A message sent to sips: waits for a sips: contact, and does not delay other messages (RFC 5630 §5.2, T17)."""

import pytest

from msilod.registrar.binding import Binding
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.sips_only import is_secure
from msilod.silo.stored_message import StoredMessage
from tests.silo.fake_daemon import FakeDaemon, binding, row

PLAIN = binding("a", 5061)
SECURE = binding("s", 5062, scheme="sips")
SIPS = b"sips:bob@example.test"


def for_sips(*ids: int) -> list[StoredMessage]:
    return [row(id, uri=SIPS) for id in ids]


def started(rows: list[StoredMessage], *bindings: Binding, others: tuple[Binding, ...] = ()) -> FakeDaemon:
    daemon = FakeDaemon()
    daemon.store(*rows)
    daemon.offer(*bindings, others=others)
    daemon.claim()
    return daemon


def take(daemon: FakeDaemon, name: str) -> None:
    daemon.answer(daemon.on_wire(name), 200)
    daemon.commit()


# --- messages for sips: contacts only -------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "own_hop", "hop", "may"),
    [
        ("sips:bob@pc.test", "", "", True),
        ("SIPS:bob@pc.test", "", "", True),
        ("sip:bob@pc.test;transport=tls", "", "", False),
        ("sips:bob@pc.test", "", "sip:hop.test", False),
        ("sips:bob@pc.test", "", "sips:hop.test", True),
        ("sips:bob@pc.test", "", "sip:hop.test;transport=TLS", True),
        ("sips:bob@pc.test", "sip:hop.test", "sips:hop.test", False),
        ("sips:bob@pc.test", "no URI", "", False),
    ],
)
def test_t17_all_uris_of_the_path_must_be_sips(contact: str, own_hop: str, hop: str, may: bool) -> None:
    message = row(1, uri=SIPS)
    message.next_hop = own_hop
    found = binding()
    found.contact = contact
    assert is_secure(message, found, SiloPolicy(next_hop=hop)) is may


# --- sip: contacts only ---------------------------------------------------------------------------


def test_t17_a_sips_message_waits_unchanged_for_a_sips_contact() -> None:
    daemon = started(for_sips(1), PLAIN)
    assert daemon.take_log() == ["claim 64", "finished"]
    (waiting,) = daemon.rows.values()
    assert (waiting.attempts, waiting.next_attempt_at, waiting.state) == (0, None, "waiting")
    daemon.offer(SECURE)
    daemon.claim()
    assert daemon.take_log() == ["claim 64 with sips", "send 1 s"]


def test_t17_a_page_of_sips_messages_does_not_block_the_other_messages() -> None:
    daemon = started([*for_sips(*range(1, 101)), row(101), row(102)], PLAIN)
    take(daemon, "a")
    take(daemon, "a")
    assert daemon.take_log() == [
        "claim 64", "send 101 a", "settle 101 delivered", "send 102 a", "settle 102 delivered", "finished",
    ]  # fmt: skip


def test_a_claim_without_sips_messages_keeps_the_time_of_the_sips_contacts() -> None:
    daemon = started(for_sips(1), PLAIN, others=(SECURE,))
    assert daemon.keeps_time
    assert not started(for_sips(1), PLAIN).keeps_time


# --- sips: and sip: contacts ----------------------------------------------------------------------


def test_t17_a_sips_contact_gets_both_kinds_in_order() -> None:
    daemon = started([row(1), *for_sips(2), row(3)], SECURE)
    for _ in range(3):
        take(daemon, "s")
    sent = [step for step in daemon.take_log() if step.startswith("send")]
    assert sent == ["send 1 s", "send 2 s", "send 3 s"]


def test_t17_a_slow_sips_contact_does_not_delay_the_others() -> None:
    daemon = started([*for_sips(1), row(2), *for_sips(3), row(4)], PLAIN, SECURE)
    assert daemon.take_log() == ["claim 64 with sips", "send 2 a", "send 1 s"]
    take(daemon, "a")
    take(daemon, "a")
    assert daemon.take_log() == ["settle 2 delivered", "send 4 a", "settle 4 delivered"]
    take(daemon, "s")
    take(daemon, "s")
    assert daemon.take_log() == ["settle 1 delivered", "send 3 s", "settle 3 delivered", "finished"]


def test_a_sips_message_with_a_failure_waits_and_the_other_messages_go_on() -> None:
    daemon = started([*for_sips(1), row(2), *for_sips(3)], PLAIN, SECURE)
    daemon.answer(daemon.on_wire("s"), 486)
    take(daemon, "a")
    assert daemon.take_log()[3:] == [
        "settle 2 delivered", "postpone 1 +60 486", "postpone 3 +60 None", "finished +60",
    ]  # fmt: skip
    assert [waiting.attempts for waiting in daemon.rows.values()] == [1, 0]


def test_a_sips_message_is_rejected_when_all_sips_contacts_have_refused() -> None:
    daemon = started(for_sips(1), PLAIN, SECURE)
    daemon.answer(daemon.on_wire("s"), 415)
    assert daemon.take_log()[-2:] == ["reject 1 415", "finished"]


def test_a_sips_message_is_released_when_the_last_sips_contact_is_removed() -> None:
    daemon = started([*for_sips(1, 2), row(3)], PLAIN, SECURE)
    daemon.fail(daemon.on_wire("s"), "transport")
    daemon.withdraw(SECURE)
    take(daemon, "a")
    assert daemon.take_log()[-2:] == ["release 1,2", "finished"]


def test_law4_a_new_contact_in_a_run_gets_the_oldest_allowed_message() -> None:
    daemon = started([*for_sips(1), row(2), *for_sips(3), row(4)], PLAIN)
    daemon.offer(SECURE)
    assert daemon.take_log() == ["claim 64", "send 2 a", "claim 62 with sips"]
    daemon.claim()
    assert daemon.take_log() == ["send 1 s"]
    for _ in range(2):
        take(daemon, "s")
    assert daemon.take_log() == ["settle 1 delivered", "send 2 s", "settle 2 delivered", "send 3 s"]


def test_law4_a_page_of_sips_messages_stays_with_a_sips_contact_that_accepts() -> None:
    daemon = started([*for_sips(*range(1, 66)), row(66)], PLAIN, SECURE)
    assert daemon.take_log() == ["claim 64 with sips", "send 1 s"]
    take(daemon, "s")
    daemon.claim()
    take(daemon, "s")
    daemon.claim()
    assert daemon.take_log() == [
        "settle 1 delivered", "send 2 s", "claim 1 with sips",
        "settle 2 delivered", "send 3 s", "claim 1 with sips", "send 66 a",
    ]  # fmt: skip


def test_a_page_of_sips_messages_is_postponed_when_the_sips_contact_is_silent() -> None:
    daemon = started([*for_sips(*range(1, 101)), row(101)], PLAIN, SECURE)
    daemon.fail(daemon.on_wire("s"))
    while daemon.claims:
        daemon.claim()
    take(daemon, "a")
    assert daemon.take_log()[-1] == "finished +60"
    assert sorted(daemon.rows) == list(range(1, 101))


def test_a_device_with_sip_and_sips_flows_gets_sips_messages_by_the_sips_flow() -> None:
    plain = binding("d", 5061, instance="<urn:uuid:d>", reg_id=1)
    secure = binding("s", 5062, instance="<urn:uuid:d>", reg_id=2, scheme="sips")
    daemon = started([*for_sips(1), row(2)], plain, secure)
    assert daemon.take_log() == ["claim 64 with sips", "send 1 s"]
    daemon.fail(daemon.on_wire("s"))
    assert daemon.take_log() == ["send 2 d"]
