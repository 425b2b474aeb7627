"""Security 22: the first wrong passwords of a source get 401; later ones are slowed, and the log names the reason."""

from collections.abc import Callable

from msilod.auth.throttle import FREE_PAIR
from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]

# Some phones answer this number of challenges before asking the user.
GUESSES_A_TRY = 4


def test_two_tries_of_a_stubborn_phone_are_a_wrong_password_and_then_it_is_slowed(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon()
    add_user(daemon, "alice")
    assert FREE_PAIR >= 2 * GUESSES_A_TRY
    with Phone("alice", daemon.address) as phone:
        account = Account(phone, "typo")
        for _ in range(2):
            answer = phone.register()
            for _ in range(GUESSES_A_TRY):
                account.hear(answer)
                answer = phone.register(extra=account.field("REGISTER", "sip:example.test"))
                assert answer.status == 401
        assert Account(phone, "secret").text("alice").status == 202, "the right one counts at once"
        for _ in range(FREE_PAIR + 1):
            account.challenge = {}
            assert account.register().status == 401
        answer = account.register()
        assert answer.status == 503
        assert answer.headers.get(b"retry-after")
    log = (daemon.folder / "log").read_text()
    assert log.count('reason="wrong password"') == 1
    assert log.count('reason="too many wrong passwords"') == 1
