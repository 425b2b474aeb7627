"""Users: the users in memory, as HA1 values by AOR, never passwords (checklist A10).

100,000 users with two values each are about 25 MB: one byte string per user, with a place per algorithm and form of the
name. The forms are `alice`, `alice@example.test` with the domain of the user, and `alice@realm` when the realm differs
from the domain. Phones with a single field for the name hash one of the last two.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msilod.sip.digest import ALGORITHMS, HA1_SIZES

# The name in the HA1: the user part, `user@domain`, `user@realm`.
PLAIN: Final = b""
AT_DOMAIN: Final = b"@domain"
AT_REALM: Final = b"@realm"
_FORMS: Final = (PLAIN, AT_DOMAIN, AT_REALM)

# (algorithm with the form, HA1) of one user: b"MD5", b"MD5@domain".
Values = Iterable[tuple[bytes, bytes]]


def _places() -> dict[bytes, tuple[int, int]]:
    places, start = {}, 0
    # MD5 first, then the longer values: with the default algorithms a user has 32 bytes.
    for algorithm in ALGORITHMS:
        for form in _FORMS:
            places[algorithm + form] = start, start + HA1_SIZES[algorithm]
            start += HA1_SIZES[algorithm]
    return places


_PLACES: Final = _places()
_SIZE: Final = len(_FORMS) * sum(HA1_SIZES.values())


class Users:
    """`is_readable`: the table could be read. `existed`: there has been a user, now or before (mode auto)."""

    __slots__ = ("_values", "existed", "is_readable")

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self.is_readable = False
        self.existed = False

    def ha1(self, aor: str, algorithm: bytes) -> bytes | None:
        """Return the HA1; None for an unknown user, and for a user without a value of the algorithm.

        `algorithm` includes the form of the name: b"MD5", b"MD5@domain", b"MD5@realm".
        """
        values = self._values.get(aor)
        if values is None:
            return None
        start, end = _PLACES[algorithm]
        found = values[start:end]
        return found if found.strip(b"\0") else None

    def knows(self, aor: str) -> bool:
        """True for a user, even when all values of the user are of another realm."""
        return aor in self._values

    def put(self, aor: str, values: Values) -> bool:
        """Add or replace a user. True when the password is the same as before: one HA1 value at least is the same."""
        packed, end = bytearray(_SIZE), 0
        for algorithm, value in values:
            place = _PLACES.get(algorithm)
            if place is not None and len(value) == place[1] - place[0]:
                packed[place[0] : place[1]] = value
                end = max(end, place[1])
        former, made = self._values.get(aor, b""), bytes(packed[:end])
        self._values[aor] = made
        return _have_same(former, made)

    def ended_in(self, other: "Users") -> list[str]:
        """Return the users of this object that `other` lacks or has with another password.

        A user without values, as in another realm, does not count as a user with another password.
        """
        values, others = self._values, other._values
        return [
            aor
            for aor, former in values.items()
            if (made := others.get(aor)) is None or (former and made and not _have_same(former, made))
        ]

    def remove(self, aor: str) -> None:
        """Forget a user."""
        self._values.pop(aor, None)

    def replace(self, other: "Users") -> None:
        """Take over the contents of `other`."""
        self._values, self.existed, self.is_readable = other._values, other.existed, other.is_readable

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _have_same(former: bytes, made: bytes) -> bool:
    """True when the packed values share an HA1 value: algorithm, form of the name, realm and password are the same."""
    if former == made:
        return bool(former)
    for start, end in _PLACES.values():
        value = former[start:end]
        if value == made[start:end] and value.strip(b"\0"):
            return True
    return False
