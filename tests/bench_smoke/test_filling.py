"""A silo filled by the benchmark equals a silo filled by the writer."""

from pathlib import Path

from msilod.store.schema.maintenance import Maintenance
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import Selection
from tests.bench.load.filling import HELD, REJECTED, SCHEDULED, Filling, fill
from tests.bench.scale import EXPIRED, Place, sweep
from tests.store.rows import WALL, add, open_silo, row


def test_a_filled_silo_is_whole(tmp_path: Path) -> None:
    fill(tmp_path / "silo.db", Filling(1000, 10, "bench.test", WALL))
    assert Maintenance(tmp_path / "silo.db", "silo").check() == []
    queue = Queue(tmp_path / "silo.db", "silo")
    found = list(queue.messages(Selection(aors=("u00000003@bench.test",)), WALL))
    queue.close()
    assert len(found) == 100
    assert all(message.size == len(message.body) == 200 for message in found)
    silo = open_silo(tmp_path)
    counts = silo.counts()
    assert sum(counts.values()) == 1000
    assert (counts["rejected"], counts["scheduled"], counts["held"]) == (
        1000 // REJECTED,
        1000 // SCHEDULED,
        1000 // HELD,
    )
    add(silo, row(1))
    assert sum(silo.counts().values()) == 1001
    silo.close()


def test_the_measured_sweep_removes_rows(tmp_path: Path) -> None:
    place = Place(tmp_path, EXPIRED + 1000)
    place.fill()
    assert sweep(place.silo) > 0
    silo = open_silo(place.directory)
    assert sum(silo.counts().values()) == 1000
    silo.close()
