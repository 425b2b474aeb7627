"""Queue: expressions of the commands' queries that only SQLite understands."""

from typing import Any

from peewee import fn


def as_text(column: Any) -> Any:
    """The text of a column of bytes, ASCII letters in lower case.

    Other databases need an expression of their own: in PostgreSQL this CAST gives hexadecimal digits.
    """
    return fn.LOWER(column.cast("TEXT"))
