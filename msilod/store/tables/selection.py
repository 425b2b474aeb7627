"""Selection: which rows a command means; and the WHERE it becomes.

Rules: parameters only, LIKE patterns escaped, an empty selection selects everything. Times are seconds of silo
time (times.py). A scheduled row cannot have expired: its life has not begun.
"""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Selection:
    """Everything given must hold. `aors` are canonical `user@host`, `*` in them matches anything."""

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
        """True when nothing narrows it (`limit` does not count)."""
        return not (
            self.aors or self.ids or self.sender or self.domain or self.state or self.content_type
            or self.has_error or self.received_before is not None or self.received_after is not None
            or self.larger_than is not None or self.expired_at is not None
        )  # fmt: skip

    @property
    def is_narrowed(self) -> bool:
        """True when it means anything but all messages of recipients that it names."""
        has_pattern = any("*" in aor for aor in self.aors)
        return has_pattern or self.limit is not None or not replace(self, aors=()).is_empty

    def where(self, wall: float) -> tuple[str, list[Any]]:
        """The condition and its values."""
        terms: list[str] = []
        values: list[Any] = []

        def add(term: str, *its: Any) -> None:
            terms.append(term)
            values.extend(its)

        if self.ids:
            add(f"id IN ({', '.join('?' * len(self.ids))})", *self.ids)
        if self.aors:
            add(f"({' OR '.join(map(_aor_term, self.aors))})", *map(_aor_value, self.aors))
        self._add_text(add)
        self._add_numbers(add, wall)
        return " AND ".join(terms) or "1", values

    def _add_text(self, add: Any) -> None:
        if self.sender:
            add(_aor_term(self.sender).replace("aor", "sender"), _aor_value(self.sender))
        if self.domain:
            add("aor LIKE ? ESCAPE '\\'", "%@" + _escaped(self.domain.lower()))
        if self.content_type:
            # The type alone, or with parameters behind it.
            add(
                "(lower(CAST(content_type AS TEXT)) = ? OR lower(CAST(content_type AS TEXT)) LIKE ? ESCAPE '\\')",
                self.content_type.lower(),
                _escaped(self.content_type.lower()) + ";%",
            )

    def _add_numbers(self, add: Any, wall: float) -> None:
        if self.state == "sending":
            # Those that may be; which of them are is not in the database.
            add("state = 'waiting' AND owner <> '' AND lease_until > ?", wall)
        elif self.state == "waiting":
            add("state = 'waiting'")
        elif self.state:
            # With the words of the partial index: a few of ten million are found at once.
            add("state = ? AND state <> 'waiting'", self.state)
        if self.received_before is not None:
            add("received_at < ?", self.received_before)
        if self.received_after is not None:
            add("received_at > ?", self.received_after)
        if self.larger_than is not None:
            add("size > ?", self.larger_than)
        if self.has_error:
            add("last_status IS NOT NULL")
        if self.expired_at is not None:
            add("expires_at <= ? AND state <> 'held' AND state <> 'scheduled'", self.expired_at)


def _aor_term(aor: str) -> str:
    return "aor LIKE ? ESCAPE '\\'" if "*" in aor else "aor = ?"


def _aor_value(aor: str) -> str:
    return "%".join(map(_escaped, aor.split("*"))) if "*" in aor else aor


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
