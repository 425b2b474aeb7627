"""What goes between the daemon and its writer's process: a frame for each batch, and a frame of answers for each
transaction, which may hold several batches.

A frame is its length in four bytes and a MessagePack array. Measured in the daemon, which pays for it on every
store: a row costs 0.3 us to pack; to read its attributes in Python first took three times as long, pickle six.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from msilod.errors import StoreError
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import AddResult, Batch, CallJob, Cleaned, Foreign, Outcome

HEAD: Final = 4
# What operations return that is more than numbers, texts and lists of them.
_RETURNED: Final[dict[str, Any]] = {
    "claim": list[StoredMessage],
    "claim_for": list[StoredMessage],
    "clean": Cleaned,
    "expire": Cleaned,
    "poll_foreign": Foreign,
    "unseen": list[tuple[str, list[int]]],
}


class Opening(msgspec.Struct, array_like=True):
    """The first frame to the writer's process: the db_url, its db_table, the name for leases, and `Hold.seen`.

    The URL goes on the socket and not in the arguments of the process: every user of the machine may read those, and
    the URL of a database server holds a password.
    """

    url: str
    table: str
    owner: str
    seen: tuple[int, ...] = ()


class Answer(msgspec.Struct, array_like=True):
    """The outcome of so many batches. An end that failed has the reason, one that is committed ""; so have calls.

    `refusal` tells why nothing of a batch could even be read. With `end` it is the last frame of the writer, which
    ends with this exit code because of `refusal`: the outcome of so many batches is unknown, and none that is not
    answered by then will ever be committed.
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

    def outcome(self, calls: Sequence[CallJob]) -> Outcome:
        """For those who are here, who made `calls`."""
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
    """Cuts what arrives into what was sent."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: memoryview) -> Iterator[bytearray]:
        """The content of every frame that is complete by now."""
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
    """Read the first frame and no byte more, waiting for it. Raises EOFError when the pipe ends before."""
    return _OPENING.decode(_read_exactly(pipe, int.from_bytes(_read_exactly(pipe, HEAD), "big")))


def _read_exactly(pipe: socket.socket, count: int) -> bytes:
    content = pipe.recv(count, socket.MSG_WAITALL)
    if len(content) < count:
        raise EOFError("the daemon has ended before its first frame was read")
    return content


def pack_batch(batch: Batch) -> bytes:
    """Its frame. Raises whatever a value raises that no column holds: text that is none, a number beyond 64 bits."""
    return _frame(batch)


def unpack_batch(content: bytearray) -> Batch:
    """Raises msgspec.MsgspecError."""
    return _BATCH.decode(content)


def pack_answer(batches: int, outcome: Outcome) -> bytes:
    """The frame for the outcome of so many batches."""
    ends = ["" if error is None else str(error) for error in outcome.ends]
    calls = [_packed_result(result) for result in outcome.calls]
    return _frame(Answer(batches, outcome.first, outcome.count, outcome.adds, ends, calls))


def pack_refusal(reason: str) -> bytes:
    """The frame for a batch that could not be read."""
    return _frame(Answer(1, refusal=reason))


def pack_end(batches: int, reason: str, code: int, wants_check: bool) -> bytes:
    """The writer's last frame: the outcome of so many batches is unknown."""
    return _frame(Answer(batches, refusal=reason, end=code, wants_check=wants_check))


def unpack_answer(content: bytearray) -> Answer:
    """As it was packed."""
    return _ANSWER.decode(content)


def _unpacked_result(name: str, result: msgspec.Raw) -> Any:
    """What the operation of that name has returned; StoreError when it is of another type than it should be."""
    try:
        return _DECODERS.get(name, _ANYTHING).decode(result)
    except msgspec.MsgspecError as error:
        return StoreError(f"the silo: {name}: {error}")


def _packed_result(result: Any) -> tuple[str, msgspec.Raw]:
    if isinstance(result, StoreError):
        return str(result) or "failed", _NOTHING
    return "", msgspec.Raw(_encode(result))


_NOTHING: Final = msgspec.Raw(_encode(None))
