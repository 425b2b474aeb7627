"""SignOffs: lets a client without qop sign off with the spent nonce of its registration.

In the form of RFC 2069 a nonce is valid for one request. libpurple removes its binding with the nonce of its last
REGISTER and closes its socket without waiting for the answer, so a challenge would come too late. The removal is let in
once, from the address, port and transport where the nonce was used.

Only a right password adds to the memory. A user has at most MAX_PLACES records, so one user cannot displace the records
of another, except by the number of users.
"""

from typing import Final

from msilod.auth.nonce import Nonce
from msilod.sip.bounded import put_last

MAX_PLACES: Final = 10
# About 300 bytes for a user with one place. Beyond this number the users with the oldest registrations are forgotten;
# the bindings of these users then end by their own expiry.
MAX_USERS: Final = 50_000
# A day: the default of [registrar] max_expires.
LASTS: Final = 86_400.0


class SignOffs:
    """The nonce of the last registration of each user, by place. `now` is monotonic seconds."""

    __slots__ = ("_limit", "_users")

    def __init__(self, limit: int = MAX_USERS) -> None:
        self._users: dict[str, dict[str, tuple[bytes, float]]] = {}
        self._limit = limit

    def registered(self, user: str, place: str, nonce: Nonce, now: float) -> None:
        """Record that a REGISTER without qop from `place` was let in with this nonce."""
        places = self._users.get(user, {})
        put_last(places, place, (_key(nonce), now), MAX_PLACES)
        put_last(self._users, user, places, self._limit)

    def take(self, user: str, place: str, nonce: Nonce, now: float) -> bool:
        """True once, when this is the nonce of the last registration of `user` from `place`."""
        places = self._users.get(user)
        found = None if places is None else places.get(place)
        if places is None or found is None or found[0] != _key(nonce) or now - found[1] > LASTS:
            return False
        del places[place]
        if not places:
            del self._users[user]
        return True

    def __len__(self) -> int:
        return len(self._users)


def _key(nonce: Nonce) -> bytes:
    return nonce.stamp.to_bytes(4, "big") + nonce.salt
