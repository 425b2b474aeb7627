"""Does a large silo cost more than a small one? `python -m tests.bench.scale`, from the root of the source tree.

It fills a silo of ten thousand rows and one of ten million (5 GB, two minutes; `--keep` keeps the files for the next
time), and then, turn and turn about, measures on each: from the start to the first answer, stores a second at
32 outstanding to recipients who have mail already, deliveries a second to users with 100 messages each, `msilo list`
of one user, `msilo status`, and the sweep of 5000 rows whose life is over. The last column is how many times worse
the large one is; at most 1.5 is wanted. Where others use the machine, processor time of the server says more than
a rate.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msilod.store.engine.choice import sqlite_url
from msilod.store.engine.sqlite.connection import open_sqlite, raw
from msilod.store.jobs import Cleaned
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.bench.load.crew import run_crew
from tests.bench.load.filling import TABLE, Filling, fill
from tests.bench.load.job import DELIVER, STORE, Job, Scenario
from tests.bench.load.report import headline, this_machine
from tests.bench.load.result import summarize
from tests.bench.load.servers import DOMAIN, Msilod, answers
from tests.bench.load.tally import median

# Messages of one recipient, and recipients of the stores; nine in ten of these have mail in a large silo only.
EACH: Final = 100
STORED_TO: Final = 10_000
DELIVERED_TO: Final = 20
EXPIRED: Final = 5000
PIECE: Final = 500
# Seconds: each recipient of the stores is read once (100 us at 100 rows), and the memory of who has mail is filled.
WARM_UP: Final = 3.0
# What is measured, and whether more of it is better.
MEASURES: Final = {
    "start to first answer, ms": False,
    "stores/s": True,
    "store, us of the server": False,
    "deliveries/s": True,
    "delivery, us of the server": False,
    "msilo list USER, ms": False,
    "msilo status, ms": False,
    "sweep, us a row": False,
}
Figures = dict[str, list[float]]


class Place:
    """A filled silo in a directory of its own. `begun` numbers the loads, so that none repeats a Call-ID."""

    begun = 0

    def __init__(self, directory: Path, rows: int) -> None:
        self.directory = directory / str(rows)
        self.rows = rows
        self.figures: Figures = {name: [] for name in MEASURES}

    @property
    def silo(self) -> Path:
        """The file."""
        return self.directory / "silo.db"

    def fill(self) -> None:
        """Make the file, if it is not there from the last time."""
        if not self.silo.exists():
            began = time.monotonic()
            fill(self.silo, Filling(self.rows, max(1, self.rows // EACH), DOMAIN, time.time()))
            say(f"{self.rows} rows filled in {time.monotonic() - began:.0f} s")

    def note(self, name: str, value: float) -> None:
        """One more figure."""
        self.figures[name].append(value)
        say(f"{self.rows:>10} rows  {name}: {value:.1f}")


def say(line: str) -> None:
    """To the terminal, beside the report."""
    sys.stderr.write(line + "\n")


def measure(place: Place, options: argparse.Namespace) -> None:
    """One round on one silo: with a daemon, and then without."""
    server = Msilod(options.command)
    try:
        began = time.monotonic()
        server.start(place.directory)
        server.wait_until(answers(server.address))
        place.note("start to first answer, ms", (time.monotonic() - began) * 1000)
        for name, cost, scenario, first in (
            ("stores/s", "store, us of the server", Scenario("store-32", STORE, STORED_TO, 32), 1),
            (
                "deliveries/s",
                "delivery, us of the server",
                Scenario("deliver", DELIVER, DELIVERED_TO, 32, each=EACH),
                _fresh_users(),
            ),
        ):
            job = _job(scenario, server, options, first)
            run = summarize(job, server.name, run_crew(job, 1, server.sample))
            place.note(name, run.rate)
            place.note(cost, run.server_us or 0.0)
        place.note("msilo list USER, ms", _command(place, "list", f"u{0:08d}@{DOMAIN}"))
        place.note("msilo status, ms", _command(place, "status"))
    finally:
        server.stop()
    place.note("sweep, us a row", sweep(place.silo))


def _fresh_users() -> int:
    """The first of as many users as nobody has written to."""
    Place.begun += 1
    return 50_000_000 + Place.begun * DELIVERED_TO


def _job(scenario: Scenario, server: Msilod, options: argparse.Namespace, first: int) -> Job:
    # The clock makes the run's name another one each time, or what is kept from the last time were its copy.
    return Job(
        scenario=scenario,
        server=server.address,
        domain=DOMAIN.encode(),
        run=b"%02d" % (time.time_ns() // 1000 % 100),
        users=range(first, first + scenario.users),
        outstanding=scenario.outstanding,
        seconds=options.seconds,
        warm_up=WARM_UP,
        body=200,
        fillers=server.fillers,
    )


def _command(place: Place, *words: str) -> float:
    """Milliseconds of a `msilo` command; it is not to fail."""
    state = {"STATE_DIRECTORY": str(place.directory), "RUNTIME_DIRECTORY": str(place.directory)}
    command = [sys.executable, "-m", "msilo_cli", "--db-url", f"sqlite:///{place.silo}", *words]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | state)
    return (time.monotonic() - began) * 1000


def sweep(path: Path) -> float:
    """Microseconds a row: the writer's own sweep, commits included, of the oldest rows."""
    wall = time.time()
    _end_lives(path, wall)
    silo = Silo(sqlite_url(path), TABLE, Limits())
    silo.start("bench", None)
    heard: list[Any] = []
    began = time.perf_counter()
    while not heard or (isinstance(heard[-1], Cleaned) and heard[-1].has_more):
        silo.writer.clean(wall, PIECE, heard.append)
        silo.writer.flush()
    spent = time.perf_counter() - began
    silo.close()
    swept = sum(len(cleaned.expired) for cleaned in heard)
    if swept != EXPIRED:
        raise ValueError(f"{swept} rows were swept instead of {EXPIRED}")
    return spent / swept * 1e6


def _end_lives(path: Path, wall: float) -> None:
    """The oldest rows but the held and the scheduled ones have expired."""
    database = open_sqlite(path)
    db = raw(database)
    db.execute(
        f"UPDATE {TABLE} SET expires_at = ? WHERE id IN "
        f"(SELECT id FROM {TABLE} WHERE state NOT IN ('held', 'scheduled') ORDER BY id LIMIT ?)",
        (wall - 1, EXPIRED),
    )
    database.close()


def report(small: Place, large: Place) -> str:
    """The medians beside each other."""
    lines = [f"{'':<28}{small.rows:>12}{large.rows:>12}{'worse':>8}"]
    for name, is_rate in MEASURES.items():
        one, many = (median(place.figures[name]) or 0.0 for place in (small, large))
        worse = (one / many if is_rate else many / one) if one and many else 0.0
        lines.append(f"{name:<28}{one:>12.1f}{many:>12.1f}{worse:>8.2f}")
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    add = made.add_argument
    add("--rows", type=int, default=10_000_000, help="rows of the large silo (default %(default)s)")
    add("--small", type=int, default=10_000, help="rows of the small silo (default %(default)s)")
    add("--rounds", type=int, default=3, help="turns of each, the median counts (default %(default)s)")
    add("--seconds", type=float, default=3.0, help="of stores in a round (default %(default)s)")
    add("--command", default="", help="the daemon's program (default: this Python's -m msilod)")
    add("--directory", type=Path, default=Path("/var/tmp"), help="on a real disk (default %(default)s)")
    add("--keep", type=Path, help="the silos lie here, and stay; those of the last time are used again")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parser().parse_args(arguments)
    say(headline(this_machine(options.keep or options.directory)))
    if options.keep:
        return _compare(options.keep, options)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=options.directory) as directory:
        return _compare(Path(directory), options)


def _compare(directory: Path, options: argparse.Namespace) -> int:
    places = [Place(directory, options.small), Place(directory, options.rows)]
    for place in places:
        place.fill()
    for number in range(options.rounds):
        for place in places[:: -1 if number % 2 else 1]:
            measure(place, options)
    sys.stdout.write(report(*places))
    return 0


if __name__ == "__main__":
    sys.exit(main())
