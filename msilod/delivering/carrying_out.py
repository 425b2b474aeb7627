"""CarryingOut: the steps that runs say, for objects below the deliverer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msilod.silo.runs.delivery_run import DeliveryRun, Step


class CarryingOut(ABC):
    """The deliverer."""

    @abstractmethod
    def carry_out(self, run: DeliveryRun, steps: Sequence[Step], now: float) -> None:
        """What a run says, in its order; `now`: monotonic seconds."""
