"""Remembered: the memory of completed non-INVITE server transactions, in place of Completed state and Timer J.

At 30,000 answers a second, 32 s are a million entries. As whole responses these take 0.6 to 0.8 GB. Therefore an answer
of this server is remembered as a status, or as a line or two with To tag and header fields, and made again from the
retransmitted request. Other answers are remembered as bytes. An entry also holds the fingerprint of the request
(`key.fingerprint`), since a request with the same branch need not be a retransmission. Measured
(tests/bench/transactions.py): 160 bytes for a plain status with its key, 185 for a relayed MESSAGE.

Entries live in generations of 2 s, and a generation is dropped as a whole. A single dict with deletions took half as
much memory again, and stopped the process for 60 ms a minute to resize. A look-up in seventeen generations has
seventeen cache misses, so a table with one byte per hash excludes most new requests first: 1.1 us instead of 1.9.

The memory is bounded. A full generation ends early, and the oldest generation is dropped before its Timer J. A later
retransmission is then a new request for the user.
"""

from collections.abc import Sequence
from typing import Final

from msilod.sip.message import Request, answer_bytes
from msilod.transaction.key import STATUS_BITS, fingerprint
from msilod.transaction.timers import PATIENCE

# A status; or bytes: `status tag` and header lines, or a whole response.
Answer = int | bytes
# An int: the fingerprint with the status in the low bits. Bytes: the fingerprint in eight octets, then the answer.
Entry = int | bytes

# In place of a status: the request is known without its answer. Retransmissions are dropped.
NO_ANSWER: Final = 0
_STATUS_MASK: Final = (1 << STATUS_BITS) - 1

TIMER_J: Final = PATIENCE
GENERATIONS: Final = 16
SPAN: Final = TIMER_J / GENERATIONS
# 62,500 answers a second, and 6 MB a second of answers kept as bytes.
MAX_ENTRIES: Final = 2_000_000
MAX_BYTES: Final = 192 * 1024 * 1024
# 4 MiB. With a million entries, a fifth of the new requests are looked up in the generations without need.
_MARKS: Final = 1 << 22
_MASK: Final = _MARKS - 1
# Marks are numbers of generations, 1 to 255. Numbers of dropped generations are invalid.
_NUMBERS: Final = 255


def pack(status: int, to_tag: bytes, lines: Sequence[bytes] = ()) -> Answer:
    """Return the short form of an answer; an empty tag means the stateless tag."""
    if not lines:
        return b"%d %b" % (status, to_tag) if to_tag else status
    return b"\r\n".join([b"%d %b" % (status, to_tag), *lines])


def unpack(answer: Answer, request: Request, stateless_tag: bytes) -> bytes:
    """Return the response for a retransmission of the answered request."""
    if isinstance(answer, int):
        return answer_bytes(request, answer, stateless_tag)
    if answer.startswith(b"SIP/2.0 "):
        return answer
    first, *lines = answer.split(b"\r\n")
    status, _, tag = first.partition(b" ")
    return answer_bytes(request, int(status), tag or stateless_tag, lines)


def fingerprint_of(entry: Entry) -> int:
    """Return the fingerprint of the answered request."""
    return entry & ~_STATUS_MASK if isinstance(entry, int) else int.from_bytes(entry[:8], "big")


def answer_in(entry: Entry) -> Answer:
    """Return the answer of an entry; NO_ANSWER when no answer is kept."""
    return entry & _STATUS_MASK if isinstance(entry, int) else entry[8:]


class Remembered:
    """Answers by transaction key, each kept for Timer J and at most SPAN longer.

    `limit` bounds the entries, `limit_bytes` the bytes of the answers. `forgotten` counts answers dropped before Timer
    J.
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
        """Remember an answer for Timer J. `fingerprint` belongs to the answered request."""
        if now >= self.turn_at or len(self._newest) >= self._limit or self._bytes >= self._limit_bytes:
            self.turn(now)
        self._marks[hash(key) & _MASK] = self._number
        if isinstance(answer, bytes):
            self._newest[key] = fingerprint.to_bytes(8, "big") + answer
            self._bytes += len(answer)
        else:
            self._newest[key] = fingerprint | answer

    def renew(self, key: bytes, now: float) -> None:
        """Remember an entry for another Timer J from now on."""
        entry = self.get(key)
        if entry is not None:
            self.add(key, fingerprint_of(entry), answer_in(entry), now)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry for `key`; None when there is none."""
        if not self._valid[self._marks[hash(key) & _MASK]]:
            return None
        for generation in self._generations:
            if key in generation:
                return generation[key]
        return None

    def answer_to(self, key: bytes, request: Request) -> Answer | None:
        """Return the answer to a retransmission; None when `request` is no retransmission of a remembered request.

        NO_ANSWER when the request is known without its answer.
        """
        entry = self.get(key)
        if entry is None or fingerprint_of(entry) != fingerprint(request):
            return None
        return answer_in(entry)

    def turn(self, now: float) -> None:
        """Start a new generation and drop generations past Timer J. Called at `turn_at`."""
        turns = 1
        if self._generations and now >= self.turn_at:
            # Add empty generations for the time without traffic.
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
        """True when all generations are empty."""
        return not any(self._generations)

    def __len__(self) -> int:
        return sum(len(generation) for generation in self._generations)
