"""Calls through the whole daemon: the daemon of the scenarios, and phones that can call."""

from collections.abc import Callable, Iterator

import pytest

from tests.calls.caller import Caller
from tests.scenarios.conftest import Daemon, start_daemon

__all__ = ["start_daemon"]

Callers = Callable[..., Caller]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One on defaults for all tests of a file: their phones unregister."""
    one = Daemon(tmp_path_factory.mktemp("daemon")).start()
    yield one
    one.end()


@pytest.fixture
def callers() -> Iterator[Callers]:
    """Makes phones: `callers(daemon, "bob")` registers one, with `is_registered=False` it does not."""
    made: list[Caller] = []

    def make(daemon: Daemon, user: str, is_registered: bool = True, q: str = "") -> Caller:
        one = Caller(user, daemon.address)
        made.append(one)
        if is_registered:
            assert one.register(contact=f"<{one.contact}>{q and f';q={q}'}").status == 200
        return one

    yield make
    for one in made:
        one.leave()
