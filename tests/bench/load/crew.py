"""Workers as processes: started together, on the clock together, sampled while they run.

Rules: a worker says three things, ready, done and its outcome, and waits for a word after each of the
first two, so that preparation and clean-up of one never fall into the measured time of another.
"""

import gc
import multiprocessing
import os
import resource
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

from tests.bench.load.calls import CallLoad
from tests.bench.load.digest import DigestLoad
from tests.bench.load.job import CALLS, DIGEST, Job, Outcome, split
from tests.bench.load.loads import LOADS, Load
from tests.bench.load.process import Sample

Pipe = Connection
SAMPLE_EVERY = 1.0
_ALL: dict[str, type[Load]] = {**LOADS, CALLS: CallLoad, DIGEST: DigestLoad}


class LoadFailed(Exception):
    """A worker ended with an error; the text is its traceback."""


@dataclass
class Crew:
    """What all workers brought home, and the server's samples from the begin to the end of the clock."""

    outcomes: list[Outcome]
    samples: list[Sample] = field(default_factory=list)


def usual_workers() -> int:
    """Processors less one, which is the server's; at most four."""
    return min(4, max(1, len(os.sched_getaffinity(0)) - 1))


def work(job: Job, pipe: "Pipe[Any, Any]") -> None:
    """A worker's life. Nothing here makes cycles, so the collector would only cost time."""
    gc.disable()
    try:
        load = _ALL[job.scenario.kind](job)
        load.prepare()
        _report(pipe, "ready")
        before = _own_cpu()
        load.measure()
        load.outcome.cpu = _own_cpu() - before
        _report(pipe, "done")
        pipe.send(load.finish())
    except Exception:
        pipe.send(LoadFailed(traceback.format_exc()))


def _report(pipe: "Pipe[Any, Any]", word: str) -> None:
    pipe.send(word)
    pipe.recv()


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_crew(job: Job, workers: int, sample: Callable[[], Sample]) -> Crew:
    """Runs the job in at most `workers` processes. LoadFailed: one of them could not."""
    context = multiprocessing.get_context("fork")
    pipes, processes = [], []
    for part in split(job, workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(part, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        return _conduct(pipes, sample)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _conduct(pipes: list[Any], sample: Callable[[], Sample]) -> Crew:
    _gather(pipes, lambda: None)
    crew = Crew([], [sample()])
    _go_on(pipes)
    _gather(pipes, lambda: crew.samples.append(sample()))
    crew.samples.append(sample())
    _go_on(pipes)
    crew.outcomes = _gather(pipes, lambda: None)
    return crew


def _go_on(pipes: list[Any]) -> None:
    for pipe in pipes:
        pipe.send(None)


def _gather(pipes: list[Any], meanwhile: Callable[[], None]) -> list[Any]:
    """One word of each worker; `meanwhile` is called once a second."""
    words: dict[Any, Any] = {}
    due = monotonic() + SAMPLE_EVERY
    while len(words) < len(pipes):
        for pipe in wait([p for p in pipes if p not in words], max(due - monotonic(), 0.0)):
            words[pipe] = _word(pipe)
        if monotonic() >= due:
            due += SAMPLE_EVERY
            meanwhile()
    return [words[pipe] for pipe in pipes]


def _word(pipe: Any) -> Any:
    try:
        word = pipe.recv()
    except EOFError:
        raise LoadFailed("a worker was gone without a word") from None
    if isinstance(word, LoadFailed):
        raise word
    return word
