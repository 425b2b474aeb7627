"""Items of the checklist for the whole daemon: the 2xx to a MESSAGE, and the owner of a binding."""

from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]


def test_g2_202_is_the_silos_and_200_the_devices(phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("carol", "kept").status == 202
    bob.register()
    alice.send(alice.message("bob", "passed on"))
    bob.take()
    assert alice.response().status == 200


def test_u4_a_2xx_to_message_has_neither_body_nor_contact(phone: MakePhone) -> None:
    answer = phone("alice").text("bob")
    assert answer.status == 202
    assert answer.body == b""
    assert b"contact" not in answer.headers


def test_g12_cpim_goes_in_and_out_untouched(phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    body = (
        b"From: MR SANDERS <im:piglet@100akerwood.com>\r\nTo: Depressed Donkey <im:eeyore@100akerwood.com>\r\n"
        b"DateTime: 2000-12-13T13:40:00-08:00\r\nSubject:;lang=fr \xc3\xa9\r\n\r\n"
        b"Content-type: text/xml; charset=utf-8\r\nContent-ID: <1@x>\r\n\r\n<body>\x00</body>"
    )
    alice.send(alice.message("bob", body, content_type="message/CPIM; x=1"))
    assert alice.response().status == 202
    bob.register()
    got = bob.take()
    assert got.body == body
    assert got.headers.get(b"content-type") == b"message/CPIM; x=1"


@pytest.mark.parametrize(
    "to", ["sip:%62ob@example.test", "sip:bob@EXAMPLE.test;x=1", "sips:bob@example.test"]
)
def test_r2_one_aor_however_it_is_spelled(daemon: Daemon, phone: MakePhone, to: str) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob", "for bob").status == 202
    bob.send(bob.registration().replace(b"To: <sip:bob@example.test>", f"To: <{to}>".encode()))
    assert bob.response().status == 200
    assert bob.take().body == b"for bob"


def test_r2_an_aor_of_another_domain_is_not_registered_here(phone: MakePhone) -> None:
    bob = phone("bob")
    bob.send(bob.registration().replace(b"To: <sip:bob@example.test>", b"To: <sip:bob@elsewhere.test>"))
    assert bob.response().status == 404


def test_r2_an_aor_of_a_strange_scheme_is_400(phone: MakePhone) -> None:
    bob = phone("bob")
    bob.send(bob.registration().replace(b"To: <sip:bob@example.test>", b"To: <isbn:2983792873>"))
    assert bob.response().status == 400
