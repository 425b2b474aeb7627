"""The memory of completed non-INVITE server transactions: Timer J's 32 s, at the lowest price.

35,000 answers a second make over a million entries. So an answer of our own is remembered as its status, and
made again from the retransmitted request with the stateless To tag; a relayed final response to a MESSAGE as
status and the device's tag; anything else as its bytes. Entries live in generations, dropped whole.
"""

from typing import Final

from msilod.transaction.timers import TIMER_J

# Status; or status and To tag; or the whole response.
Answer = int | tuple[int, bytes] | bytes
# An entry lives for Timer J and at most a fifth more.
GENERATIONS: Final = 5
SPAN: Final = TIMER_J / GENERATIONS


class Remembered:
    """Answers by transaction key. The newest generation is looked at first: retransmissions come soon."""

    def __init__(self, now: float = 0.0) -> None:
        self._generations: list[dict[bytes, Answer]] = [{}]
        self._newest = self._generations[0]
        self._turn_at = now + SPAN

    def add(self, key: bytes, answer: Answer, now: float) -> None:
        """Remember until now + Timer J at least."""
        if now >= self._turn_at:
            self.turn(now)
        self._newest[key] = answer

    def get(self, key: bytes) -> Answer | None:
        """What was answered, None when nothing is remembered."""
        for generation in self._generations:
            if key in generation:
                return generation[key]
        return None

    def turn(self, now: float) -> None:
        """Begin a generation and drop what is past Timer J."""
        missed = int((now - self._turn_at) // SPAN) + 1
        self._newest = {}
        empty: list[dict[bytes, Answer]] = [{} for _ in range(min(missed, GENERATIONS + 2) - 1)]
        self._generations = [self._newest, *empty, *self._generations][: GENERATIONS + 2]
        self._turn_at = now + SPAN

    def __len__(self) -> int:
        return sum(len(generation) for generation in self._generations)
