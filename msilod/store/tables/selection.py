"""Selection: the rows that a command names, and the conditions of a query for these rows.

Texts from the command line are values, never SQL. Wildcards in texts are escaped. An empty selection selects all rows.
Times are seconds of silo time (times.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from peewee import OP, SQL, Expression, NodeList, Value

from msilod.store.columns import built
from msilod.store.engine.sqlite.queue import as_text

# Written into the SQL and not given as values: a database uses a partial index only for the words of the index.
WAITING: Final = SQL("'waiting'")
SCHEDULED: Final = SQL("'scheduled'")
HELD: Final = SQL("'held'")
REJECTED: Final = SQL("'rejected'")
HANDED: Final = SQL("'handed'")
NOBODY: Final = SQL("''")


@dataclass(frozen=True, slots=True)
class Selection:
    """A row must fulfil all given conditions. `aors` are canonical `user@host`; `*` stands for any text.

    `larger_than`: bytes of the body. `content_type`: the type alone also means the type with any parameters. `limit`:
    at most that many rows, the oldest. `is_all`: the user has named all rows explicitly (`--all`).
    """

    aors: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    sender: str = ""
    domain: str = ""
    state: str = ""
    received_before: float | None = None
    received_after: float | None = None
    larger_than: int | None = None
    content_type: str = ""
    has_error: bool = False
    expired_at: float | None = None
    limit: int | None = None
    is_all: bool = field(default=False, compare=False)

    @property
    def is_empty(self) -> bool:
        """True without any condition (`limit` is none)."""
        return not (
            self.aors or self.ids or self.sender or self.domain or self.state or self.content_type
            or self.has_error or self.received_before is not None or self.received_after is not None
            or self.larger_than is not None or self.expired_at is not None
        )  # fmt: skip

    @property
    def is_narrowed(self) -> bool:
        """False when the selection means all messages of named recipients."""
        has_pattern = any("*" in aor for aor in self.aors)
        return has_pattern or self.limit is not None or not replace(self, aors=()).is_empty

    def conditions(self, row: Any, wall: float) -> list[Any]:
        """The conditions on the table `row`, all of which must hold. `wall`: now, in silo time."""
        found: list[Any] = []
        if self.ids:
            found.append(row.id.in_(self.ids))
        if self.aors:
            found.append(_any_of(row.aor, self.aors))
        return found + self._texts(row) + self._states(row, wall) + self._numbers(row)

    def _texts(self, row: Any) -> list[Any]:
        found: list[Any] = []
        if self.sender:
            found.append(_any_of(row.sender, (self.sender,)))
        if self.domain:
            found.append(_like(row.aor, "%@" + _escaped(self.domain.lower())))
        if self.content_type:
            stored, wanted = as_text(row.content_type), self.content_type.lower()
            found.append((stored == wanted) | _like(stored, _escaped(wanted) + ";%"))
        return found

    def _states(self, row: Any, wall: float) -> list[Any]:
        if self.state == "sending":
            # Rows under lease. The database does not know which of these rows are on the wire.
            return [row.state == WAITING, row.owner != NOBODY, row.lease_until > wall]
        if self.state == "waiting":
            return [row.state == WAITING]
        # With the words of the partial index, which finds a few rows among ten million.
        return [row.state == self.state, row.state != WAITING] if self.state else []

    def _numbers(self, row: Any) -> list[Any]:
        found: list[Any] = []
        if self.received_before is not None:
            found.append(row.received_at < self.received_before)
        if self.received_after is not None:
            found.append(row.received_at > self.received_after)
        if self.larger_than is not None:
            found.append(row.size > self.larger_than)
        if self.has_error:
            found.append(row.last_status.is_null(False))
        if self.expired_at is not None:
            # The life of a scheduled row has not begun, and the life of a held row stands still.
            found += [row.expires_at <= self.expired_at, row.state != HELD, row.state != SCHEDULED]
        return found


class Pages:
    """The rows of `query` with all `conditions`, in pages ordered by `id`. The SQL is built once for all pages."""

    def __init__(self, query: Any, conditions: Sequence[Any], id: Any) -> None:
        self._sql, values = built(query.where(*conditions, id > 0).order_by(id).limit(1))
        # The last two values are the id and the limit.
        self._values = values[:-2]

    def after(self, id: int, count: int) -> tuple[str, tuple[Any, ...]]:
        """SQL and values for at most `count` rows with an id above `id`."""
        return self._sql, (*self._values, id, count)


class ByIds:
    """A query for the rows with given ids in the column `id`. The SQL is built once for each number of ids."""

    def __init__(self, query: Any, id: Any) -> None:
        self._query = query
        self._id = id
        self._built: dict[int, tuple[str, tuple[Any, ...]]] = {}

    def of(self, ids: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
        """SQL and values for the rows with these ids."""
        count = len(ids)
        if count not in self._built:
            sql, values = built(self._query.where(self._id.in_(ids)))
            # The last values are the ids.
            self._built[count] = sql, values[:-count]
        sql, values = self._built[count]
        return sql, (*values, *ids)


def _any_of(column: Any, aors: Sequence[str]) -> Any:
    """The column is one of `aors`, or matches one with a `*`."""
    names = [aor for aor in aors if "*" not in aor]
    found: list[Any] = []
    if names:
        found.append(column == names[0] if len(names) == 1 else column.in_(names))
    found += [_like(column, "%".join(map(_escaped, aor.split("*")))) for aor in aors if "*" in aor]
    return _either(found)


def _either(terms: list[Any]) -> Any:
    """At least one of the terms holds. A tree of terms: SQLite's expressions are at most 1,000 terms deep."""
    half = len(terms) // 2
    return _either(terms[:half]) | _either(terms[half:]) if half else terms[0]


def _like(column: Any, pattern: str) -> Any:
    """The column matches an escaped pattern; the case of ASCII letters does not count."""
    return Expression(column, OP.ILIKE, NodeList((Value(pattern), SQL("ESCAPE '!'"))))


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
