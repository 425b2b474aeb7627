"""Security 17: digest in the form of RFC 2069 is accepted, once for each nonce; `[auth] qop` can refuse the form."""

from collections.abc import Callable, Iterator

import pytest

from msilod.control.protocol import ControlClient
from tests.scenarios.account import Account, add_user, challenges
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Daemon:
    daemon = start_daemon()
    add_user(daemon, "alice")
    add_user(daemon, "bob")
    return daemon


@pytest.fixture
def alice(daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", daemon.address) as phone:
        yield phone


def bindings(daemon: Daemon) -> str:
    return daemon.msilo("bindings").stdout


@pytest.mark.parametrize("stray", ["", 'nc="00000001",', "nc=1,", 'nc="00000010",cnonce="",'])
def test_it_is_accepted_with_and_without_a_stray_count(alice: Phone, stray: str) -> None:
    """As sent by pyVoIP, and, with the count, by libpurple."""
    account = Account(alice, "secret", has_qop=False, stray=stray)
    assert account.register().status == 200
    assert Account(alice, "wrong", has_qop=False, stray=stray).register().status == 401


def test_a_nonce_is_good_for_one_request_in_either_form(alice: Phone) -> None:
    account = Account(alice, "secret", has_qop=False)
    assert account.register().status == 200
    for has_qop, count in ((False, 1), (True, 1), (True, 0xFFFFFFFF)):
        account.has_qop = has_qop
        answer = alice.register(extra=account.field("REGISTER", "sip:example.test", count=count))
        assert answer.status == 401
        assert challenges(answer)[0]["stale"] == "true"
    account.has_qop = False
    assert account.register().status == 200, "with the nonce of the challenge"


def test_a_nonce_that_was_counted_is_not_taken_without_a_count(alice: Phone) -> None:
    account = Account(alice, "secret")
    assert account.register().status == 200
    account.has_qop = False
    assert alice.register(extra=account.field("REGISTER", "sip:example.test")).status == 401


def test_a_copy_from_another_place_gets_nothing(daemon: Daemon, alice: Phone) -> None:
    """An eavesdropper can neither register nor remove with a copy of the request."""
    account = Account(alice, "secret", has_qop=False)
    assert account.register().status == 200
    proof = account.field("REGISTER", "sip:example.test")
    with Phone("alice", daemon.address) as mallory:
        for expires in (600, 0):
            assert mallory.register(expires, proof).status == 401
            assert mallory.register(expires, proof, f"<{alice.contact}>").status == 401
    assert alice.contact in bindings(daemon)


@pytest.mark.parametrize("contact", [None, "*", "expires"])
def test_a_sign_off_with_the_old_nonce_is_taken_once(
    daemon: Daemon, alice: Phone, contact: str | None
) -> None:
    account = Account(alice, "secret", has_qop=False, stray='nc="00000002",')
    assert account.register().status == 200
    proof = account.field("REGISTER", "sip:example.test")
    if contact == "expires":
        contact = f"<{alice.contact}>;expires=0"
    assert alice.register(600, proof).status == 401, "no registration with it"
    assert alice.register(0, proof, contact).status == 200
    assert "alice" not in bindings(daemon)
    account.challenge = {}
    assert account.register().status == 200
    assert alice.register(0, proof, contact).status == 401, "the former nonce"
    assert "alice" in bindings(daemon)


def test_a_query_and_a_list_that_also_adds_are_no_sign_off(alice: Phone) -> None:
    account = Account(alice, "secret", has_qop=False)
    assert account.register().status == 200
    proof = account.field("REGISTER", "sip:example.test")
    both = f"<{alice.contact}>;expires=0, <sip:alice@127.0.0.1:9>;expires=600"
    assert alice.register(0, proof, both).status == 401


def test_a_message_without_qop(alice: Phone) -> None:
    account = Account(alice, "secret", has_qop=False)
    assert account.text("bob").status == 202
    proof = account.field("MESSAGE", "sip:bob@example.test", "Proxy-Authorization")
    assert alice.text("bob", extra=proof).status == 407


def test_a_key_refuses_the_form_and_the_log_names_the_reason(daemon: Daemon, alice: Phone) -> None:
    daemon.config.write_text('[auth]\nqop = "required"\n')
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("reload")
    account = Account(alice, "secret", has_qop=False)
    for _ in range(10):
        answer = account.register()
        assert answer.status == 401
        assert "stale" not in challenges(answer)[0]
    assert Account(alice, "secret").register().status == 200
    log = (daemon.folder / "log").read_text()
    lines = [line for line in log.splitlines() if "no qop" in line]
    assert len(lines) == 1, "of ten from one source"
    assert " warning credentials refused " in lines[0]
    assert 'user=alice@example.test source="127.0.0.1 ' in lines[0]
    assert account.challenge["nonce"] not in log
