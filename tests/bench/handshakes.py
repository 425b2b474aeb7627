"""What do TLS handshakes cost the stores? `python -m tests.bench.handshakes`, from the root of the source tree.

One daemon listens on UDP and TLS. Stores by UDP alone and stores beside clients that come by TLS, a thousand a
minute, take turns: A B, B A, A B ..., in spans that are short and many, since a machine that others use is another one
every few seconds. Each client connects, shakes hands in full, has an OPTIONS answered and goes
(`load/tls_clients.py`). Printed are the medians of both, what the stores lose beside the clients (at most 15 % is
wanted) and the handshakes that were really done: where these were fewer than asked for, the loss says nothing,
and the exit code is 1. Certificates are made with trustme.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.bench.load.crew import LoadFailed, run_crew, usual_workers
from tests.bench.load.job import Job, Scenario, select
from tests.bench.load.report import headline, run_line, table_lines, this_machine
from tests.bench.load.result import Run, rows, summarize
from tests.bench.load.servers import DOMAIN, Msilod, ServerFailed
from tests.bench.load.tally import median
from tests.bench.load.tls_clients import TlsClients, Visits
from tests.transport.authority import Authority

(ALONE,) = select(["store-256"])
BESIDE: Final = replace(ALONE, name="store-256-tls")
WANTED_LOSS: Final = 15.0
# Of the handshakes asked for: the first and the last of a span may fall on either side of its edge.
ENOUGH: Final = 0.97
# A load is named by two digits, and no two may have the same Call-IDs.
MOST_PAIRS: Final = 50


@dataclass
class Span:
    """Some seconds of stores; `visits` are those that began in them, None for stores alone."""

    run: Run
    seconds: float
    visits: Visits | None


def measure(scenario: Scenario, server: Msilod, clients: TlsClients, job: Job, per_minute: float) -> Span:
    """One span. The clients come before its warm-up and go after its last answer."""
    if scenario is ALONE:
        return Span(
            summarize(job, server.name, run_crew(job, usual_workers(), server.sample)), job.seconds, None
        )
    clients.start(per_minute)
    try:
        crew = run_crew(job, usual_workers(), server.sample)
    finally:
        visits = clients.stop()
    began = min(outcome.began for outcome in crew.outcomes)
    ended = max(outcome.ended for outcome in crew.outcomes)
    return Span(summarize(job, server.name, crew), ended - began, visits.within(began, ended))


def measure_all(server: Msilod, clients: TlsClients, options: argparse.Namespace) -> list[Span]:
    """The pairs, every second one backwards."""
    spans: list[Span] = []
    for pair in range(options.pairs):
        for scenario in (ALONE, BESIDE)[:: -1 if pair % 2 else 1]:
            job = _job(scenario, server, options, len(spans))
            spans.append(measure(scenario, server, clients, job, options.per_minute))
            sys.stderr.write(run_line(spans[-1].run) + "\n")
    return spans


def _job(scenario: Scenario, server: Msilod, options: argparse.Namespace, number: int) -> Job:
    return Job(
        scenario=scenario,
        server=server.address,
        domain=DOMAIN.encode(),
        run=b"%02d" % number,
        users=range(scenario.users),
        outstanding=scenario.outstanding,
        seconds=options.seconds,
        warm_up=options.warm_up,
        body=200,
    )


def losses(spans: Sequence[Span]) -> list[float]:
    """Percent of its stores that each pair lost beside the clients."""
    found = []
    for pair in zip(spans[::2], spans[1::2], strict=True):
        alone, beside = sorted(pair, key=lambda span: span.visits is not None)
        found.append(loss(alone.run.rate, beside.run.rate))
    return found


def loss(alone: float, beside: float) -> float:
    """Percent, below zero for a gain; all of it where there was nothing to lose."""
    return (1 - beside / alone) * 100 if alone else 100.0


def done_per_minute(spans: Sequence[Span]) -> float:
    """Handshakes that were answered, over the spans that had clients."""
    beside = [(span.visits, span.seconds) for span in spans if span.visits is not None]
    return sum(len(visits.done) for visits, _ in beside) / sum(seconds for _, seconds in beside) * 60


def report(spans: Sequence[Span], per_minute: float) -> str:
    """The medians of both states, the loss, and whether it was measured under what was asked for."""
    table = {row.scenario: row for row in rows([span.run for span in spans])}
    alone, beside, pairs = table[ALONE.name], table[BESIDE.name], losses(spans)
    visits = Visits().add(span.visits for span in spans if span.visits is not None)
    took = [seconds * 1000 for _, seconds in visits.done]
    done = done_per_minute(spans)
    lines = ["", *table_lines([alone, beside]), ""]
    lines += [
        f"stores lost beside the handshakes: {loss(alone.rate, beside.rate):.1f} %, at most {WANTED_LOSS:.0f} is "
        f"wanted; of the pairs {median(pairs) or 0.0:.1f}, from {min(pairs):.1f} to {max(pairs):.1f}",
        f"handshakes a minute: {done:.0f} of {per_minute:.0f} asked for, failed {visits.failed.total()}; "
        f"from connect to answer {median(took) or 0.0:.1f} ms, at worst {max(took, default=0.0):.1f}",
    ]
    lines += [f"  failed, {number}: {reason}" for reason, number in visits.failed.most_common()]
    if not has_enough(spans, per_minute):
        lines.append("TOO FEW HANDSHAKES: the loss is not that of the rate asked for")
    return "\n".join(lines) + "\n"


def has_enough(spans: Sequence[Span], per_minute: float) -> bool:
    """As many handshakes as were asked for were done."""
    return done_per_minute(spans) >= ENOUGH * per_minute


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.bench.handshakes", description=__doc__)
    add = made.add_argument
    add("--pairs", type=int, default=20, help="spans of each kind (default %(default)s)")
    add("--seconds", type=float, default=1.0, help="measured time of a span (default %(default)s)")
    add("--warm-up", type=float, default=0.3, help="seconds of load before it (default %(default)s)")
    add("--per-minute", type=float, default=1000.0, help="handshakes (default %(default)s)")
    add("--rsa", action="store_true", help="a key of RSA, whose signatures cost more than those of a curve")
    add("--command", default="", help="the daemon's program (default: this Python's -m msilod)")
    add("--directory", type=Path, default=Path("/var/tmp"), help="on a real disk (default %(default)s)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done; 1 the server or a worker failed, a message was lost, or the handshakes were too few; 2 usage."""
    made = parser()
    options = made.parse_args(arguments)
    if not 1 <= options.pairs <= MOST_PAIRS or options.per_minute <= 0:
        made.error(f"--pairs is from 1 to {MOST_PAIRS}, and --per-minute more than 0")
    sys.stderr.write(headline(this_machine(options.directory)) + "\n")
    with tempfile.TemporaryDirectory(prefix="handshakes-", dir=options.directory) as directory:
        authority = Authority(Path(directory))
        server = Msilod(options.command, authority.issue("127.0.0.1", is_rsa=options.rsa))
        try:
            server.start(Path(directory))
            clients = TlsClients(server.tls_address, authority.client(), DOMAIN.encode())
            spans = measure_all(server, clients, options)
        except (ServerFailed, LoadFailed) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            server.stop()
    sys.stdout.write(report(spans, options.per_minute))
    return 0 if has_enough(spans, options.per_minute) and not any(span.run.faults for span in spans) else 1


if __name__ == "__main__":
    sys.exit(main())
