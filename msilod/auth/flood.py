"""How many challenges a source gets: they are larger than what asks for them (checklist §4, amplification).

Rule: counted per whole second and forgotten with it; nothing to sweep. Beyond the limit there is a short 503.
"""

from typing import Final

# A house full of phones after a power cut gets in within seconds; as a reflector we are not worth it.
MAX_PER_SECOND: Final = 100
# Beyond so many sources in a second each of them is shed: they are forged.
MAX_SOURCES: Final = 20_000


class ChallengeRate:
    """Challenges of this second by source. `now` is monotonic seconds."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._second = 0

    def allows(self, source: str, now: float) -> bool:
        """Count one; False when it is too many."""
        if int(now) != self._second:
            self._second = int(now)
            self._counts = {}
        count = self._counts.get(source, 0) + 1
        if count > MAX_PER_SECOND or len(self._counts) >= MAX_SOURCES:
            return False
        self._counts[source] = count
        return True
