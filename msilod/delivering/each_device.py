"""EachDevice: other jobs of the writer when every device gets every message ([silo] devices = "each")."""

from collections.abc import Collection, Mapping

from msilod.clock import Clock
from msilod.silo.runs.device_runs import parts
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.runs.steps import Claim
from msilod.store.jobs import Done
from msilod.store.writer.contract import StoreWriter


class EachDevice:
    """Chooses the job by the name of a run: the run of one device, or of a recipient with one run for all devices."""

    def __init__(self, writer: StoreWriter, clock: Clock) -> None:
        self.writer = writer
        self.clock = clock

    def claim(self, run: str, step: Claim, ids: Collection[int], done: Done) -> None:
        """Claim rows of the recipient. For the run of one device: only rows without a final answer of this device."""
        aor, device = parts(run)
        wall = self.clock.wall()
        if device:
            self.writer.claim_for(device, aor, step.limit, step.after, ids, wall, done, step.with_sips)
        else:
            self.writer.claim(aor, step.limit, step.after, ids, wall, done, step.with_sips)

    def serve(self, run: str, id: int, attempts: int, status: int, contact: str, done: Done | None) -> None:
        """Record the final answer of one device. The row ends when all devices have answered."""
        wall = self.clock.wall()
        self.writer.serve(id, attempts, parts(run)[1], status, phrase(status), contact, wall, done)

    @staticmethod
    def is_last(run: str, runs: Mapping[str, object]) -> bool:
        """True if no other device of the recipient has a run in progress."""
        aor = parts(run)[0]
        return not any(parts(name)[0] == aor for name in runs)
