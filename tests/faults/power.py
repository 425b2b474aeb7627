"""Power: the possible contents of a disk after a power cut, for each moment recorded by `FaultyDisk`.

Between two syncs of a file a disk may write the data of that file in any order, and leave any part of the data out. A
disk writes sectors of 512 bytes whole or not at all, so a write may be torn between two sectors. Synced data stay. The
removal of a file holds at once. The index in shared memory (-shm) is lost; SQLite makes a new one.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.disk import Record, apply

SECTOR: Final = 512
Change = tuple[bytes, int, bytes]
Files = dict[str, bytes]


class PowerCuts:
    """Random states of the disk after a power cut. `obeys_syncs`: False for a disk without real syncs."""

    def __init__(self, random: Random, obeys_syncs: bool = True) -> None:
        self.random = random
        self.obeys_syncs = obeys_syncs
        self._durable: dict[str, bytearray] = {}
        self._pending: dict[str, list[Change]] = {}

    def at(self, records: Iterable[Record], moments: Sequence[int]) -> Iterator[tuple[int, Files]]:
        """For each of `moments`, in order: the moment, and the files by name after a power cut.

        A moment is the moment of the last record before the cut. A moment may be given several times.
        """
        left = sorted(moments, reverse=True)
        for moment, what, name, at, data in records:
            self._take(what, name, at, data)
            while left and left[-1] == moment:
                left.pop()
                yield moment, self._files()

    def _take(self, what: bytes, name: str, at: int, data: bytes) -> None:
        if what == b"u":
            self._durable.pop(name, None)
            self._pending.pop(name, None)
        elif what != b"s":
            self._pending.setdefault(name, []).append((what, at, data))
        elif self.obeys_syncs:
            for change in self._pending.pop(name, []):
                apply(self._durable.setdefault(name, bytearray()), *change)

    def _files(self) -> Files:
        names = self._durable.keys() | self._pending.keys()
        return {name: bytes(self._file(name)) for name in sorted(names)}

    def _file(self, name: str) -> bytearray:
        random, content = self.random, bytearray(self._durable.get(name, b""))
        share, torn = random.choice((0.0, 0.1, 0.5, 0.9, 1.0)), random.choice((0.0, 0.1, 0.5))
        arrived: list[Change] = []
        for change in self._pending.get(name, []):
            if change[0] == b"w" and random.random() < torn:
                arrived += [piece for piece in _sectors(change) if random.random() < 0.5]
            elif random.random() < share:
                arrived.append(change)
        if random.random() < 0.5:
            random.shuffle(arrived)
        for change in arrived:
            apply(content, *change)
        return content


def _sectors(change: Change) -> Iterator[Change]:
    """The parts of a write, split at the sectors of the file."""
    what, at, data = change
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (at + start) % SECTOR)
        yield what, at + start, data[start:end]
        start = end


def write_files(folder: Path, files: Files) -> Path:
    """Write the silo into the emptied `folder`, without the reserve file."""
    folder.mkdir(exist_ok=True)
    for former in folder.iterdir():
        former.unlink()
    for name, content in files.items():
        if name in ("", "-wal", "-journal"):
            (folder / f"silo.db{name}").write_bytes(content)
    return folder / "silo.db"
