"""The figures of the database: found without a walk over all rows, kept for a while, told with their age."""

from msilod.metrics.silo_figures import AGAIN, PAGE, PAGES, Oldest


class Rows:
    """Rows of a silo, each received at its id; ids from 1."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.read = 0

    def page(self, after: int, limit: int) -> list[tuple[int, str, float]]:
        found = [(id, state, float(id)) for id, state in enumerate(self.states, 1) if id > after][:limit]
        self.read += len(found)
        return found


def test_the_oldest_row_that_waits_is_found_behind_others() -> None:
    assert Oldest(Rows().page).look(0.0) is None
    assert Oldest(Rows("rejected", "held", "handed").page).look(0.0) is None
    assert Oldest(Rows("rejected", "scheduled", "sending", "waiting").page).look(0.0) == 3.0


def test_a_look_reads_a_bounded_number_of_rows_and_the_next_goes_on() -> None:
    bound = PAGE * PAGES
    rows = Rows(*["rejected"] * (bound + 10), "waiting", *["waiting"] * PAGE)
    oldest = Oldest(rows.page)
    assert oldest.look(1.0) == bound, "the row that waits is younger"
    assert rows.read == bound
    assert oldest.look(2.0) == bound + 11
    rows.read = 0
    assert oldest.look(3.0) == bound + 11
    assert rows.read <= PAGE


def test_a_row_that_waits_again_is_found_after_a_while() -> None:
    rows = Rows("rejected", "rejected", "waiting")
    oldest = Oldest(rows.page)
    assert oldest.look(1.0) == 3.0
    rows.states[0] = "waiting"
    assert oldest.look(2.0 + AGAIN) == 1.0
