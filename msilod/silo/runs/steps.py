"""Steps: what a DeliveryRun asks its daemon to do, in order.

Rules: plain data, made and carried out once. After Claim comes `claimed`, after Send `answered` or `failed`,
after Settle `settled`; Reject, Postpone and Release are told once and not answered. Finished is always the
last step of a run.
"""

from collections.abc import Sequence

from msilod.silo.runs.run_contacts import RunContact
from msilod.silo.stored_message import Ending, StoredMessage


class Claim:
    """Lease up to `limit` of the recipient's rows with an id above `after`, oldest first.

    Rows that back off are brought forward by a REGISTER or a dump; `after` keeps those out that this run has
    given back already. A store that does not know it is found out by `claimed`, and asked no more. Rows that were
    sent to sips: only if `with_sips`: a page of them must not stand before what the contacts may have.
    """

    __slots__ = ("after", "limit", "with_sips")

    def __init__(self, limit: int, after: int = 0, with_sips: bool = True) -> None:
        self.limit = limit
        self.after = after
        self.with_sips = with_sips

    def __repr__(self) -> str:
        return f"Claim({self.limit} after {self.after}{'' if self.with_sips else ' without sips'})"


class Send:
    """Send `row` to `contact`, in a transaction of its own."""

    __slots__ = ("contact", "row")

    def __init__(self, row: StoredMessage, contact: RunContact) -> None:
        self.row = row
        self.contact = contact

    def __repr__(self) -> str:
        return f"Send({self.row.id} to {self.contact.binding.contact})"


class Settle:
    """Commit the row's end, not before `at` (wall seconds; 0.0: now). `status` is that of the device at `contact`."""

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
    """Give `rows` back, not to be tried before `until` (wall seconds).

    `row.attempts` is counted up already. `status` is None for rows that were not tried this time: what they
    remember of their last try stays.
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
    """The row stays as `rejected`: never sent again unless requeued."""

    __slots__ = ("reason", "row", "status")

    def __init__(self, row: StoredMessage, status: int, reason: str) -> None:
        self.row = row
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"Reject({self.row.id} {self.status} {self.reason!r})"


class Release:
    """Give `rows` back as they were: nobody is left to send them to."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[StoredMessage]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return f"Release({[row.id for row in self.rows]})"


class Finished:
    """The run is over; rows are left for a next one at `retry_at` (wall seconds), None when none are.

    `keeps_time`: it was not for all rows, so that the time that was set before it still stands.
    """

    __slots__ = ("keeps_time", "retry_at")

    def __init__(self, retry_at: float | None, keeps_time: bool = False) -> None:
        self.retry_at = retry_at
        self.keeps_time = keeps_time

    def __repr__(self) -> str:
        return f"Finished({self.retry_at})"


Step = Claim | Send | Settle | Postpone | Reject | Release | Finished
