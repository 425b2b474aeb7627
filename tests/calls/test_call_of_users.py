"""A call between users: the INVITE shows a password, and what belongs to the dialog needs none (checklist A1)."""

from tests.calls.conftest import Callers
from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"


def test_a1_a_call_shows_a_password_once_and_its_ack_and_bye_none(daemon: Daemon, callers: Callers) -> None:
    add_user(daemon, "alice")
    add_user(daemon, "bob")
    alice, bob = (callers(daemon, user, is_registered=False) for user in ("alice", "bob"))
    account = Account(alice, "secret")
    assert Account(bob, "secret").register().status == 200
    refused = alice.invite(BOB)
    alice.send(refused)
    account.hear(alice.final(refused))
    proof = account.field("INVITE", BOB, "Proxy-Authorization")
    alice.call(BOB, proof)
    invite = bob.request(b"INVITE")
    assert b"proxy-authorization" not in invite.headers
    assert invite.headers.get_all(b"p-asserted-identity") == [b"<sip:alice@example.test>"]
    bob.accept(invite)
    accepted = alice.response()
    caller, callee = alice.as_caller(accepted), bob.as_callee(invite)
    caller.send(b"ACK", cseq=1, extra=proof.encode())
    assert b"proxy-authorization" not in bob.request(b"ACK").headers, "it repeats those of its INVITE"
    callee.send(b"BYE")
    alice.answer(alice.request(b"BYE"))
    assert bob.response().status == 200
    caller.send(b"MESSAGE", body=b"in the name of alice")
    assert alice.response().status == 407, "a MESSAGE proves its From even here"
