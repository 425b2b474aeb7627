"""The watch over users: changes are taken over once, and bindings of former passwords end."""

from collections.abc import Iterable, Iterator

import pytest
import trio

from msilod.auth.users import Users
from msilod.daemon.user_watch import UserWatch
from msilod.errors import UnavailableError
from msilod.store.tables.users import UserReads, UserRow

ALICE, BOB = "alice@example.test", "bob@example.test"
REALM = "example.test"


class Table(UserReads):
    """A table of users in memory, with the numbers of the changes."""

    def __init__(self) -> None:
        self.rows: dict[str, UserRow] = {}
        self.changes: list[tuple[int, str]] = []
        self.is_lost = False
        self.reads = 0

    def set(self, aor: str, password: bytes) -> None:
        self.rows[aor] = UserRow(aor, "MD5", REALM, password * 16)
        self.changes.append((len(self.changes) + 1, aor))

    def remove(self, aor: str) -> None:
        del self.rows[aor]
        self.changes.append((len(self.changes) + 1, aor))

    def last_change(self) -> int:
        if self.is_lost:
            raise UnavailableError("no such file")
        return len(self.changes)

    def changed_since(self, change: int) -> list[tuple[int, str]] | None:
        self.reads += 1
        return self.changes[change:]

    def of(self, aor: str) -> list[UserRow]:
        return [self.rows[aor]] if aor in self.rows else []

    def all(self) -> Iterator[UserRow]:
        return iter([self.rows[aor] for aor in sorted(self.rows)])


class Desk:
    """A watch, and the calls that it makes."""

    def __init__(self) -> None:
        self.table, self.users = Table(), Users()
        self.changed = 0
        self.gone: list[list[str] | None] = []
        self.looked: list[int] = []
        self.watch = UserWatch(
            self.users, self.table, lambda aor: REALM, self._changed, self._gone, self.looked.append
        )

    def _changed(self) -> None:
        self.changed += 1

    def _gone(self, aors: Iterable[str] | None) -> None:
        self.gone.append(None if aors is None else list(aors))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.table.set(ALICE, b"a")
    made.table.set(BOB, b"b")
    made.watch.start()
    return made


async def test_a_start_knows_all_users_and_ends_nothing_but_for_the_first(desk: Desk) -> None:
    assert sorted(desk.users) == [ALICE, BOB]
    assert desk.gone == []
    empty = Desk()
    empty.watch.start()
    empty.table.set(ALICE, b"a")
    empty.table.changed_since = lambda change: None  # type: ignore[method-assign]
    await empty.watch.look()
    assert empty.gone == [None], "all bindings so far were made without a password"


async def test_a_removed_user_and_another_password_end_bindings(desk: Desk) -> None:
    desk.table.set(BOB, b"c")
    await desk.watch.look()
    assert desk.gone == [[BOB]]
    desk.table.remove(ALICE)
    await desk.watch.look()
    assert desk.gone == [[BOB], [ALICE]]
    assert not desk.users.knows(ALICE)
    assert desk.looked == [3, 4]


async def test_the_same_password_again_ends_nothing(desk: Desk) -> None:
    desk.table.set(BOB, b"b")
    await desk.watch.look()
    assert desk.gone == []


async def test_a_change_is_read_once(desk: Desk) -> None:
    desk.table.set(BOB, b"c")
    for _ in range(3):
        await desk.watch.look()
    assert desk.table.reads == 1


async def test_users_that_cannot_be_read_are_not_no_users(desk: Desk) -> None:
    desk.table.is_lost = True
    await desk.watch.look()
    assert not desk.users.is_readable
    assert sorted(desk.users) == [ALICE, BOB]
    told = desk.changed
    assert told == 2, "the gate hears of the loss"
    desk.table.is_lost = False
    desk.table.remove(BOB)
    await desk.watch.look()
    assert desk.users.is_readable
    assert desk.gone == [[BOB]], "the change of the time without a table counts as well"
    await trio.lowlevel.checkpoint()
