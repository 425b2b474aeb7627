"""Printer: prints records as a table, TSV, JSON, JSON Lines or ids.

A table is for a terminal, and long cells may be cut. The other formats are for programs and are never cut. TSV has no
header line, escapes tab, newline and backslash, and has times in RFC 3339 and UTC.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from msilo_cli.session import Session, UsageError
from msilod.printable import printable
from msilod.silo.stored_message import LATEST

FORMATS: Final = ("auto", "table", "tsv", "json", "jsonl", "ids")
Record = dict[str, Any]
# Characters between two columns of a table.
SEPARATOR: Final = 3
# The first second of the year 1000: strftime(3) writes earlier years with fewer digits.
EARLIEST: Final = -30_610_224_000.0
# Seconds. System time is silo time plus the difference of two clocks. Each command measures that anew, microseconds
# apart. A whole second that was imported must not be shown as the second before.
MEASURED: Final = 0.01
# The least width of a cut column.
NARROWEST: Final = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `value` is the cell for programs; `text` is the cell of a table, by default the value.

    `shrinks`: in a table wider than the terminal this column is cut.
    """

    title: str
    value: Callable[[Record], Any]
    text: Callable[[Record], str] | None = None
    is_right: bool = False
    in_tsv: bool = True
    in_table: bool = True
    shrinks: bool = False


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
    """Print the records. Returns the number of records."""
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
        return str(record["id"])
    return "\t".join(_cell(column.value(record)) for column in columns if column.in_tsv)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return printable(text)


def _table(session: Session, records: Iterable[Record], columns: Sequence[Column]) -> int:
    from rich import box
    from rich.table import Table

    from msilo_cli.terminal import console

    shown = [column for column in columns if column.in_table]
    rows = [[printable(_text(column, record)) for column in shown] for record in records]
    if not rows:
        return 0
    screen = console(session.out, session.color)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    widths = _widths(shown, rows, screen.width)
    for column, width in zip(shown, widths, strict=True):
        table.add_column(
            column.title, justify="right" if column.is_right else "left", overflow="ellipsis", no_wrap=True,
            max_width=width,
        )  # fmt: skip
    for row in rows:
        table.add_row(*row)
    screen.print(table)
    return len(rows)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int) -> list[int]:
    """The widths of the columns, in characters. Shrinking columns are cut, the widest first, until the table fits."""
    widths = [
        max(len(text) for text in texts) for texts in zip([c.title for c in columns], *rows, strict=True)
    ]
    excess = sum(widths) + SEPARATOR * (len(widths) - 1) - available
    shrinking = [place for place, column in enumerate(columns) if column.shrinks]
    while excess > 0 and shrinking:
        widest = max(shrinking, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


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
