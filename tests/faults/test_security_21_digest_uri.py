"""Security 21: a right response over any digest uri of the server is accepted."""

from collections.abc import Callable

import pytest

from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Daemon:
    daemon = start_daemon()
    add_user(daemon, "alice")
    add_user(daemon, "bob")
    return daemon


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE"])
def test_a_uri_of_ours_is_right(daemon: Daemon, method: str) -> None:
    host, port = daemon.address
    uris = {
        "sip:example.test": True,
        "sip:EXAMPLE.TEST": True,
        f"sip:{host}:{port}": True,
        f"{host}:{port}": True,
        "example.test": True,
        "sip:example.test;transport=UDP": True,
        "sip:alice@example.test": True,
        "sip:bob@example.test;transport=UDP": True,
        f"sip:bob@{host};user=phone": True,
        "sip:far.test": False,
        "sip:bob@far.test": False,
        f"sip:{host}:9": False,
        "rubbish": False,
        "sip:": False,
        "tel:": False,
        "\xff": False,
    }
    with Phone("alice", daemon.address) as phone:
        account = Account(phone, "secret")
        for uri, is_ours in uris.items():
            if method == "REGISTER":
                account.hear(phone.register())
                answer = phone.register(extra=account.field(method, uri))
                assert answer.status == (200 if is_ours else 400), uri
            else:
                account.hear(phone.text("bob"))
                answer = phone.text("bob", extra=account.field(method, uri, "Proxy-Authorization"))
                assert answer.status == (202 if is_ours else 400), uri


def test_a_response_over_another_uri_than_its_own_is_wrong(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as phone:
        account = Account(phone, "secret")
        account.hear(phone.register())
        proof = account.field("REGISTER", "sip:alice@example.test")
        assert phone.register(extra=proof.replace("sip:alice@", "sip:")).status == 401


def test_what_was_taken_over_one_uri_is_not_taken_again_over_another(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as phone, Phone("alice", daemon.address) as mallory:
        account = Account(phone, "secret")
        account.hear(phone.text("bob"))
        proof = account.field("MESSAGE", "sip:example.test", "Proxy-Authorization")
        assert phone.text("bob", extra=proof).status == 202
        for one in (phone, mallory):
            assert one.text("alice", extra=proof).status == 407


def test_for_a_foreign_request_uri_it_is_the_same_place_or_ours(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice, Phone("far", daemon.address, "far.test") as far:
        account = Account(alice, "secret")
        for uri, is_right in (
            (far.contact, True), (f"{far.contact};transport=UDP", True), ("sip:example.test", True),
            (far.contact.replace("far", "fa%72"), True), ("sip:far.test", False),
            (far.contact.replace("far", "near"), False), (f"{far.contact}0", False),
        ):  # fmt: skip
            alice.send(alice.message("far", uri=far.contact))
            account.hear(alice.response())
            proof = account.field("MESSAGE", uri, "Proxy-Authorization")
            alice.send(alice.message("far", "out", proof, uri=far.contact))
            if is_right:
                far.take()
            assert alice.response().status == (200 if is_right else 400), uri


def test_the_log_names_the_reason(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as phone:
        account = Account(phone, "secret")
        account.hear(phone.register())
        assert phone.register(extra=account.field("REGISTER", "sip:far.test")).status == 400
    assert "the digest uri is neither ours nor the Request-URI" in (daemon.folder / "log").read_text()
