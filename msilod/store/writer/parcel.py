"""A parcel: jobs handed over together, with the batch for the engine and the callbacks for the results."""

from collections.abc import Iterable, Sequence

from msilod.errors import StoreError
from msilod.store.jobs import Added, AddJob, Batch, CallJob, EndJob, Job, Outcome, Result


class Parcel:
    """`jobs` by kind: rows, ends, calls."""

    __slots__ = ("adds", "calls", "ends")

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.adds = [job for job in jobs if isinstance(job, AddJob)]
        self.ends: list[EndJob] = []
        self.calls: list[CallJob] = []
        if len(self.adds) < len(jobs):
            self.ends = [job for job in jobs if isinstance(job, EndJob)]
            self.calls = [job for job in jobs if isinstance(job, CallJob)]

    def __len__(self) -> int:
        return len(self.adds) + len(self.ends) + len(self.calls)

    @classmethod
    def of(cls, parcels: Sequence["Parcel"]) -> "Parcel":
        """The parcels of one transaction as one parcel."""
        if len(parcels) == 1:
            return parcels[0]
        return cls([job for parcel in parcels for job in parcel.jobs()])

    def jobs(self) -> list[Job]:
        """All jobs, kind by kind."""
        return [*self.adds, *self.ends, *self.calls]

    def batch(self) -> Batch:
        """The batch to commit."""
        return Batch(
            [job.message for job in self.adds],
            [job.end for job in self.ends],
            [job.call for job in self.calls],
        )

    def results(self, outcome: Outcome) -> list[Result]:
        """The callbacks with their results. New rows get their ids."""
        told = _wanted(self.ends, outcome.ends) if self.ends else []
        for add, result in zip(self.adds, outcome.results(), strict=True):
            if isinstance(result, Added):
                add.message.id = result.id
                if result.call_id:
                    add.message.delivery_call_id = result.call_id
            told.append((add.done, result))
        if self.calls:
            told += _wanted(self.calls, outcome.calls)
        return told


def _wanted(jobs: Sequence[EndJob | CallJob], results: Iterable[object]) -> list[Result]:
    """Results of jobs with a callback. The error of a job without a callback is raised in the loop of the daemon."""
    return [
        (job.done or _raise, result)
        for job, result in zip(jobs, results, strict=True)
        if job.done is not None or isinstance(result, StoreError)
    ]


def _raise(result: StoreError) -> None:
    raise result
