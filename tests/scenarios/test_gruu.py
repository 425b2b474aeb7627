"""GRUUs on the real daemon: one device of a user is called and texted, and no other (RFC 5627, R14)."""

import itertools
import re
from collections.abc import Callable, Iterator

import pytest

from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

URN = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
OTHER_URN = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
KINDS = pytest.mark.parametrize("kind", ["pub-gruu", "temp-gruu"])
_cseq = itertools.count(1)


@pytest.fixture
def phones(daemon: Daemon) -> Iterator[tuple[Phone, Phone, Phone]]:
    """Two phones of Bob, and one of Alice."""
    with (
        Phone("bob", daemon.address) as desk,
        Phone("bob", daemon.address) as other,
        Phone("alice", daemon.address) as alice,
    ):
        yield desk, other, alice


def register(phone: Phone, urn: str = URN, expires: int = 600) -> dict[str, str]:
    """Register. Returns the GRUUs of the phone's own Contact in the 200."""
    contact = f'<{phone.contact}>;+sip.instance="<{urn}>"'
    answer = phone.register(expires, "Supported: path, gruu\r\n", contact)
    assert answer.status == 200
    own = [line for line in answer.headers.split(b"contact") if urn.encode() in line]
    return dict(re.findall(r';([a-z]+-gruu)="([^"]*)"', own[0].decode())) if own else {}


def ask(alice: Phone, method: str, uri: str) -> None:
    if method == "MESSAGE":
        alice.send(alice.message("bob", "for one", uri=uri))
        return
    lines = alice.head(method, uri, uri, f"g{next(_cseq)}@alice", 1)
    alice.send(f"{lines}Contact: <{alice.contact}>\r\nContent-Length: 0\r\n\r\n".encode())


def final(alice: Phone) -> int:
    """The status of the next final response."""
    while (answer := alice.response()).status < 200:
        pass
    assert isinstance(answer, Response)
    return answer.status


def status(alice: Phone, method: str, uri: str) -> int:
    ask(alice, method, uri)
    return final(alice)


@KINDS
@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "INVITE"])
def test_r14_one_device_is_reached_and_no_other(
    phones: tuple[Phone, Phone, Phone], kind: str, method: str
) -> None:
    desk, other, alice = phones
    gruu = register(desk)[kind]
    register(other, OTHER_URN)
    ask(alice, method, gruu)
    desk.answer(desk.request(method.encode()))
    assert final(alice) == 200
    assert other.is_silent()


def test_r14_the_ack_goes_where_the_gruu_leads(phones: tuple[Phone, Phone, Phone]) -> None:
    desk, other, alice = phones
    register(other, OTHER_URN)
    gruu = register(desk)["temp-gruu"]
    ask(alice, "INVITE", gruu)
    desk.answer(desk.request(b"INVITE"), headers=((b"Contact", f"<{gruu}>".encode()),))
    assert final(alice) == 200
    ask(alice, "ACK", gruu)
    assert desk.request(b"ACK").uri == desk.contact.encode()
    assert other.is_silent()


def test_r14_a_temporary_one_is_not_found_after_a_new_call_id(phones: tuple[Phone, Phone, Phone]) -> None:
    desk, _, alice = phones
    former = register(desk)
    assert register(desk)["temp-gruu"] != former["temp-gruu"]
    desk.call_id = "rebooted@bob"
    current = register(desk)
    for method in ("MESSAGE", "OPTIONS", "INVITE"):
        assert status(alice, method, former["temp-gruu"]) == 404
    for gruu in (former["pub-gruu"], current["temp-gruu"]):
        ask(alice, "OPTIONS", gruu)
        desk.answer(desk.request(b"OPTIONS"))
        assert final(alice) == 200


@KINDS
def test_r14_who_is_away_has_his_mail_kept(
    phones: tuple[Phone, Phone, Phone], daemon: Daemon, kind: str
) -> None:
    desk, _, alice = phones
    gruu = register(desk)[kind]
    register(desk, expires=0)
    assert status(alice, "INVITE", gruu) == 480
    assert status(alice, "MESSAGE", gruu) == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test"]
    register(desk)
    assert desk.take().body == b"for one"


def test_r14_a_device_that_is_not_here_is_404_and_has_its_mail_kept(
    phones: tuple[Phone, Phone, Phone],
) -> None:
    desk, _, alice = phones
    register(desk)
    unknown = f"sip:bob@example.test;gr={OTHER_URN}"
    assert status(alice, "OPTIONS", unknown) == 404
    assert status(alice, "MESSAGE", unknown) == 202


def test_r14_gruus_outlive_a_restart(phones: tuple[Phone, Phone, Phone], daemon: Daemon) -> None:
    desk, _, alice = phones
    gruu = register(desk)["temp-gruu"]
    daemon.stop()
    daemon.start()
    ask(alice, "OPTIONS", gruu)
    desk.answer(desk.request(b"OPTIONS"))
    assert final(alice) == 200


@KINDS
def test_r14_a_gruu_is_refused_as_a_contact(phones: tuple[Phone, Phone, Phone], kind: str) -> None:
    desk, _, _ = phones
    assert desk.register(contact=f"<{register(desk)[kind]}>").status == 403


def test_r14_the_mailbox_that_to_alone_names(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[silo]\nmode = 2\n")
    with Phone("bob", daemon.address) as desk, Phone("alice", daemon.address) as alice:
        gruu = register(desk)["temp-gruu"]
        register(desk, expires=0)
        alice.send(
            alice.message("bob", "for one", uri=gruu).replace(b"<sip:bob@example.test>", f"<{gruu}>".encode())
        )
        assert final(alice) == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test"]


def test_r14_options_tells_of_it(phones: tuple[Phone, Phone, Phone]) -> None:
    _, _, alice = phones
    ask(alice, "OPTIONS", "sip:example.test")
    assert b"gruu" in alice.response().headers.split(b"supported")
