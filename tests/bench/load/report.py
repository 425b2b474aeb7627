"""The report: text for people, one JSON object for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.load.process import file_system, sync_time
from tests.bench.load.result import Row, Run, ratios, rows

_HEAD = f"{'scenario':<17} {'server':<12} {'per second':>10} {'low .. high':>17} {'p50 ms':>9} {'p99 ms':>9}"
_HEAD += f" {'server us':>9} {'load us':>7} {'MiB':>6}  refused and faults"


@dataclass(frozen=True)
class Machine:
    """Where it was measured; `sync_ms` is one append of 4 KiB with fdatasync, where the silo lies."""

    cpus: int
    python: str
    system: str
    directory: str
    file_system: str
    sync_ms: float


def this_machine(directory: Path) -> Machine:
    """The machine we are on."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        directory=str(directory),
        file_system=file_system(directory),
        sync_ms=round(sync_time(directory) * 1000, 3),
    )


def headline(machine: Machine) -> str:
    """One line on the machine."""
    return (
        f"{machine.cpus} processors, Python {machine.python}, {machine.system}; silo on "
        f"{machine.file_system} ({machine.directory}), one synced append {machine.sync_ms} ms"
    )


def run_line(run: Run) -> str:
    """One line when a run is over."""
    faults = _remarks(run)
    return f"{run.scenario:<17} {run.server:<12} {run.rate:>10.0f}/s  {faults}".rstrip()


def text(runs: Sequence[Run], ours: str) -> str:
    """The table, the ratios and what the long run says of memory."""
    table = rows(runs)
    lines = ["", *table_lines(table)]
    compared = ratios(table, ours)
    if compared:
        lines += ["", f"{ours} over the peer: rate, processor time of a transaction"]
        lines += [
            f"{scenario:<17} {peer:<12} {rate:>10.3f} {_figure(cpu, 10, 3)}"
            for scenario, peer, rate, cpu in compared
        ]
    lines += [line for run in runs if run.scenario == "steady" for line in _steady_lines(run)]
    lines += ["", "deliver: p50 and p99 are from a user's REGISTER to his last message."]
    lines += ["server us, load us: processor time of the server and of this program per transaction."]
    lines += ["MiB: the most memory of the server's processes together (PSS)."]
    return "\n".join(lines) + "\n"


def table_lines(table: Sequence[Row]) -> list[str]:
    """A head and a line for each row."""
    return [_HEAD, *map(_row_line, table)]


def _row_line(row: Row) -> str:
    spread = f"{row.lowest:.0f} .. {row.highest:.0f}"
    return (
        f"{row.scenario:<17} {row.server:<12} {row.rate:>10.0f} {spread:>17} {_figure(row.p50_ms, 9, 2)} "
        f"{_figure(row.p99_ms, 9, 2)} {_figure(row.server_us, 9, 1)} {_figure(row.generator_us, 7, 1)} "
        f"{row.pss_mib:>6.0f}  {_remarks(row)}"
    ).rstrip()


def _steady_lines(run: Run) -> list[str]:
    memory = run.pss_samples_mib
    marks = [memory[len(memory) * part // 4] for part in range(4)] + [memory[-1]]
    seconds = sorted(run.per_second)
    return [
        "",
        f"steady, {run.server}: slowest second {seconds[0]}, median {seconds[len(seconds) // 2]}, "
        f"fastest {seconds[-1]}; MiB at each quarter: {', '.join(f'{mark:.0f}' for mark in marks)}",
    ]


def _figure(value: float | None, width: int, places: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{places}f}"


def _remarks(of: Row | Run) -> str:
    counts = of.refused | of.faults
    if of.retransmissions:
        counts |= {"sent again": of.retransmissions}
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def as_json(machine: Machine, runs: Sequence[Run], ours: str) -> str:
    """Everything, each run on its own as well."""
    table = rows(runs)
    compared = [
        {"scenario": scenario, "peer": peer, "ratio": rate, "processor_time": cpu}
        for scenario, peer, rate, cpu in ratios(table, ours)
    ]
    whole = {
        "machine": asdict(machine),
        "medians": [asdict(row) for row in table],
        "ratios": compared,
        "runs": [asdict(run) for run in runs],
    }
    return json.dumps(whole, indent=1) + "\n"
