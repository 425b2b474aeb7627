"""Printer: prints records as a table, TSV, JSON, JSON Lines or ids.

A table is for a terminal, and long cells may be cut. The other formats are for programs and are never cut. TSV has no
header line, escapes tab, newline and backslash, and has times in RFC 3339 and UTC.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from msilo_cli.fitting import SEPARATOR, WHOLE, Fit, fit
from msilo_cli.session import Session
from msilod.errors import UsageError
from msilod.printable import printable
from msilod.silo.stored_message import LATEST

FORMATS: Final = ("auto", "table", "tsv", "json", "jsonl", "ids")
Record = dict[str, Any]
# The beginning of an address tells the user.
ADDRESS: Final = Fit(least=12)
# The first second of the year 1000: strftime(3) writes earlier years with fewer digits.
EARLIEST: Final = -30_610_224_000.0
# Seconds. System time is silo time plus the difference of two clocks. Each command measures that anew, microseconds
# apart. A whole second that was imported must not be shown as the second before.
MEASURED: Final = 0.01


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `value` is the cell for programs; `text` is the cell of a table, by default the value.

    `fit`: how the column of a table gives way on a narrow terminal.
    """

    title: str
    value: Callable[[Record], Any]
    text: Callable[[Record], str] | None = None
    is_right: bool = False
    in_tsv: bool = True
    in_table: bool = True
    fit: Fit = WHOLE


def chosen_format(session: Session, wanted: str, json_lines: bool, ids: bool) -> str:
    """The format by --json, --ids, --format and MSILO_FORMAT, never `auto`. Raises UsageError."""
    name = (
        "jsonl"
        if json_lines
        else "ids"
        if ids
        else wanted or session.environment.get("MSILO_FORMAT") or "auto"
    )
    if name not in FORMATS:
        raise UsageError(f"{name!r} is no format; choose one of {', '.join(FORMATS)}")
    if name == "auto":
        return "table" if session.out.isatty() else "tsv"
    return name


def show(session: Session, records: Iterable[Record], columns: Sequence[Column], format: str) -> int:
    """Print the records. Returns the number of records. Raises UsageError for `ids` of records without ids."""
    if format == "table":
        return _table(session, records, columns)
    count = 0
    if format == "json":
        listed = list(records)
        session.out.write(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
        return len(listed)
    for record in records:
        session.out.write(_line(record, columns, format) + "\n")
        count += 1
    return count


def _line(record: Record, columns: Sequence[Column], format: str) -> str:
    if format == "jsonl":
        return msgspec.json.encode(record).decode()
    if format == "ids":
        if "id" not in record:
            raise UsageError("there are no ids here; choose another --format")
        return str(record["id"])
    return "\t".join(_cell(column.value(record)) for column in columns if column.in_tsv)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return printable(text)


def _table(session: Session, records: Iterable[Record], columns: Sequence[Column]) -> int:
    from rich.cells import cell_len
    from rich.table import Table

    from msilo_cli.terminal import console

    shown = [column for column in columns if column.in_table]
    rows = [[printable(_text(column, record)) for column in shown] for record in records]
    if not rows:
        return 0
    screen = console(session.out, session.color)
    longest = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    widths = [width and max(width, len(column.title)) for width, column in zip(longest, shown, strict=True)]
    fitted = fit([column.fit for column in shown], widths, screen.width)
    table = Table(box=None, pad_edge=False, padding=(0, SEPARATOR, 0, 0))
    for place, width in fitted.items():
        table.add_column(
            shown[place].title, justify="right" if shown[place].is_right else "left", overflow="ellipsis",
            no_wrap=True, width=width or len(shown[place].title),
        )  # fmt: skip
    for row in rows:
        table.add_row(*[row[place] for place in fitted])
    # The terminal continues rows that are too wide on its next line. rich would cut columns further.
    screen.width = max(screen.width, sum(fitted.values()) + SEPARATOR * len(fitted))
    screen.print(table, crop=False)
    return len(rows)


def _text(column: Column, record: Record) -> str:
    if column.text is not None:
        return column.text(record)
    value = column.value(record)
    return "" if value is None else str(value)


def rfc3339(at: float | None) -> str | None:
    """The time as `2026-11-24T11:00:00Z`; None stays None. Times are limited to the years 1000 to 9999."""
    if at is None:
        return None
    return datetime.fromtimestamp(max(EARLIEST, min(at + MEASURED, LATEST)), UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def span(seconds: float) -> str:
    """A duration for a table: `45s`, `12m`, `3h`, `9d`."""
    seconds = min(seconds, LATEST)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def amount(size: float) -> str:
    """A number of bytes for a table: `512 B`, `14.2 kB`."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"


def counted(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
