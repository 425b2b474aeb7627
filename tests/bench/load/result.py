"""From what the workers brought home to the figures of a run, and from runs to medians and ratios.

Rules: a rate counts good final answers inside the window only (202 for store, 200 elsewhere; for deliver,
messages that arrived for the first time). Every fault is named beside the rate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.bench.load.crew import Crew
from tests.bench.load.job import DELIVER, Job
from tests.bench.load.ledger import Books
from tests.bench.load.tally import Tally, median, percentile


@dataclass
class Run:
    """One run of one scenario. Rates per second, latencies in ms, memory in MiB, `*_us` per transaction."""

    scenario: str
    server: str
    rate: float
    p50_ms: float | None
    p99_ms: float | None
    worst_ms: float | None
    server_us: float | None
    generator_us: float | None
    rss_mib: float
    pss_mib: float
    retransmissions: int
    faults: dict[str, int]
    refused: dict[str, int]
    per_second: list[int] = field(default_factory=list)
    pss_samples_mib: list[float] = field(default_factory=list)


def summarize(job: Job, server: str, crew: Crew) -> Run:
    """The figures of one run."""
    tally, books = _sums(crew)
    is_delivery = job.scenario.kind == DELIVER
    times = [time for o in crew.outcomes for time in o.served] if is_delivery else list(tally.latencies)
    times.sort()
    done = sum(outcome.transactions for outcome in crew.outcomes)
    server_cpu = crew.samples[-1].cpu - crew.samples[0].cpu
    return Run(
        scenario=job.scenario.name,
        server=server,
        rate=_delivery_rate(crew, books) if is_delivery else tally.good / job.seconds,
        p50_ms=_ms(percentile(times, 0.5)),
        p99_ms=_ms(percentile(times, 0.99)),
        worst_ms=_ms(percentile(times, 1.0)),
        server_us=_per(server_cpu, done),
        generator_us=_per(sum(outcome.cpu for outcome in crew.outcomes), done),
        rss_mib=_mib(max(each.rss for each in crew.samples)),
        pss_mib=_mib(max(each.pss for each in crew.samples)),
        retransmissions=tally.retransmissions,
        faults=_faults(tally, books),
        refused=_refused(crew, tally),
        per_second=[tally.per_second.get(second, 0) for second in range(int(job.seconds))],
        pss_samples_mib=[_mib(each.pss) for each in crew.samples],
    )


def _sums(crew: Crew) -> tuple[Tally, Books]:
    tally, books = Tally(), Books()
    for outcome in crew.outcomes:
        tally.add(outcome.tally)
        books.add(outcome.books)
    return tally, books


def _delivery_rate(crew: Crew, books: Books) -> float:
    seconds = max(o.ended for o in crew.outcomes) - min(o.began for o in crew.outcomes)
    return books.arrived / seconds if seconds > 0 else 0.0


def _faults(tally: Tally, books: Books) -> dict[str, int]:
    faults = books.faults
    if tally.lost:
        faults["unanswered"] = tally.lost
    return faults


def _refused(crew: Crew, tally: Tally) -> dict[str, int]:
    refused = dict(tally.refused)
    for outcome in crew.outcomes:
        for status, count in outcome.refill.items():
            refused[status] = refused.get(status, 0) + count
    return refused


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _per(seconds: float, done: int) -> float | None:
    return round(seconds * 1e6 / done, 1) if done else None


def _mib(kib: int) -> float:
    return round(kib / 1024, 1)


@dataclass
class Row:
    """The median of the runs of one scenario against one server; each figure is its own median."""

    scenario: str
    server: str
    runs: int
    rate: float
    lowest: float
    highest: float
    p50_ms: float | None
    p99_ms: float | None
    server_us: float | None
    generator_us: float | None
    pss_mib: float
    retransmissions: int
    faults: dict[str, int]
    refused: dict[str, int]


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row for each scenario and server, in the order they first ran."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.scenario, run.server), []).append(run)
    return [_row(group) for group in groups.values()]


def _row(group: list[Run]) -> Row:
    rates = [run.rate for run in group]
    return Row(
        scenario=group[0].scenario,
        server=group[0].server,
        runs=len(group),
        rate=round(median(rates) or 0.0, 1),
        lowest=round(min(rates), 1),
        highest=round(max(rates), 1),
        p50_ms=median(run.p50_ms for run in group),
        p99_ms=median(run.p99_ms for run in group),
        server_us=median(run.server_us for run in group),
        generator_us=median(run.generator_us for run in group),
        pss_mib=max(run.pss_mib for run in group),
        retransmissions=sum(run.retransmissions for run in group),
        faults=_total(run.faults for run in group),
        refused=_total(run.refused for run in group),
    )


def _total(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def ratios(table: Sequence[Row], ours: str) -> list[tuple[str, str, float, float | None]]:
    """(scenario, peer, our rate over the peer's, our processor time over the peer's); only where both have a rate."""
    own = {row.scenario: row for row in table if row.server == ours}
    return [
        (row.scenario, row.server, round(own[row.scenario].rate / row.rate, 3), _over(own[row.scenario], row))
        for row in table
        if row.server != ours and row.rate > 0 and row.scenario in own
    ]


def _over(ours: Row, theirs: Row) -> float | None:
    return round(ours.server_us / theirs.server_us, 3) if ours.server_us and theirs.server_us else None
