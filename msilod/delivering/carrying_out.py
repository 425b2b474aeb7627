"""CarryingOut: the interface to the deliverer for classes below the deliverer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msilod.silo.runs.delivery_run import DeliveryRun, Step


class CarryingOut(ABC):
    """Implemented by Deliverer (deliverer.py)."""

    @abstractmethod
    def carry_out(self, run: DeliveryRun, steps: Sequence[Step], now: float) -> None:
        """Carry out the steps of a run, in order. `now`: monotonic seconds."""
