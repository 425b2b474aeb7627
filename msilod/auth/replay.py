"""ReplayWindow: accepts each (nonce, nonce count) once (RFC 7616 §3.4, checklist A5).

UDP reorders, so the counts of a nonce are a window of 64 behind the highest, as in IPsec (RFC 4303 §3.4.3). Only nonces
with right credentials are recorded, so a client without a password cannot fill the memory.
"""

from typing import Final

from msilod.auth.nonce import SPANS, Nonce

WIDTH: Final = 64
_MASK: Final = (1 << WIDTH) - 1
# A nonce count has 32 bits, so every count is too far behind this one.
_SPENT: Final = (1 << 32) + WIDTH << WIDTH | 1
# 180 bytes each. Beyond this number the oldest nonces are void, and their phones get a fresh nonce.
MAX_NONCES: Final = 200_000


class ReplayWindow:
    """The used counts of the nonces that are not too old, by the span of the nonce."""

    __slots__ = ("_floor", "_limit", "_size", "_spans")

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._spans: dict[int, dict[bytes, int]] = {}
        self._limit = limit
        self._size = 0
        self._floor = -1

    def use(self, nonce: Nonce, count: int) -> bool:
        """True the first time. False for a used count, for 0 or a count too far behind, and for a void nonce."""
        if nonce.stamp <= self._floor or count < 1:
            return False
        uses = self._spans.get(nonce.stamp)
        if uses is None:
            uses = self._begin(nonce.stamp)
        # The highest count, then one bit for each of the last 64 counts.
        seen = uses.get(nonce.salt, 0)
        ahead = count - (seen >> WIDTH)
        if ahead >= WIDTH:
            bits = 1
        elif ahead > 0:
            bits = (seen << ahead | 1) & _MASK
        else:
            bit = 1 << -ahead if ahead > -WIDTH else 0
            if not bit or seen & bit:
                return False
            uses[nonce.salt] = seen | bit
            return True
        if not seen and not self._has_room(nonce.stamp):
            return False
        uses[nonce.salt] = count << WIDTH | bits
        return True

    def use_once(self, nonce: Nonce) -> bool:
        """True for a nonce without any use. The nonce is then spent, with a count and without (RFC 2069)."""
        if nonce.stamp <= self._floor:
            return False
        uses = self._spans.get(nonce.stamp)
        if uses is None:
            uses = self._begin(nonce.stamp)
        if nonce.salt in uses or not self._has_room(nonce.stamp):
            return False
        uses[nonce.salt] = _SPENT
        return True

    def _begin(self, stamp: int) -> dict[bytes, int]:
        for old in [other for other in self._spans if other <= stamp - SPANS]:
            self._forget(old)
            # A clock that is set back would make these nonces fresh again.
            self._floor = max(self._floor, old)
        uses = self._spans[stamp] = {}
        return uses

    def _has_room(self, stamp: int) -> bool:
        """Make room for one nonce by dropping the oldest nonces. False when the new nonce is as old as they are."""
        if self._size >= self._limit:
            # A forgotten nonce must never be accepted again, so all nonces of this age are void.
            self._floor = min(self._spans)
            self._forget(self._floor)
            if stamp <= self._floor:
                return False
        self._size += 1
        return True

    def _forget(self, stamp: int) -> None:
        self._size -= len(self._spans.pop(stamp))

    def __len__(self) -> int:
        return self._size
