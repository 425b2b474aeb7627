"""The memory of completed non-INVITE server transactions: their Completed state and Timer J.

30,000 answers a second for 32 s are a million entries, 0.6 to 0.8 GB as whole responses. So an answer of our
own is remembered as its status, and made again from the retransmitted request; one with header fields or a
To tag as a line or two; any other answer as its bytes. An entry has the fingerprint of its request as well
(`key.fingerprint`), since a request with the same branch need not be a copy. Measured (tests/bench/transactions.py):
160 bytes an entry for a plain status, key included, 185 for a relayed MESSAGE.

Entries live in generations of 2 s that are dropped whole: one dict with deletions took half as much again,
and stopped the world for 60 ms a minute to resize. Asking seventeen generations would be seventeen cache
misses, so a table of one byte per hash says which requests cannot have been seen: 1.9 us became 1.1.

Bounded: a generation that is full ends early, and the oldest is forgotten before its Timer J. A copy that
comes that late is a new request to the user.
"""

from collections.abc import Sequence
from typing import Final

from msilod.sip.message import Request, answer_bytes
from msilod.transaction.key import STATUS_BITS, fingerprint
from msilod.transaction.timers import PATIENCE

# A status; or `status tag` and header lines; or a whole response.
Answer = int | bytes
# The fingerprint with the status in its low bits; or the fingerprint in eight octets, and the answer behind them.
Entry = int | bytes

# In place of a status: the request is known, and its answer is not here. A copy of it is dropped.
NO_ANSWER: Final = 0
_STATUS_MASK: Final = (1 << STATUS_BITS) - 1

TIMER_J: Final = PATIENCE
GENERATIONS: Final = 16
SPAN: Final = TIMER_J / GENERATIONS
# 62,500 answers a second, and 6 MB a second of those that are kept as bytes.
MAX_ENTRIES: Final = 2_000_000
MAX_BYTES: Final = 192 * 1024 * 1024
# 4 MiB; with a million entries a fifth of all new requests asks the generations in vain.
_MARKS: Final = 1 << 22
_MASK: Final = _MARKS - 1
# Marks are the numbers of generations, 1 to 255; an old number marks nothing.
_NUMBERS: Final = 255


def pack(status: int, to_tag: bytes, lines: Sequence[bytes] = ()) -> Answer:
    """What to remember of an answer that can be made again; an empty tag is the stateless one."""
    if not lines:
        return b"%d %b" % (status, to_tag) if to_tag else status
    return b"\r\n".join([b"%d %b" % (status, to_tag), *lines])


def unpack(answer: Answer, request: Request, stateless_tag: bytes) -> bytes:
    """The response that was sent, for a copy of its request."""
    if isinstance(answer, int):
        return answer_bytes(request, answer, stateless_tag)
    if answer.startswith(b"SIP/2.0 "):
        return answer
    first, *lines = answer.split(b"\r\n")
    status, _, tag = first.partition(b" ")
    return answer_bytes(request, int(status), tag or stateless_tag, lines)


def fingerprint_of(entry: Entry) -> int:
    """The fingerprint of the request that this was the answer to."""
    return entry & ~_STATUS_MASK if isinstance(entry, int) else int.from_bytes(entry[:8], "big")


def answer_in(entry: Entry) -> Answer:
    """The answer alone; NO_ANSWER when none is kept."""
    return entry & _STATUS_MASK if isinstance(entry, int) else entry[8:]


class Remembered:
    """Answers by transaction key, each for Timer J and at most SPAN longer.

    `forgotten` counts those that had to go early. `limit` entries and `limit_bytes` bytes of answers at most.
    """

    __slots__ = (
        "_bytes", "_generations", "_limit", "_limit_bytes", "_marks", "_newest", "_number", "_valid",
        "forgotten", "turn_at",
    )  # fmt: skip

    def __init__(self, limit: int = MAX_ENTRIES, limit_bytes: int = MAX_BYTES) -> None:
        self._limit = limit // (GENERATIONS + 1)
        self._limit_bytes = limit_bytes // (GENERATIONS + 1)
        self._generations: list[dict[bytes, Entry]] = []
        self._newest: dict[bytes, Entry] = {}
        self._bytes = 0
        self._number = 0
        self._marks = bytearray(_MARKS)
        self._valid = bytes(256)
        self.forgotten = 0
        self.turn_at = 0.0

    def add(self, key: bytes, fingerprint: int, answer: Answer, now: float) -> None:
        """Remember for Timer J. `fingerprint` is that of the request."""
        if now >= self.turn_at or len(self._newest) >= self._limit or self._bytes >= self._limit_bytes:
            self.turn(now)
        self._marks[hash(key) & _MASK] = self._number
        if isinstance(answer, bytes):
            self._newest[key] = fingerprint.to_bytes(8, "big") + answer
            self._bytes += len(answer)
        else:
            self._newest[key] = fingerprint | answer

    def renew(self, key: bytes, now: float) -> None:
        """Remember the entry for Timer J from now on."""
        entry = self.get(key)
        if entry is not None:
            self.add(key, fingerprint_of(entry), answer_in(entry), now)

    def get(self, key: bytes) -> Entry | None:
        """What was answered; None when nothing is remembered."""
        if not self._valid[self._marks[hash(key) & _MASK]]:
            return None
        for generation in self._generations:
            if key in generation:
                return generation[key]
        return None

    def answer_to(self, key: bytes, request: Request) -> Answer | None:
        """What a copy of `request` was answered, NO_ANSWER when that is not kept; None when `key` has no copy of it."""
        entry = self.get(key)
        if entry is None or fingerprint_of(entry) != fingerprint(request):
            return None
        return answer_in(entry)

    def turn(self, now: float) -> None:
        """Begin a generation, and drop what is past Timer J. To be called when `turn_at` has come."""
        turns = 1
        if self._generations and now >= self.turn_at:
            # After silence those between then and now are empty.
            turns += int(min((now - self.turn_at) // SPAN, GENERATIONS))
        elif len(self._generations) > GENERATIONS:
            self.forgotten += len(self._generations[-1])
        for _ in range(turns):
            self._newest = {}
            self._number = self._number % _NUMBERS + 1
            self._generations = [self._newest, *self._generations[:GENERATIONS]]
        self._bytes = 0
        self.turn_at = now + SPAN
        valid = bytearray(256)
        for age in range(len(self._generations)):
            valid[(self._number - 1 - age) % _NUMBERS + 1] = 1
        self._valid = bytes(valid)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing left to drop."""
        return not any(self._generations)

    def __len__(self) -> int:
        return sum(len(generation) for generation in self._generations)
