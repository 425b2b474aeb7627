"""Show command: `msilo show` prints whole messages."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from msilo_cli import filters
from msilo_cli.message_view import EMPTY, columns, end_of_life, history_line, history_record, last, record
from msilo_cli.printer import amount, chosen_format, show, span
from msilo_cli.session import Session, tell_unknown
from msilod.errors import NoSuchMessage, UsageError
from msilod.printable import printable
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage


def show_messages(
    context: typer.Context,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Message ids; - reads them from standard input.")
    ],
    format: filters.Format = "",
    json: filters.Json = False,
) -> None:
    """Show whole messages, with their history.

    msilo show 7
    """
    session: Session = context.obj
    for word in ids:
        if word != "-":
            filters.message_id(word)
    run(session, filters.select(session, ids).ids, format, json)


def run(session: Session, ids: tuple[int, ...], format: str, json: bool) -> None:
    """Print each message with the history. Raises NoSuchMessage (exit 66) for an unknown id, UsageError."""
    if not ids:
        raise UsageError("show needs an id (see msilo list)")
    found, unknown = [], []
    for id in ids:
        try:
            found.append(_Found(session, id))
        except NoSuchMessage:
            unknown.append(id)
    chosen = chosen_format(session, format, json, False)
    if chosen == "table" or (chosen == "tsv" and not format and "MSILO_FORMAT" not in session.environment):
        for one in found:
            session.out.write(one.text())
    else:
        show(session, (one.record() for one in found), columns(session.system()), chosen)
    tell_unknown(unknown, ids)


class _Found:
    """The message, devices and history of an id. Raises NoSuchMessage when the silo has none of these."""

    def __init__(self, session: Session, id: int) -> None:
        now = session.now()
        self.id = id
        self.now, self.ahead = session.system(), session.ahead
        self.message = _message(session, id, now)
        self.history = session.queue.history(id, is_gone=self.message is None)
        self.devices = session.queue.devices(self.message, now) if self.message is not None else {}
        if self.message is None and not self.history:
            raise NoSuchMessage(f"there is no message {id} (see msilo list)")

    def text(self) -> str:
        """The text for a terminal."""
        head = (
            _text(self.message, self.ahead, self.now)
            if self.message is not None
            else _ended(self.id, self.history)
        )
        lines = [f"{answer or 'waiting':<9}  {device}" for device, answer in self.devices.items()]
        parts = (lines, [history_line(entry, self.ahead) for entry in self.history])
        return head + "".join("\n".join(map(printable, part)) + "\n\n" for part in parts if part)

    def record(self) -> dict[str, Any]:
        """The JSON object."""
        shown = (
            record(self.message, self.ahead)
            if self.message is not None
            else _ended_record(self.id, self.history)
        )
        if self.devices:
            shown["devices"] = [{"device": device, "status": its} for device, its in self.devices.items()]
        return shown | {"history": [history_record(entry, self.ahead) for entry in self.history]}


def _message(session: Session, id: int, now: float) -> StoredMessage | None:
    try:
        return session.queue.message(id, now)
    except NoSuchMessage:
        return None


def _ended(id: int, history: Sequence[HistoryEntry]) -> str:
    """The heading of a message that has ended, for a terminal."""
    return f"Message {id} · {printable(history[-1].event)} · To {printable(history[-1].aor)}\n\n"


def _ended_record(id: int, history: Sequence[HistoryEntry]) -> dict[str, Any]:
    """The JSON object of a message that has ended: only the members in the history have values."""
    end = history[-1]
    shown: dict[str, Any] = dict.fromkeys(EMPTY, None)
    return shown | {"id": id, "aor": f"sip:{end.aor}", "state": end.event, "last_status": end.status}


def _text(message: StoredMessage, ahead: float, now: float) -> str:
    """The text of a message for a terminal, through `printable`. `now`: system time."""
    shown = record(message, ahead)
    left = end_of_life(message, ahead) - now
    life = f"expires in {span(left)}" if left > 0 else "expired"
    lines = [f"Message {message.id} · {message.state} · {message.attempts} tries · {life}"]
    lines += [f"{title:<13}{printable(str(value))}" for title, value in _fields(shown, message) if value]
    lines += [printable(line) for line in shown["headers"]]
    return "\n".join(lines) + "\n\n" + _body(shown) + "\n\n"


def _fields(shown: dict[str, Any], message: StoredMessage) -> list[tuple[str, Any]]:
    return [
        ("To", shown["aor"]),
        ("From", shown["from"]),
        ("Request-URI", shown["request_uri"]),
        ("Call-ID", shown["call_id"]),
        ("Received", shown["received_at"]),
        ("Expires", shown["expires_at"]),
        ("Last answer", last(shown)),
        ("Due", shown["due_at"]),
        ("Next try", shown["next_attempt_at"]),
        ("Type", shown["content_type"]),
        ("Size", amount(message.size)),
    ]


def _body(shown: dict[str, Any]) -> str:
    if "body" in shown:
        return printable(shown["body"], keep_lines=True)
    return f"<{shown['size']} bytes that are no text; --json has them as body_b64>"
