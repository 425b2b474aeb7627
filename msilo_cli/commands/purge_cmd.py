"""`msilo purge`: delete messages by selection."""

from typing import Annotated

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import amount, chosen_format, show
from msilo_cli.session import Session, UsageError
from msilod.store.operator import Changed
from msilod.store.selection import Selection

IDS_A_QUERY = 500


@filters.selecting()
def purge(
    context: typer.Context,
    selection: Selection,
    expired: Annotated[bool, typer.Option("--expired", help="Messages whose life is over.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every message.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the set, delete nothing.")] = False,
    format: filters.Format = "",
    json: filters.Json = False,
    ids: filters.Ids = False,
) -> None:
    """Delete messages; needs a selection. From cron: msilo -q purge --expired."""
    session: Session = context.obj
    if selection.is_empty and not all_:
        raise UsageError("purge needs a selection: recipients, ids, a filter, --expired or --all")
    if dry_run:
        _dry_run(session, selection, chosen_format(session, format, json, ids))
    else:
        run(session, selection, is_sure=yes or expired)


def _dry_run(session: Session, selection: Selection, format: str) -> None:
    now = session.now()
    messages = session.queue.messages(selection, now)
    show(
        session, (record(message) for message in messages if message.state != "sending"), columns(now), format
    )


def run(session: Session, selection: Selection, is_sure: bool) -> None:
    """Ask if need be, delete in batches, tell what was left."""
    now = session.now()
    if not is_sure:
        _ask(session, selection, now)
    operator, total = session.queue.operator(session.actor), Changed()
    for batch in operator.purge(selection, now):
        total.add(batch)
    given, sending = session.give_up(total.claimed)
    for start in range(0, len(given), IDS_A_QUERY):
        for batch in operator.purge(Selection(ids=tuple(given[start : start + IDS_A_QUERY])), now):
            total.add(batch)
    session.say(f"{total.count} deleted, {amount(total.bytes)}")
    left = len(sending) if given or sending else sum(map(len, total.claimed.values()))
    if left:
        session.say(f"{left} left: being sent right now (try again)", level=-1)


def _ask(session: Session, selection: Selection, now: float) -> None:
    messages, size, recipients = session.queue.count(selection, now)
    what = f"{messages} messages ({amount(size)}) to {recipients} recipients"
    if not messages:
        return
    if not session.is_interactive:
        raise UsageError(f"{what} match; pass --yes to delete them without a terminal")
    if not session.confirm(f"Delete {what}?"):
        raise UsageError("nothing was deleted")
