"""Revocation: a binding ends when the password that made it is no longer valid (RFC 3261 §10.3 step 3).

For example, a phone was stolen, and the operator gives the user another password. The phone cannot register any more,
but without revocation the phone's binding would get messages and calls until the binding expires. These changes end
bindings:

    the user was removed, or has another password       all bindings of the user
    the first user was added, or passwords are asked    all bindings: made without a password
    for again

A phone with the new password registers again and gets the messages stored meanwhile. Existing calls go on.

The daemon may be down during a change, or may end before the bindings are removed from the database. So the number of
the newest applied change is kept in the database, after the removals; a start applies all later changes.
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

# Kept instead of the number of a change while bindings need no password.
NO_PASSWORDS: Final = -1

Gone = Callable[[Binding, float], None]


class Revocation:
    """Ends the bindings of changed users. `gone` is called for each ended binding, `after` once at the end."""

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
        """Apply the changes made while no daemon ran. The bindings must be loaded.

        When the users cannot be read, `looked` does this after the first successful read.
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
        """The users with bindings to end; None for all. Raises MsilodError."""
        kept = self._kept
        aors: set[str] = set()
        if kept is not None and kept != self._reads.last_change():
            changed = self._reads.changed_since(kept)
            if changed is None:
                # The bindings were made without a password, or the list of changes is too short.
                return None
            aors = {aor for _, aor in changed}
        if self._members.knows_names:
            aors.update(b.aor for b in self._location.all() if not self._members.is_known(b.aor))
        return aors

    def end(self, aors: Iterable[str] | None) -> None:
        """End the bindings of `aors`, None for all; nothing while bindings need no password."""
        if not self._members.is_closed:
            return
        ended = {binding.aor for binding in self._location.all()} if aors is None else aors
        for binding in self._registrar.forget(ended):
            self._gone(binding, self._clock.now())
        self._after()

    def looked(self, change: int) -> None:
        """The users were read up to `change`: keep this number once all removals are in the database."""
        if not self._has_begun:
            self.begin()
            return
        if not self._members.is_closed:
            change = NO_PASSWORDS
        if change != self._kept and not self._registrar.has_removals:
            self._kept = change
            self._writer.keep_user_change(change)
