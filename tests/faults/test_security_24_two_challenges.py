"""Security 24: MD5 is the default, a client unable to answer two challenges gets MD5 alone, several credentials
count."""

from collections.abc import Callable, Iterator

import pytest

from msilod.auth.throttle import FREE_PAIR
from tests.scenarios.account import Account, add_user, challenges
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]

BOTH = ["SHA-256", "MD5"]


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Daemon:
    daemon = start_daemon('[auth]\nalgorithms = ["SHA-256", "MD5"]\n')
    add_user(daemon, "alice")
    add_user(daemon, "bob")
    return daemon


@pytest.fixture
def alice(daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", daemon.address) as phone:
        yield phone


def offered(phone: Phone, extra: str = "") -> list[str]:
    answer = phone.register(extra=extra)
    assert answer.status == 401
    return [challenge["algorithm"] for challenge in challenges(answer)]


def test_md5_alone_is_the_default(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    add_user(daemon, "alice")
    with Phone("alice", daemon.address) as phone:
        assert offered(phone) == ["MD5"]
        assert offered(phone) == ["MD5"]
        assert Account(phone, "secret").register().status == 200


def test_who_comes_back_without_credentials_is_offered_md5_alone(daemon: Daemon, alice: Phone) -> None:
    """As Sofia-SIP, which finds no matching challenge."""
    assert offered(alice) == BOTH
    with Phone("alice", daemon.address) as other:
        assert offered(other) == BOTH, "another source"
    assert offered(alice) == ["MD5"]
    assert offered(alice) == ["MD5"], "and again"
    bob = Phone("bob", daemon.address)
    bob.socket.close()
    bob.socket = alice.socket
    assert offered(bob) == BOTH, "another user of the same source"
    assert Account(alice, "secret").register().status == 200


def test_a_copy_of_the_request_is_not_the_next_try(alice: Phone) -> None:
    data = alice.registration()
    for _ in range(3):
        alice.send(data)
        assert [challenge["algorithm"] for challenge in challenges(alice.response())] == BOTH


def test_a_wrong_sha_256_response_is_followed_by_md5_alone(daemon: Daemon, alice: Phone) -> None:
    """As eXosip2 5.3, which computes SHA-256 wrongly."""
    broken = Account(alice, "not the password", "SHA-256")
    broken.hear(alice.register())
    assert offered(alice, broken.field("REGISTER", "sip:example.test")) == ["MD5"]
    assert offered(alice) == ["MD5"]
    with Phone("alice", daemon.address) as other:
        assert offered(other) == BOTH
    assert Account(alice, "secret").register().status == 200


def test_a_wrong_response_with_the_address_of_another_changes_nothing_there(
    daemon: Daemon, alice: Phone
) -> None:
    """A nonce contains the source of the challenge, unlike a forged source address."""
    with Phone("alice", daemon.address) as mallory:
        guess = Account(mallory, "guess", "SHA-256")
        guess.hear(mallory.register())
    alice.register(extra=guess.field("REGISTER", "sip:example.test"))
    assert offered(alice) == BOTH


def test_a_client_that_copes_keeps_both(alice: Phone) -> None:
    for algorithm in ("SHA-256", "MD5"):
        for _ in range(3):
            account = Account(alice, "secret", algorithm)
            answer = alice.register()
            assert [challenge["algorithm"] for challenge in challenges(answer)] == BOTH
            account.hear(answer)
            assert alice.register(extra=account.field("REGISTER", "sip:example.test")).status == 200


def test_an_old_nonce_answered_with_md5_is_followed_by_md5_alone(alice: Phone) -> None:
    account = Account(alice, "secret")
    assert account.register().status == 200
    account.count = 0
    answer = alice.register(extra=account.field("REGISTER", "sip:example.test"))
    assert [(one["algorithm"], one["stale"]) for one in challenges(answer)] == [("MD5", "true")]


def answers(alice: Phone, *passwords: tuple[str, str], name: str = "") -> str:
    """Credentials with one nonce and nonce count, (algorithm, password) each."""
    account = Account(alice, "")
    account.hear(alice.register())
    lines = ""
    for algorithm, password in passwords:
        account.algorithm, account.password = algorithm, password
        lines += account.field("REGISTER", "sip:example.test", count=1)
    return lines


@pytest.mark.parametrize(
    "passwords",
    [
        (("SHA-256", "wrong"), ("MD5", "secret")),
        (("MD5", "secret"), ("SHA-256", "wrong")),
        (("SHA-256", "secret"), ("MD5", "secret")),
        (("MD5", "1"), ("MD5", "2"), ("SHA-256", "3"), ("MD5", "secret")),
    ],
)
def test_one_of_four_is_enough_whichever_comes_first(
    alice: Phone, passwords: tuple[tuple[str, str], ...]
) -> None:
    """As JAIN SIP, which answers both challenges, one of them wrongly."""
    lines = answers(alice, *passwords)
    assert alice.register(extra=lines).status == 200
    assert alice.register(extra=lines).status == 401, "a replay"


def test_the_fifth_is_not_looked_at(alice: Phone) -> None:
    lines = answers(alice, *(("MD5", str(number)) for number in range(4)), ("MD5", "secret"))
    assert alice.register(extra=lines).status == 401


def test_credentials_of_another_user_among_them_are_no_second_guess(daemon: Daemon, alice: Phone) -> None:
    account = Account(alice, "secret", name="bob")
    account.hear(alice.register())
    bob = account.field("REGISTER", "sip:example.test", count=1)
    account.name, account.password = "alice", "wrong"
    wrong = account.field("REGISTER", "sip:example.test", count=1)
    assert alice.register(extra=bob + wrong).status == 401, "alice's count, and they are wrong"
    account.password = "secret"
    right = account.field("REGISTER", "sip:example.test", count=1)
    assert alice.register(extra=bob + right).status == 200


def test_several_wrong_ones_count_as_one_guess(alice: Phone) -> None:
    lines = answers(alice, ("SHA-256", "a"), ("MD5", "b"), ("MD5", "c"))
    for _ in range(FREE_PAIR):
        assert alice.register(extra=lines).status == 401
    assert Account(alice, "secret").register().status == 200
