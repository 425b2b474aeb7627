"""`msilo show`: messages, whole."""

from typing import Annotated, Any

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import amount, chosen_format, show, span
from msilo_cli.session import Session, UsageError
from msilod.printable import printable
from msilod.silo.stored_message import StoredMessage


def show_messages(
    context: typer.Context,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Message ids; - reads them from standard input.")
    ],
    format: filters.Format = "",
    json: filters.Json = False,
) -> None:
    """Show messages, whole.

    msilo show 7
    """
    session: Session = context.obj
    for word in ids:
        if word != "-":
            filters.message_id(word)
    run(session, filters.select(session, ids).ids, format, json)


def run(session: Session, ids: tuple[int, ...], format: str, json: bool) -> None:
    """Print each; an unknown id ends with 66."""
    if not ids:
        raise UsageError("show needs an id (see msilo list)")
    now = session.now()
    messages = [session.queue.message(id, now) for id in ids]
    chosen = chosen_format(session, format, json, False)
    if chosen == "table" or (chosen == "tsv" and not format and "MSILO_FORMAT" not in session.environment):
        for message in messages:
            session.out.write(_text(message, now))
    else:
        show(session, (record(message) for message in messages), columns(now), chosen)


def _text(message: StoredMessage, now: float) -> str:
    """For a person: the head, the header fields, the body; all of it made safe."""
    shown = record(message)
    left = message.expires_at - now
    life = f"expires in {span(left)}" if left > 0 else "expired"
    lines = [f"Message {message.id} · {message.state} · {message.attempts} tries · {life}"]
    lines += [f"{title:<13}{printable(str(value))}" for title, value in _fields(shown, message) if value]
    lines += [printable(line) for line in shown["headers"]]
    return "\n".join(lines) + "\n\n" + _body(shown) + "\n\n"


def _fields(shown: dict[str, Any], message: StoredMessage) -> list[tuple[str, Any]]:
    last = f"{message.last_status} {message.last_reason}".strip() if message.last_status else None
    return [
        ("To", shown["aor"]),
        ("From", shown["from"]),
        ("Request-URI", shown["request_uri"]),
        ("Call-ID", shown["call_id"]),
        ("Received", shown["received_at"]),
        ("Expires", shown["expires_at"]),
        ("Last answer", last),
        ("Next try", shown["next_attempt_at"]),
        ("Type", shown["content_type"]),
        ("Size", amount(message.size)),
    ]


def _body(shown: dict[str, Any]) -> str:
    if "body" in shown:
        return printable(shown["body"], keep_lines=True)
    return f"<{shown['size']} bytes that are no text; --json has them as body_b64>"
