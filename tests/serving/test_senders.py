"""Senders: a live request counts for its user, else for its source; trusted sources have no limit."""

from msilod.auth.members import Members
from msilod.auth.policy import AuthPolicy
from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.auth.users import Users
from msilod.registrar.gruu import Gruus
from msilod.routing.aliases import Aliases
from msilod.routing.myself import Myself
from msilod.serving.senders import Senders
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse

ENDPOINT = Endpoint(UDP, "192.0.2.1", 5060, b"192.0.2.1:5060")
STRANGER = Flow(ENDPOINT, "198.51.100.9", 5060)
TRUSTED = Flow(ENDPOINT, "192.0.2.7", 5060)


def message(sender: str) -> Request:
    request = parse(
        f"MESSAGE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1\r\n"
        f"From: <{sender}>;tag=1\r\nTo: <sip:bob@example.test>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
        f"Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(request, Request)
    return request


def senders(mode: str) -> Senders:
    members = Members(Users(), AuthPolicy(mode=mode))
    myself = Myself(["example.test"], [ENDPOINT], ["192.0.2.1"], Aliases({}), Gruus(bytes(32)))
    return Senders(members, Trust(["192.0.2.7"]), Sources(), myself)


def test_a_user_counts_by_name_only_while_passwords_are_asked_for() -> None:
    alice = message("sip:alice@example.test")
    assert senders("required").of(alice, STRANGER) == "alice@example.test"
    assert senders("required").of(alice, None) == "alice@example.test"
    assert senders("off").of(alice, STRANGER) == "198.51.100.9"


def test_a_foreign_sender_counts_by_source_and_a_trusted_source_has_no_limit() -> None:
    carol = message("sip:carol@elsewhere.test")
    for mode in ("required", "off"):
        assert senders(mode).of(carol, STRANGER) == "198.51.100.9"
        assert senders(mode).of(carol, TRUSTED) == ""
        assert senders(mode).of(carol, None) == ""
