"""Message view: a message as a JSON object (members and order as in msilo(1)) and as columns."""

import base64
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from msilo_cli.fitting import Fit
from msilo_cli.printer import ADDRESS, Column, amount, rfc3339, span
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage

PREVIEW: Final = 60
# The members used by `columns`.
EMPTY: Final = (
    "id", "aor", "from", "received_at", "due_at", "attempts", "state", "next_attempt_at", "last_status",
    "last_reason", "size", "content_type",
)  # fmt: skip


def record(message: StoredMessage, ahead: float = 0.0) -> dict[str, Any]:
    """The JSON object of a message, with `body_b64` instead of `body` for a body that is not UTF-8.

    Times in the object are system time. `ahead`: seconds from silo time to system time.
    """
    next_at = message.next_attempt_at
    shown: dict[str, Any] = {
        "id": message.id,
        "aor": f"sip:{message.aor}",
        "request_uri": _text(message.request_uri),
        "from": _text(message.from_header),
        "to": _text(message.to_header),
        "call_id": _text(message.call_id),
        "state": str(message.state),
        "received_at": rfc3339(message.received_at + ahead),
        "due_at": rfc3339(message.due_at),
        "expires_at": rfc3339(end_of_life(message, ahead)),
        "attempts": message.attempts,
        "next_attempt_at": rfc3339(None if next_at is None else next_at + ahead),
        "last_status": message.last_status,
        "last_reason": message.last_reason,
        "content_type": _text(message.content_type),
        "size": message.size,
        "headers": [_text(line) for line in message.headers.split(b"\r\n") if line],
    }
    try:
        shown["body"] = message.body.decode("utf-8")
    except UnicodeDecodeError:
        shown["body_b64"] = base64.b64encode(message.body).decode("ascii")
    return shown


def end_of_life(message: StoredMessage, ahead: float) -> float:
    """The time of expiry, as system time. Before `due_at`, `expires_at` is system time already (Sweep.due)."""
    return message.expires_at + (ahead if message.due_at is None else 0.0)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def sender_uri(header: str) -> str:
    """The URI of a From value, without display name and parameters, for tables and TSV."""
    start, end = header.rfind("<"), header.rfind(">")
    return header[start + 1 : end] if 0 <= start < end else header.partition(";")[0].strip()


def columns(now: float) -> list[Column]:
    """The columns of `list`. `now`: system time.

    TSV has id, aor, from, received_at, attempts, state, size, content_type, next_attempt_at or due_at, last_status,
    last_reason.
    """
    return [
        Column("ID", lambda r: r["id"], is_right=True),
        Column("STATE", lambda r: r["state"], in_tsv=False),
        Column("TO", lambda r: r["aor"], lambda r: r["aor"].removeprefix("sip:"), fit=ADDRESS),
        Column(
            "FROM",
            lambda r: sender_uri(r["from"] or ""),
            lambda r: sender_uri(r["from"] or "").removeprefix("sip:"),
            fit=ADDRESS,
        ),
        Column("AGE", lambda r: r["received_at"], lambda r: _age(r, now), is_right=True, fit=Fit(rank=3)),
        Column("TRIES", lambda r: r["attempts"], is_right=True, fit=Fit(rank=5)),
        Column("STATE", lambda r: r["state"], in_table=False),
        Column("NEXT", _next, lambda r: _in(_next(r), now), in_tsv=False, is_right=True, fit=Fit(rank=4)),
        Column("LAST", lambda r: r["last_status"], last, in_tsv=False, fit=Fit(least=4, rank=1)),
        Column("SIZE", lambda r: r["size"], in_table=False),
        Column("TYPE", lambda r: r["content_type"], in_table=False),
        Column("NEXT", _next, in_table=False),
        Column("LAST", lambda r: r["last_status"], in_table=False),
        Column("REASON", lambda r: r["last_reason"], in_table=False),
        Column("BODY", preview, preview, in_tsv=False, fit=Fit(least=8, rank=2)),
    ]


def history_record(entry: HistoryEntry, ahead: float) -> dict[str, Any]:
    """An entry of the history as a JSON object without empty members. `at` is system time."""
    shown = asdict(entry) | {"at": rfc3339(entry.at + ahead)}
    del shown["message"], shown["aor"]
    return {name: value for name, value in shown.items() if value not in ("", None)}


def history_line(entry: HistoryEntry, ahead: float) -> str:
    """An entry of the history as a line of text, with system time."""
    said = f"{entry.status or ''} {entry.reason}".strip()
    parts = [
        rfc3339(entry.at + ahead) or "",
        f"{entry.event:<9}",
        said,
        entry.contact,
        entry.actor and f"by {entry.actor}",
    ]
    return "  ".join(part for part in parts if part).rstrip()


def last(shown: dict[str, Any]) -> str:
    """The last answer, as `486 Busy Here`; "" before the first answer."""
    return f"{shown['last_status'] or ''} {shown['last_reason']}".strip()


def _next(shown: dict[str, Any]) -> str | None:
    """The time of the next attempt (RFC 3339), None when unknown."""
    at: str | None = shown["due_at"] if shown["state"] == "scheduled" else shown["next_attempt_at"]
    return at


def _in(at: str | None, now: float) -> str:
    left = datetime.fromisoformat(at).timestamp() - now if at else 0.0
    return f"in {span(left)}" if left > 0 else ""


def _age(shown: dict[str, Any], now: float) -> str:
    return span(now - datetime.fromisoformat(shown["received_at"]).timestamp())


def preview(shown: dict[str, Any]) -> str:
    """The first PREVIEW characters of a text; content type and size of another body."""
    body: str | None = shown.get("body")
    if body is None or not shown["content_type"].lower().startswith("text/"):
        return f"<{shown['content_type'] or 'no type'} {amount(shown['size'])}>"
    return body if len(body) <= PREVIEW else body[:PREVIEW] + "…"
