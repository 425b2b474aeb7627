"""ChallengeRate: limits the challenges per source, because a challenge is larger than its request.

Challenges are counted per whole second. Beyond the limit a source gets a 503 with Retry-After, or still the challenge
when the challenge is hardly larger than the request (gate.py). So a forged source address amplifies nothing, and the
user at this address can still log in.
"""

from typing import Final

# A house full of phones logs in within seconds after a power cut. As a reflector the server stays worthless.
MAX_PER_SECOND: Final = 100
# All sources of one IPv6 /56, or of loopback.
MAX_IN_SUM: Final = 400
# All clients behind one edge: 10,000 phones log in again within 10 s.
MAX_PER_EDGE: Final = 2_000
# New sources beyond this number in a second are refused: most of them are forged.
MAX_SOURCES: Final = 20_000
# Seconds of Retry-After: at least, and at most.
SOONEST: Final = 5
LATEST: Final = 30


class ChallengeRate:
    """Challenges of this second by source. `now` is monotonic seconds."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._second = 0

    def wait(self, source: str, in_sum: str, most_in_sum: int, now: float) -> int:
        """Count a challenge for `source`, and for `in_sum` unless `in_sum` is "".

        Returns 0, or, when the challenge exceeds the limit, the seconds after which to try again. The seconds grow with
        the number of refusals in this second, so the refused clients do not return all at once.
        """
        if int(now) != self._second:
            self._second = int(now)
            self._counts = {}
        wait = self._count(source, MAX_PER_SECOND)
        if in_sum and not wait:
            wait = self._count(in_sum, most_in_sum)
        return wait

    def _count(self, name: str, most: int) -> int:
        count = self._counts.get(name, 0) + 1
        if count == 1 and len(self._counts) >= MAX_SOURCES:
            return SOONEST
        self._counts[name] = count
        return min(SOONEST - 1 + (count - 1) // most, LATEST) if count > most else 0
