"""R10: a contact with a wrong address is reached at the source address of the REGISTER."""

from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]


@pytest.mark.parametrize(
    "contact", ["<sip:bob@10.0.0.1:5060>", "<sip:bob@xyz.invalid>", "<sip:bob@192.168.7.7;ob>"]
)
def test_r10_a_phone_behind_nat_gets_its_message(daemon: Daemon, phone: MakePhone, contact: str) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register(contact=contact)
    alice.send(alice.message("bob"))
    got = bob.take()
    assert got.uri.decode() == contact.strip("<>"), "the Request-URI is the contact, parameters and all"
    assert alice.response().status == 200


def test_r10_a_contact_on_another_port_of_the_same_host_is_taken_at_its_word(
    daemon: Daemon, phone: MakePhone
) -> None:
    alice, registering, listening = phone("alice"), phone("bob"), phone("bob")
    registering.register(contact=f"<{listening.contact}>")
    alice.send(alice.message("bob"))
    assert listening.take().body == b"hello"
    assert alice.response().status == 200


def test_t5_answers_go_to_the_source_with_rport(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    data = alice.message("bob").replace(f"127.0.0.1:{alice.port}".encode(), b"behind.nat.invalid:5060")
    alice.send(data)
    answer = alice.response()
    assert answer.status == 202
    via = answer.headers.get(b"via") or b""
    assert f";rport={alice.port}".encode() in via
    assert b";received=127.0.0.1" in via
