"""User watch: keeps all users in memory, at most a second older than the table of users.

The table is read at the start, once a second, and when the command line says `wake`. An unreadable table never
counts as "no users": the gate answers 503 until the table can be read again.
"""

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

import trio

from msilod.auth.users import AT_DOMAIN, AT_REALM, PLAIN, Users
from msilod.errors import MsilodError
from msilod.log import get_log
from msilod.store.tables.users import UserReads, UserRow

LOOK_EVERY: Final = 1.0

RealmOf = Callable[[str], str]
# Called with removed users and users with another password; None when the first user was added.
Gone = Callable[[Iterable[str] | None], None]
# Called after each look, with the number of the newest change taken over.
Looked = Callable[[int], None]


class UserWatch:
    """Keeps `users` equal to the table. `realm_of` gives the realm of an AOR.

    `changed` is called when all users were read or cannot be read, `gone` after removals and changes of passwords,
    `looked` after each look.
    """

    def __init__(
        self,
        users: Users,
        reads: UserReads,
        realm_of: RealmOf,
        changed: Callable[[], None],
        gone: Gone,
        looked: Looked,
    ) -> None:
        self.users = users
        self._reads = reads
        self._realm_of = realm_of
        self._changed = changed
        self._gone = gone
        self._looked = looked
        self._seen = 0
        self._looking = trio.Lock()
        self._is_told = False

    async def run(self) -> None:
        """Look every second until cancelled; one task."""
        while True:
            await trio.sleep(LOOK_EVERY)
            await self.look()

    def start(self) -> None:
        """Read all users, before the daemon serves."""
        try:
            self._take_all(*self._read_all())
        except MsilodError as error:
            self._failed(error)

    async def look(self) -> None:
        """Take over the changes since the last look."""
        async with self._looking:
            try:
                await self._look()
                self._looked(self._seen)
            except MsilodError as error:
                self._failed(error)

    async def read_again(self) -> None:
        """Read all users again, after a change of the realm."""
        self._seen = 0
        await self.look()

    async def _look(self) -> None:
        if await trio.to_thread.run_sync(self._reads.last_change) == self._seen and self.users.is_readable:
            return
        changed = await trio.to_thread.run_sync(self._reads.changed_since, self._seen)
        if changed is None or not self.users.is_readable:
            self._take_all(*await trio.to_thread.run_sync(self._read_all))
            return
        for change, aor in changed:
            self._take(aor, await trio.to_thread.run_sync(self._reads.of, aor))
            self._seen = change

    def _take(self, aor: str, rows: list[UserRow]) -> None:
        """Take over one added, changed or removed user.

        `gone` is not called when only values for another algorithm were added to the same password.
        """
        if rows and self.users.put(aor, self._values(aor, rows)):
            return
        if not rows:
            self.users.remove(aor)
        self._gone((aor,))

    def _read_all(self) -> tuple[int, Users]:
        """The number of the newest change, and all users as of this change or later; runs on any thread."""
        seen, found = self._reads.last_change(), Users()
        for aor, rows in groupby(self._reads.all(), attrgetter("aor")):
            found.put(aor, self._values(aor, rows))
        found.existed = seen > 0
        found.is_readable = True
        return seen, found

    def _take_all(self, seen: int, found: Users) -> None:
        is_first = found.existed and self.users.is_readable and not self.users.existed
        gone = self.users.ended_in(found)
        self.users.replace(found)
        self._seen, self._is_told = seen, False
        self._changed()
        if is_first:
            self._gone(None)
        elif gone:
            self._gone(gone)

    def _values(self, aor: str, rows: Iterable[UserRow]) -> list[tuple[bytes, bytes]]:
        """(name, HA1) of a user. HA1 values of another realm are left out; the user is known all the same."""
        realm = self._realm_of(aor)
        found = []
        for row in rows:
            if row.realm == realm:
                name = row.algorithm.encode()
                found.append((name + PLAIN, row.ha1))
                found.append((name + AT_DOMAIN, row.ha1_at_domain))
                found.append((name + AT_REALM, row.ha1_at_realm))
        return found

    def _failed(self, error: MsilodError) -> None:
        self.users.is_readable = False
        self._changed()
        if not self._is_told:
            get_log().error("the users cannot be read, so requests are answered 503", reason=str(error))
            self._is_told = True
