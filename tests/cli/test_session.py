"""The two clocks of a command: their distance does not depend on the load of the machine."""

import pytest

from msilo_cli.session import READINGS, Session


class Clocks(Session):
    """Silo time is 100 s behind system time. `waits`: seconds that each reading of silo time takes."""

    def __init__(self, *waits: float) -> None:
        super().__init__()
        self.at = 1_000_000.0
        self.waits = list(waits)

    def system(self) -> float:
        return self.at

    def now(self) -> float:
        read = self.at - 100
        self.at += self.waits.pop(0)
        return read


@pytest.mark.parametrize("waits", [(0.0,), (0.3, 0.0), (0.3, 0.05, 0.00002)])
def test_a_slow_reading_of_the_clocks_is_repeated(waits: tuple[float, ...]) -> None:
    clocks = Clocks(*waits)
    assert clocks.ahead == 100.0
    assert clocks.waits == []


def test_the_clocks_are_read_a_limited_number_of_times() -> None:
    clocks = Clocks(*[0.2] * READINGS)
    assert clocks.ahead == pytest.approx(100.1)
    assert clocks.waits == []
