"""What the kernel says of a server: memory and processor time of its whole process tree, and of its disk.

Rules: read from /proc only. RSS counts shared pages once per process, PSS once in all: a forking server
is judged by PSS.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from tests.bench.load.tally import median

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """Memory in KiB, processor time in seconds since the start."""

    rss: int
    pss: int
    cpu: float


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in _read(task).split())
    return found


def sample(pid: int) -> Sample:
    """Sums over the tree; a process that ends meanwhile counts nothing."""
    rss = pss = 0
    cpu = 0.0
    for each in tree(pid):
        rollup = dict(_fields(_read(Path(f"/proc/{each}/smaps_rollup"))))
        rss += rollup.get("Rss", 0)
        pss += rollup.get("Pss", 0)
        # proc_pid_stat(5): the name is in brackets and may hold blanks; utime and stime are 14 and 15.
        stat = _read(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        cpu += (int(stat[11]) + int(stat[12])) / TICKS if stat else 0.0
    return Sample(rss, pss, cpu)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _fields(text: str) -> list[tuple[str, int]]:
    rows = (line.split() for line in text.splitlines())
    return [(row[0].rstrip(":"), int(row[1])) for row in rows if len(row) == 3 and row[2] == "kB"]


def sync_time(directory: Path, tries: int = 100) -> float:
    """Seconds that one 4 KiB append and fdatasync take there, the median: what a durable commit costs."""
    taken = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(tries):
            begun = perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - begun)
    return median(taken) or 0.0


def file_system(directory: Path) -> str:
    """The type of the file system that holds a directory, such as ext4; empty when it is not known."""
    device = directory.stat().st_dev
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        left, _, right = line.partition(" - ")
        major, _, minor = left.split()[2].partition(":")
        if os.makedev(int(major), int(minor)) == device:
            return right.split()[0]
    return ""
