"""List command: `msilo list` prints the messages, oldest first."""

from collections.abc import Iterator
from math import inf
from typing import Any

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import amount, chosen_format, counted, show, span
from msilo_cli.session import Session
from msilod.store.tables.selection import Selection


@filters.selecting()
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
    """Print the selected messages, and on a terminal a line of totals."""
    now, ahead, size = session.now(), session.ahead, 0
    recipients: set[str] = set()
    oldest = inf

    def records() -> Iterator[dict[str, Any]]:
        nonlocal size, oldest
        for message in session.queue.messages(selection, now):
            size += message.size
            recipients.add(message.aor)
            oldest = min(oldest, message.received_at)
            yield record(message, ahead)

    count = show(session, records(), columns(session.system()), format)
    if format != "table":
        return
    if not count:
        session.say("no messages")
        return
    totals = f"{counted(count, 'message')} for {counted(len(recipients), 'recipient')}, {amount(size)}"
    session.say(f"{totals}, the oldest {span(now - oldest)} old")
