"""ClaimCursor: decides the next Claim of a run.

One Claim is open at a time. After an offer during a Claim there may be new rows, whatever the answer to the Claim.
Claims go forward by row id, so rows given back are not claimed again. A store that returns such rows anyway is not
asked again.
"""

from collections.abc import Sequence

from msilod.silo.runs.steps import Claim
from msilod.silo.stored_message import StoredMessage


class ClaimCursor:
    """The position of the claims.

    `asked`: the limit of the open Claim, 0 for none. `lacks_sips`: the last Claim excluded rows for sips:.
    """

    __slots__ = ("_after", "_was_offered", "_with_sips", "asked", "lacks_sips", "may_have_more")

    def __init__(self) -> None:
        self.asked = 0
        self.lacks_sips = False
        self._with_sips = False
        self.may_have_more = True
        self._after = 0
        self._was_offered = False

    def look_again(self) -> None:
        """Note that there may be new rows with any id."""
        self.may_have_more = self._was_offered = True
        self._after = 0

    def ask(self, limit: int, with_sips: bool = True) -> Claim:
        """The next Claim."""
        self.asked = limit
        self._with_sips = with_sips
        self._was_offered = False
        return Claim(limit, self._after, with_sips)

    def answered(self, rows: Sequence[StoredMessage]) -> None:
        """Handle the answer to the Claim. Fewer rows than asked for, or no row beyond the last id: no more rows."""
        last = max([row.id for row in rows], default=0)
        self.may_have_more = self._was_offered or (len(rows) >= self.asked and last > self._after)
        if not self._was_offered:
            self._after = max(last, self._after)
        self.lacks_sips = not self._with_sips
        self.asked = 0
        self._was_offered = False
