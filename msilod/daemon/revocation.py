"""Revocation: a binding ends when the password that made it is no longer valid (RFC 3261 §10.3 step 3).

A phone was stolen, and the operator gives its user another password. From then on the phone cannot register. Its
binding would last until it expires, and would still get each message and call. So a change of a user ends bindings:

    the user was removed, or has another password       all bindings of the user
    the first user was added, or the gate was opened     all bindings: nobody has shown a password for them
    and is closed again

A phone that has the new password registers again, and gets what was stored meanwhile. Calls that exist go on.

The daemon may be down while a user is changed, or may end before the bindings are removed from the database. So the
number of the newest change is kept there, behind the removals; at a start the changes after it are made up for.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msilod.auth.members import Members
from msilod.clock import Clock
from msilod.errors import MsilodError
from msilod.log import get_log
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.serving.registrar import Registrar
from msilod.store.tables.users import UserReads
from msilod.store.writer.contract import StoreWriter

# Kept in the place of a change while bindings need no password.
NO_PASSWORDS: Final = -1

Gone = Callable[[Binding, float], None]


class Revocation:
    """Ends bindings. `gone` hears of each one that has ended, `after` when all have."""

    def __init__(
        self,
        members: Members,
        location: LocationService,
        registrar: Registrar,
        reads: UserReads,
        writer: StoreWriter,
        clock: Clock,
        gone: Gone,
        after: Callable[[], None],
    ) -> None:
        self._members = members
        self._location = location
        self._registrar = registrar
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._gone = gone
        self._after = after
        self._has_begun = False
        self._kept: int | None = None

    def begin(self) -> None:
        """End what changes of users have ended while no daemon ran. The bindings have been loaded.

        When the users cannot be read, this is done after the first look at them (`looked`).
        """
        if not self._members.users.is_readable:
            return
        try:
            self._kept = self._reads.applied()
            aors = self._changed_meanwhile() if self._members.is_closed else ()
        except MsilodError as error:
            get_log().error("the changes of users could not be read", reason=str(error))
            return
        self._has_begun = True
        self.end(aors)

    def _changed_meanwhile(self) -> Iterable[str] | None:
        """The AORs to end; None for all."""
        kept = self._kept
        aors: set[str] = set()
        if kept is not None and kept != self._reads.last_change():
            changed = self._reads.changed_since(kept)
            if changed is None:
                # Nobody has shown a password, or more users have changed than the list of changes has.
                return None
            aors = {aor for _, aor in changed}
        if self._members.knows_names:
            aors.update(b.aor for b in self._location.all() if not self._members.is_known(b.aor))
        return aors

    def end(self, aors: Iterable[str] | None) -> None:
        """End the bindings of these users; None: of all."""
        if not self._members.is_closed:
            return
        ended = {binding.aor for binding in self._location.all()} if aors is None else aors
        for binding in self._registrar.forget(ended):
            self._gone(binding, self._clock.now())
        self._after()

    def looked(self, change: int) -> None:
        """The users are known as of `change`: keep that, as soon as all removals are in the database."""
        if not self._has_begun:
            self.begin()
            return
        if not self._members.is_closed:
            change = NO_PASSWORDS
        if change != self._kept and not self._registrar.has_removals:
            self._kept = change
            self._writer.keep_user_change(change)
