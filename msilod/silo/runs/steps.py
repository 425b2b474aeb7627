"""Steps: the actions requested by a DeliveryRun, in order.

A step is plain data, carried out once. The run gets an answer to Claim (`claimed`), Send (`answered` or `failed`) and
Settle (`settled`), and no answer to Reject, Postpone and Release. Finished is the last step of a run.
"""

from collections.abc import Sequence

from msilod.silo.runs.run_contacts import RunContact
from msilod.silo.stored_message import Ending, StoredMessage


class Claim:
    """Lease up to `limit` rows of the recipient with ids above `after`, oldest first.

    A REGISTER or a dump also claims rows in a back-off; `after` excludes rows given back by this run. If a store
    ignores `after`, `claimed` notices, and the run stops claiming. Rows sent to sips: only if `with_sips`: otherwise a
    page of these rows could hide the rows allowed for the contacts.
    """

    __slots__ = ("after", "limit", "with_sips")

    def __init__(self, limit: int, after: int = 0, with_sips: bool = True) -> None:
        self.limit = limit
        self.after = after
        self.with_sips = with_sips

    def __repr__(self) -> str:
        return f"Claim({self.limit} after {self.after}{'' if self.with_sips else ' without sips'})"


class Send:
    """Send `row` to `contact` in a transaction."""

    __slots__ = ("contact", "row")

    def __init__(self, row: StoredMessage, contact: RunContact) -> None:
        self.row = row
        self.contact = contact

    def __repr__(self) -> str:
        return f"Send({self.row.id} to {self.contact.binding.contact})"


class Settle:
    """Commit the row's end, not before `at` (silo time, 0.0 for now). `status` is the response of `contact`."""

    __slots__ = ("at", "contact", "how", "row", "status")

    def __init__(
        self, row: StoredMessage, how: Ending, status: int | None, at: float = 0.0, contact: str = ""
    ) -> None:
        self.row = row
        self.contact = contact
        self.how = how
        self.status = status
        self.at = at

    def __repr__(self) -> str:
        return f"Settle({self.row.id} {self.how} {self.status} at {self.at})"


class Postpone:
    """Give `rows` back for an attempt after `until` (silo time).

    `row.attempts` is already increased. `status` None: the rows were not tried, and keep the status of the last
    attempt.
    """

    __slots__ = ("reason", "rows", "status", "until")

    def __init__(self, rows: Sequence[StoredMessage], until: float, status: int | None, reason: str) -> None:
        self.rows = rows
        self.until = until
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"Postpone({[row.id for row in self.rows]} until {self.until} {self.status} {self.reason!r})"


class Reject:
    """Mark the row as rejected. The row is not sent again unless requeued."""

    __slots__ = ("reason", "row", "status")

    def __init__(self, row: StoredMessage, status: int, reason: str) -> None:
        self.row = row
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"Reject({self.row.id} {self.status} {self.reason!r})"


class Release:
    """Give `rows` back unchanged, for lack of contacts."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[StoredMessage]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return f"Release({[row.id for row in self.rows]})"


class Finished:
    """End the run. `retry_at`: the time of the next run (silo time), None if no rows are left.

    `keeps_time`: the run was not for all rows, so an earlier back-off goes on.
    """

    __slots__ = ("keeps_time", "retry_at")

    def __init__(self, retry_at: float | None, keeps_time: bool = False) -> None:
        self.retry_at = retry_at
        self.keeps_time = keeps_time

    def __repr__(self) -> str:
        return f"Finished({self.retry_at})"


Step = Claim | Send | Settle | Postpone | Reject | Release | Finished
