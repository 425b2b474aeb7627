"""Lookup: finds the bindings for a name in memory (SER's lookup("location"))."""

from msilod.delivering.usable_contacts import UsableContacts
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.routing.myself import Named


class Lookup:
    """Asks the location service, once per request."""

    __slots__ = ("_location", "_usable")

    def __init__(self, location: LocationService, usable: UsableContacts) -> None:
        self._location = location
        self._usable = usable

    def bindings(self, named: Named, method: bytes, wall: float) -> list[Binding]:
        """The bindings of the AOR in `named`; for a GRUU the bindings of the device. `wall`: UTC seconds.

        Contacts known to be away are left out. For a MESSAGE, contacts that do not accept MESSAGE are left out.
        """
        aor = named.aor
        bindings = self._location.bindings(aor, wall)
        if named.gruu is not None:
            bindings = named.gruu.of(bindings)
        if bindings and method == b"MESSAGE":
            bindings = self._usable.not_out(aor, bindings)
        elif bindings and named.gruu is None:
            # A GRUU may be the Contact of a dialog. Requests of a dialog are tried also when the phone seems to be
            # away.
            bindings = self._usable.present(aor, bindings)
        return bindings
