"""The tables as Peewee models: columns only. schema/ is the truth, tests/store/test_models.py compares.

Rule: `bind(database, table)` gives models of its own to each database, because db_table is the operator's.
"""

import json
from types import SimpleNamespace
from typing import Any, Final

import peewee

from msilod.silo.stored_message import StoredMessage

# The columns of a row in the order in which the writer inserts them; `id`, `owner` and `lease_until` have
# defaults then.
STORED: Final = (
    "aor", "sender", "state", "received_at", "due_at", "expires_at", "attempts", "next_attempt_at", "last_status",
    "last_reason", "next_hop", "request_uri", "from_header", "to_header", "call_id", "delivery_call_id", "cseq",
    "content_type", "headers", "size", "hash", "body",
)  # fmt: skip
LOADED: Final = ("id", *STORED)


def bind(database: peewee.Database, table: str = "silo") -> SimpleNamespace:
    """Models `row`, `ended`, `location`, `version` on `database`, the tables named after `table`."""

    class Row(peewee.Model):
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

        class Meta:
            table_name = table

    class Ended(peewee.Model):
        hash = peewee.BlobField(primary_key=True)
        id = peewee.IntegerField()
        aor = peewee.TextField()
        how = peewee.TextField()
        status = peewee.IntegerField(null=True)
        ended_at = peewee.DoubleField()

        class Meta:
            table_name = f"{table}_ended"

    class Location(peewee.Model):
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
            table_name = f"{table}_location"
            primary_key = peewee.CompositeKey("aor", "contact")

    models = (Row, Ended, Location)
    database.bind(models)
    return SimpleNamespace(row=Row, ended=Ended, location=Location)


def values_of(message: StoredMessage) -> list[Any]:
    """The row's values in the order of STORED."""
    m = message
    return [
        m.aor, m.sender, m.state, m.received_at, m.due_at, m.expires_at, m.attempts, m.next_attempt_at, m.last_status,
        m.last_reason, m.next_hop, m.request_uri, m.from_header, m.to_header, m.call_id, m.delivery_call_id, m.cseq,
        m.content_type, m.headers, m.size, m.hash, m.body,
    ]  # fmt: skip


def message_of(values: Any) -> StoredMessage:
    """A row, in the order of LOADED, as it travels."""
    return StoredMessage(**dict(zip(LOADED, values, strict=True)))


def text_list(values: Any) -> str:
    """A list of strings in one column."""
    return json.dumps(list(values))
