"""The benchmark of a whole daemon: `python -m tests.bench`, from the root of the source tree.

It starts the daemon as a real process with an empty SQLite silo (WAL, synchronous=FULL) on a free
loopback port, loads it over UDP (store-tcp and relay-tcp: over TCP) from processes of its own, and reports
rates, latencies, memory and every message that was lost, doubled, out of order or damaged. With
`--beside kamailio` Kamailio runs the same scenarios but those and the ones of users, turn and turn about. Each
run has a fresh silo and a fresh process. In store-32-users and store-256-users the recipients are users, so that
msilod limits senders ([silo] max_per_hour and sender_share): compare them with store-32 and store-256. With
`--before PROGRAM` the msilod of another source tree takes turns with this one: what a change has cost. Beside it
are `tests.bench.scale`, a silo of ten million rows, `tests.bench.idle` and `tests.bench.handshakes`.
`python -m tests.bench walks` measures the hot path alone and fails where the path has become longer.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import bytecodes
from tests.bench.load.crew import LoadFailed, run_crew, usual_workers
from tests.bench.load.job import DIGEST, SCENARIOS, Job, Scenario, select
from tests.bench.load.report import as_json, headline, run_line, text, this_machine
from tests.bench.load.result import Run, summarize
from tests.bench.load.servers import DOMAIN, Kamailio, Msilod, Server, ServerFailed, has_kamailio
from tests.bench.load.wire import LEAST_BODY


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    made.add_argument(
        "scenario",
        nargs="*",
        help=f"{names}; a name before the dash takes all of its kind; "
        "all takes steady too (default: all but steady)",
    )
    add = made.add_argument
    add("--runs", type=int, default=3, help="runs of each, the median counts (default %(default)s)")
    add("--seconds", type=float, default=5.0, help="measured time of a run (default %(default)s)")
    add("--warm-up", type=float, default=1.0, help="seconds of load before it (default %(default)s)")
    add("--steady-seconds", type=float, default=60.0, help="measured time of steady (default %(default)s)")
    add("--body", type=int, default=200, help="bytes of a message's body (default %(default)s)")
    add(
        "--workers",
        type=int,
        default=0,
        help="processes that make the load (default: processors less one, at most 4)",
    )
    add("--command", default="", help="the daemon's program (default: this Python's -m msilod)")
    add("--before", metavar="PROGRAM", default="", help="another msilod, such as ../before/.venv/bin/msilod")
    add("--beside", choices=["kamailio"], help="the same against Kamailio, in the same run")
    add("--children", default="1,4", help="Kamailio's children, one server each (default %(default)s)")
    add("--without", action="store_true", help="leave msilod out, only the peer")
    add(
        "--directory",
        type=Path,
        default=Path("/var/tmp"),
        help="for the silos, on a real disk (default %(default)s)",
    )
    add("--json", metavar="FILE", help="write everything as JSON too; - for standard output instead of text")
    return made


def servers(options: argparse.Namespace) -> list[Server]:
    """The servers in the order they take turns."""
    chosen: list[Server] = [] if options.without else [Msilod(options.command)]
    if options.before:
        chosen.append(Msilod(options.before, name="before"))
    if options.beside:
        if not has_kamailio():
            raise ValueError(
                "kamailio with its msilo and db_sqlite modules and their tables is not installed"
            )
        chosen += [Kamailio(int(children)) for children in options.children.split(",")]
    if not chosen:
        raise ValueError("--without leaves nothing to measure; add --beside")
    return chosen


def job_for(scenario: Scenario, server: Server, options: argparse.Namespace, number: int) -> Job:
    """The whole job, before it is split among the workers."""
    return Job(
        scenario=scenario,
        server=server.tcp_address if scenario.is_tcp else server.address,
        domain=DOMAIN.encode(),
        run=b"%02d" % (number % 100),
        users=range(scenario.users),
        outstanding=scenario.outstanding,
        seconds=options.steady_seconds if scenario.is_long else options.seconds,
        warm_up=options.warm_up,
        body=options.body,
        fillers=server.fillers,
    )


def measure(scenario: Scenario, server: Server, options: argparse.Namespace, number: int) -> Run:
    """One run with a server of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
        try:
            server.users = scenario.users if scenario.has_users else 0
            server.trusts = scenario.kind != DIGEST
            server.start(Path(directory))
            job = job_for(scenario, server, options, number)
            return summarize(job, server.name, run_crew(job, options.workers, server.sample))
        finally:
            server.stop()


def measure_all(scenarios: Sequence[Scenario], options: argparse.Namespace) -> list[Run]:
    """All runs; each round goes through the servers, every second one backwards."""
    taking_turns = servers(options)
    runs = []
    for scenario in scenarios:
        for number in range(1 if scenario.is_long else options.runs):
            for server in taking_turns[:: -1 if number % 2 else 1]:
                if scenario.is_tcp > server.has_tcp or scenario.has_users > server.can_have_users:
                    continue
                run = measure(scenario, server, options, number)
                sys.stderr.write(run_line(run) + "\n")
                runs.append(run)
    return runs


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done; 1 a server or a worker failed, or msilod lost, doubled, damaged or misordered; 2 usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["walks"]:
        return bytecodes.main(words[1:])
    made = parser()
    options = made.parse_args(words)
    options.workers = options.workers or usual_workers()
    try:
        scenarios = select(options.scenario)
        if options.body < LEAST_BODY or options.runs < 1:
            raise ValueError(f"--body is at least {LEAST_BODY} and --runs at least 1")
        servers(options)
    except ValueError as error:
        made.error(str(error))
    machine = this_machine(options.directory)
    sys.stderr.write(f"{Msilod(options.command).version()}; {headline(machine)}\n")
    try:
        runs = measure_all(scenarios, options)
    except (ServerFailed, LoadFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report = as_json(machine, runs, Msilod.name)
    if options.json == "-":
        sys.stdout.write(report)
    else:
        sys.stdout.write(text(runs, Msilod.name))
        if options.json:
            Path(options.json).write_text(report)
    return 1 if any(run.faults for run in runs if run.server == Msilod.name) else 0


if __name__ == "__main__":
    sys.exit(main())
