"""List command: `msilo list` prints the messages, oldest first."""

from collections.abc import Iterator
from typing import Any

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import amount, chosen_format, show
from msilo_cli.session import Session
from msilod.store.tables.selection import Selection


@filters.selecting(filters.Recipients)
def list_messages(
    context: typer.Context,
    selection: Selection,
    format: filters.Format = "",
    json: filters.Json = False,
    ids: filters.Ids = False,
) -> None:
    """List messages: all, or those of the given recipients.

    msilo list alice@example.test --older-than 1d
    """
    session: Session = context.obj
    run(session, selection, chosen_format(session, format, json, ids))


def run(session: Session, selection: Selection, format: str) -> None:
    """Print the selected messages."""
    now, ahead, total = session.now(), session.ahead, 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal total
        for message in session.queue.messages(selection, now):
            total += message.size
            yield record(message, ahead)

    count = show(session, records(), columns(session.system()), format)
    if format == "table":
        session.say(
            f"{count} message{'' if count == 1 else 's'}, {amount(total)}" if count else "no messages"
        )
