"""Frames between the daemon and the writer's process: one for each batch, and one with answers for each transaction of
one or more batches.

A frame is a length in four bytes and a MessagePack array. Measured in the daemon, for every store: packing a row takes
0.3 us; reading the attributes in Python first took three times as long, pickle six times.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from msilod.errors import StoreError
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import AddResult, Batch, CallJob, Cleaned, Foreign, Outcome

HEAD: Final = 4
# Result types of operations, except numbers, texts and lists of these.
_RETURNED: Final[dict[str, Any]] = {
    "claim": list[StoredMessage],
    "claim_for": list[StoredMessage],
    "clean": Cleaned,
    "expire": Cleaned,
    "poll_foreign": Foreign,
    "unseen": list[tuple[str, list[int]]],
}


class Opening(msgspec.Struct, array_like=True):
    """The first frame to the writer's process: the db_url, the db_table, the name for leases, and `Hold.seen`.

    The URL goes on the socket and not in the arguments of the process: every user of the machine can read arguments,
    and the URL of a database server holds a password.
    """

    url: str
    table: str
    owner: str
    seen: tuple[int, ...] = ()


class Answer(msgspec.Struct, array_like=True):
    """The outcome of a number of batches, committed within `seconds`.

    A failed end or call has the reason as text, a committed one "".

    With `refusal` no job of the batch could be read. With `end`, the exit code, the frame is the last of the process:
    `refusal` is the reason, the outcome of this number of batches is unknown, and no other open batch is ever
    committed.
    """

    batches: int
    first: int = 0
    count: int = 0
    adds: list[AddResult] = []
    ends: list[str] = []
    calls: list[tuple[str, msgspec.Raw]] = []
    refusal: str = ""
    end: int = 0
    wants_check: bool = False
    seconds: float = 0.0

    def outcome(self, calls: Sequence[CallJob]) -> Outcome:
        """The outcome in the daemon, for the jobs `calls`."""
        return Outcome(
            self.first,
            self.count,
            self.adds,
            [StoreError(reason) if reason else None for reason in self.ends],
            [
                StoreError(reason) if reason else _unpacked_result(job.call.name, result)
                for job, (reason, result) in zip(calls, self.calls, strict=True)
            ],
        )


_encode: Final = msgspec.msgpack.Encoder().encode
_OPENING: Final = msgspec.msgpack.Decoder(Opening)
_BATCH: Final = msgspec.msgpack.Decoder(Batch)
_ANSWER: Final = msgspec.msgpack.Decoder(Answer)
_ANYTHING: Final = msgspec.msgpack.Decoder(Any)
_DECODERS: Final = {name: msgspec.msgpack.Decoder(type) for name, type in _RETURNED.items()}


class Frames:
    """Cuts received bytes into frames."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: memoryview) -> Iterator[bytearray]:
        """The content of every complete frame."""
        received = self._received
        received += data
        start = 0
        while len(received) - start >= HEAD:
            end = start + HEAD + int.from_bytes(received[start : start + HEAD], "big")
            if len(received) < end:
                break
            yield received[start + HEAD : end]
            start = end
        del received[:start]


def _frame(content: object) -> bytes:
    packed = _encode(content)
    return len(packed).to_bytes(HEAD, "big") + packed


def pack_opening(opening: Opening) -> bytes:
    """The first frame."""
    return _frame(opening)


def read_opening(pipe: socket.socket) -> Opening:
    """Read the first frame, and no byte more; blocks. Raises EOFError when the pipe ends before."""
    return _OPENING.decode(_read_exactly(pipe, int.from_bytes(_read_exactly(pipe, HEAD), "big")))


def _read_exactly(pipe: socket.socket, count: int) -> bytes:
    content = pipe.recv(count, socket.MSG_WAITALL)
    if len(content) < count:
        raise EOFError("the daemon has ended before its first frame was read")
    return content


def pack_batch(batch: Batch) -> bytes:
    """The frame of a batch. Raises the packer's error for a value without a column type: no text, too large a
    number.
    """
    return _frame(batch)


def unpack_batch(content: bytearray) -> Batch:
    """Raises msgspec.MsgspecError."""
    return _BATCH.decode(content)


def pack_answer(batches: int, outcome: Outcome, seconds: float = 0.0) -> bytes:
    """The frame with the outcome of a number of batches, committed within `seconds`."""
    ends = ["" if error is None else str(error) for error in outcome.ends]
    calls = [_packed_result(result) for result in outcome.calls]
    answer = Answer(batches, outcome.first, outcome.count, outcome.adds, ends, calls, seconds=seconds)
    return _frame(answer)


def pack_refusal(reason: str) -> bytes:
    """The frame for an unreadable batch."""
    return _frame(Answer(1, refusal=reason))


def pack_end(batches: int, reason: str, code: int, wants_check: bool) -> bytes:
    """The last frame of the process: the outcome of a number of batches is unknown."""
    return _frame(Answer(batches, refusal=reason, end=code, wants_check=wants_check))


def unpack_answer(content: bytearray) -> Answer:
    """The answer in a frame."""
    return _ANSWER.decode(content)


def _unpacked_result(name: str, result: msgspec.Raw) -> Any:
    """The result of the named call; StoreError for a result of a wrong type."""
    try:
        return _DECODERS.get(name, _ANYTHING).decode(result)
    except msgspec.MsgspecError as error:
        return StoreError(f"the silo: {name}: {error}")


def _packed_result(result: Any) -> tuple[str, msgspec.Raw]:
    if isinstance(result, StoreError):
        return str(result) or "failed", _NOTHING
    return "", msgspec.Raw(_encode(result))


_NOTHING: Final = msgspec.Raw(_encode(None))
