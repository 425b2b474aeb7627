"""Columns: the columns of all tables as Peewee models, tables for the query builder, and rows as messages.

The SQL files of schema/ create the tables; tests/store/test_schema.py compares both. Models have no table names: the
operator chooses the beginning of each name (db_table), and TABLES has the endings.
"""

import json
from itertools import product
from operator import attrgetter
from typing import Any, Final, get_args

import peewee

from msilod.registrar.binding import Binding
from msilod.silo.stored_message import LATEST, StoredMessage


class RowColumns(peewee.Model):
    """A message (silo)."""

    id = peewee.AutoField()
    aor = peewee.TextField()
    sender = peewee.TextField()
    state = peewee.TextField(default="waiting")
    received_at = peewee.DoubleField()
    due_at = peewee.DoubleField(null=True)
    expires_at = peewee.DoubleField()
    attempts = peewee.IntegerField(default=0)
    next_attempt_at = peewee.DoubleField(null=True)
    last_status = peewee.IntegerField(null=True)
    last_reason = peewee.TextField(default="")
    next_hop = peewee.TextField(default="")
    request_uri = peewee.BlobField()
    from_header = peewee.BlobField()
    to_header = peewee.BlobField()
    call_id = peewee.BlobField()
    delivery_call_id = peewee.BlobField(default=b"")
    cseq = peewee.IntegerField()
    content_type = peewee.BlobField()
    headers = peewee.BlobField()
    size = peewee.IntegerField()
    owner = peewee.TextField(default="")
    lease_until = peewee.DoubleField(null=True)
    hash = peewee.BlobField()
    body = peewee.BlobField()
    held_at = peewee.DoubleField(null=True)


class EndedColumns(peewee.Model):
    """The hash and the end of a message that has left the silo (silo_ended)."""

    hash = peewee.BlobField(primary_key=True)
    id = peewee.IntegerField()
    aor = peewee.TextField()
    how = peewee.TextField()
    status = peewee.IntegerField(null=True)
    ended_at = peewee.DoubleField()


class ImportedColumns(peewee.Model):
    """The hash of an imported message (silo_imported)."""

    hash = peewee.BlobField(primary_key=True)
    until = peewee.DoubleField()


class LocationColumns(peewee.Model):
    """A binding (silo_location)."""

    aor = peewee.TextField()
    contact = peewee.TextField()
    params = peewee.TextField(default="")
    call_id = peewee.TextField()
    cseq = peewee.IntegerField()
    q = peewee.DoubleField(default=1.0)
    expires_at = peewee.DoubleField()
    registered_at = peewee.DoubleField()
    path = peewee.TextField(default="[]")
    flow = peewee.TextField(default="")
    instance = peewee.TextField(default="")
    reg_id = peewee.IntegerField(default=0)
    user_agent = peewee.TextField(default="")
    methods = peewee.TextField(null=True)
    node = peewee.TextField(default="")

    class Meta:
        primary_key = peewee.CompositeKey("aor", "contact", "instance", "reg_id")


class SecretColumns(peewee.Model):
    """A value that the daemon keeps under a name, for example a key (silo_secret)."""

    name = peewee.TextField(primary_key=True)
    value = peewee.BlobField()


class HistoryColumns(peewee.Model):
    """An entry of the history of a message (silo_history)."""

    id = peewee.AutoField()
    message = peewee.IntegerField()
    aor = peewee.TextField()
    at = peewee.DoubleField()
    event = peewee.TextField()
    status = peewee.IntegerField(null=True)
    reason = peewee.TextField(default="")
    contact = peewee.TextField(default="")
    actor = peewee.TextField(default="")


class PausedColumns(peewee.Model):
    """A domain whose deliveries are paused (silo_paused)."""

    domain = peewee.TextField(primary_key=True)
    since = peewee.DoubleField()
    actor = peewee.TextField(default="")


class SenderHourColumns(peewee.Model):
    """The number of messages that a sender has stored in an hour (silo_sender_hour)."""

    hour = peewee.IntegerField()
    sender = peewee.TextField()
    messages = peewee.IntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("hour", "sender")


class DeviceColumns(peewee.Model):
    """A registered device (silo_device)."""

    aor = peewee.TextField()
    device = peewee.TextField()
    contact = peewee.TextField()
    seen_at = peewee.DoubleField()

    class Meta:
        primary_key = peewee.CompositeKey("aor", "device")


class ServedColumns(peewee.Model):
    """The final answer of a device to a message (silo_served)."""

    message = peewee.IntegerField()
    device = peewee.TextField()
    status = peewee.IntegerField()
    at = peewee.DoubleField()

    class Meta:
        primary_key = peewee.CompositeKey("message", "device")


class TotalColumns(peewee.Model):
    """The number and bytes of all messages up to the id `counted` (silo_total)."""

    id = peewee.AutoField()
    messages = peewee.IntegerField()
    bytes = peewee.IntegerField()
    counted = peewee.IntegerField(default=0)


class UserColumns(peewee.Model):
    """The HA1 values of a user for one algorithm (silo_user)."""

    aor = peewee.TextField()
    algorithm = peewee.TextField()
    realm = peewee.TextField()
    ha1 = peewee.TextField()
    ha1_at_domain = peewee.TextField(default="")
    ha1_at_realm = peewee.TextField(default="")

    class Meta:
        primary_key = peewee.CompositeKey("aor", "algorithm")


class UserChangeColumns(peewee.Model):
    """The addition, change or removal of a user (silo_user_change)."""

    id = peewee.AutoField()
    aor = peewee.TextField()
    at = peewee.DoubleField()


def columns_of(model: type[peewee.Model]) -> list[str]:
    """The names of a model's columns, in the order of the table."""
    return [field.column_name for field in model._meta.sorted_fields]


# The columns of a StoredMessage, in the order of its fields; and the columns of an insert, without `id`.
LOADED: Final = tuple(name for name in StoredMessage.__struct_fields__ if name != "booked_on")
STORED: Final = tuple(name for name in LOADED if name != "id")
# The columns and defaults of a row without a past: an insert may leave these columns out.
_HAPPENED: Final = {
    "state": "waiting", "due_at": None, "attempts": 0, "next_attempt_at": None, "last_status": None,
    "last_reason": "",
}  # fmt: skip
FRESH: Final = tuple(name for name in STORED if name not in _HAPPENED)
# One call in C for each row. Reading 22 attributes in Python takes three times as long.
_GET: Final = attrgetter(*STORED)
_GET_FRESH: Final = attrgetter(*FRESH)
_GET_HAPPENED: Final = attrgetter(*_HAPPENED)
_NOTHING: Final = tuple(_HAPPENED.values())
# The types of each column, and all right combinations of types in a row.
_COLUMN_TYPES: Final[dict[str, tuple[type, ...]]] = {
    name: get_args(hint := StoredMessage.__annotations__[name]) or (hint,) for name in LOADED
}
_ROW_TYPES: Final = frozenset(product(*_COLUMN_TYPES.values()))
# The values for numbers that are text. A row with text as its end never expires: SQLite sorts text after numbers.
_NO_NUMBER: Final[dict[str, int | float]] = {
    "cseq": 1,
    "attempts": 0,
    "received_at": 0.0,
    "expires_at": LATEST,
}
# The sort key for messages in the order of their ids.
id_of: Final = attrgetter("id")
TABLES: Final = {
    "": RowColumns,
    "_ended": EndedColumns,
    "_imported": ImportedColumns,
    "_location": LocationColumns,
    "_secret": SecretColumns,
    "_history": HistoryColumns,
    "_paused": PausedColumns,
    "_sender_hour": SenderHourColumns,
    "_device": DeviceColumns,
    "_served": ServedColumns,
    "_total": TotalColumns,
    "_user": UserColumns,
    "_user_change": UserChangeColumns,
}


_ENDINGS: Final = {model: ending for ending, model in TABLES.items()}


def table_of(model: type[peewee.Model], name: str, database: peewee.Database | None = None) -> Any:
    """A table of the silo `name` (db_table) for Peewee's query builder.

    Queries are built for `database`; without one with `?` and double quotes, as SQLite reads them.
    """
    table = f"{name}{_ENDINGS[model]}"
    return peewee.Table(table, columns_of(model), alias=table).bind(database)


def built(query: Any) -> tuple[str, tuple[Any, ...]]:
    """The SQL of a query of Peewee's builder, and its values. Building takes about 0.3 ms: not for each message."""
    sql, values = query.sql()
    return sql, tuple(values)


def values_of(message: StoredMessage) -> Any:
    """The values of a message in the order of STORED."""
    return _GET(message)


def is_fresh(message: StoredMessage) -> bool:
    """True for a message without a past: the columns outside FRESH have their defaults."""
    return bool(_GET_HAPPENED(message) == _NOTHING)


def fresh_values(message: StoredMessage) -> Any:
    """The values of a fresh message in the order of FRESH."""
    return _GET_FRESH(message)


def message_of(values: Any) -> StoredMessage:
    """The message of a row in the order of LOADED.

    SQLite keeps values of any type in any column. Wrong types in rows of other programs are converted: such a row must
    not end the daemon or stop deliveries.
    """
    if tuple(map(type, values)) not in _ROW_TYPES:
        values = _in_type(values)
    return StoredMessage(*values)


def _in_type(values: Any) -> list[Any]:
    """The values, each converted to the type of its column; the default of the column for text in a number."""
    row = dict(zip(LOADED, values, strict=True))
    for name, value in row.items():
        kinds = _COLUMN_TYPES[name]
        if type(value) in kinds:
            continue
        if bytes in kinds:
            row[name] = b"" if value is None else str(value).encode("utf-8", "surrogateescape")
        elif str in kinds:
            row[name] = (
                value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value or "")
            )
        elif float in kinds and isinstance(value, int):
            # UPDATE ... RETURNING of SQLite returns whole seconds as an integer.
            row[name] = float(value)
        else:
            row[name] = _NO_NUMBER.get(name)
    if row["size"] is None:
        row["size"] = len(row["body"])
    return list(row.values())


def binding_values(b: Binding) -> list[Any]:
    """The values of a binding in the order of its columns."""
    methods = None if b.methods is None else ",".join(sorted(b.methods))
    flow = "" if b.flow is None else repr(b.flow)
    return [
        b.aor, b.contact, b.params, b.call_id, b.cseq, b.q, b.expires_at, b.registered_at, text_list(b.path), flow,
        b.instance, b.reg_id, b.user_agent, methods, "",
    ]  # fmt: skip


def text_list(values: Any) -> str:
    """A list of strings as JSON, for one column."""
    return json.dumps(list(values))
