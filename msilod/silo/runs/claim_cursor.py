"""Claims: what a delivery run knows of the rows that it has not yet in hand.

Rules: one Claim at a time; an offer in between means that there may be new rows, whatever the answer to it
says. Claims go forward by id, so that what was given back is not taken again; a store that hands it out all
the same is asked no more.
"""

from collections.abc import Sequence

from msilod.silo.runs.steps import Claim
from msilod.silo.stored_message import StoredMessage


class ClaimCursor:
    """`asked` is the limit of the Claim under way, 0 for none; `lacks_sips`: the last one left out rows for sips:."""

    __slots__ = ("_after", "_was_offered", "_with_sips", "asked", "lacks_sips", "may_have_more")

    def __init__(self) -> None:
        self.asked = 0
        self.lacks_sips = False
        self._with_sips = False
        self.may_have_more = True
        self._after = 0
        self._was_offered = False

    def look_again(self) -> None:
        """There may be new rows, of any id."""
        self.may_have_more = self._was_offered = True
        self._after = 0

    def ask(self, limit: int, with_sips: bool = True) -> Claim:
        """The next Claim."""
        self.asked = limit
        self._with_sips = with_sips
        self._was_offered = False
        return Claim(limit, self._after, with_sips)

    def answered(self, rows: Sequence[StoredMessage]) -> None:
        """Fewer than asked for, or none that goes forward: there are no more."""
        last = max([row.id for row in rows], default=0)
        self.may_have_more = self._was_offered or (len(rows) >= self.asked and last > self._after)
        if not self._was_offered:
            self._after = max(last, self._after)
        self.lacks_sips = not self._with_sips
        self.asked = 0
        self._was_offered = False
