"""The users as the daemon knows them: all in memory, and never older than a second.

Read at the start, looked after once a second and whenever the command line says `wake`. Users that cannot be read
are never "no users": the gate then answers 503 (design), until they can.
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
# Told of the users who have been removed or have another password; None: the first user has just come.
Gone = Callable[[Iterable[str] | None], None]
# Told after each look of the newest change that has been taken over.
Looked = Callable[[int], None]


class UserWatch:
    """Keeps `users` as the table is. `realm_of` gives the realm of an AOR.

    `changed` hears when all have been read or cannot be, `gone` of removals and of other passwords, `looked` of each
    look.
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
        """Forever; one task."""
        while True:
            await trio.sleep(LOOK_EVERY)
            await self.look()

    def start(self) -> None:
        """Read everybody, before anybody is served."""
        try:
            self._take_all(*self._read_all())
        except MsilodError as error:
            self._failed(error)

    async def look(self) -> None:
        """See what is new."""
        async with self._looking:
            try:
                await self._look()
                self._looked(self._seen)
            except MsilodError as error:
                self._failed(error)

    async def read_again(self) -> None:
        """Everybody anew: the realm is another one."""
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
        """One user was added, changed or removed. The password may be the same, with values for one algorithm more."""
        if rows and self.users.put(aor, self._values(aor, rows)):
            return
        if not rows:
            self.users.remove(aor)
        self._gone((aor,))

    def _read_all(self) -> tuple[int, Users]:
        """On any thread: the newest change, and everybody as of then or later."""
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
        """Those of another realm prove nothing here; the user is known all the same."""
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
            get_log().error("the users cannot be read, so nobody is let in", reason=str(error))
            self._is_told = True
