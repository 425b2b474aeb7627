"""Purge command: `msilo purge` deletes the selected messages."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated, Final

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import amount, chosen_format, counted, show
from msilo_cli.session import GIVE_UP_TIMEOUT, Session, tell_unknown
from msilod.errors import UnavailableError, UsageError
from msilod.silo.compose.notice import Kind, NoticeMemory, may_notify
from msilod.silo.compose.receipt import Disposition, wish_of
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import State, StoredMessage
from msilod.store.tables.operator import Changed
from msilod.store.tables.selection import Selection

IDS_A_QUERY: Final = 500
# Rows in one transaction of the daemon's writer, of a few milliseconds.
EXPIRED_A_CALL: Final = 200


@filters.selecting()
def purge(
    context: typer.Context,
    selection: Selection,
    expired: Annotated[bool, typer.Option("--expired", help="Expired messages.")] = False,
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
        unknown = session.unknown(selection.ids)
        run(session, selection, is_sure=yes or expired)
        tell_unknown(unknown, selection.ids)


def _dry_run(session: Session, selection: Selection, format: str) -> None:
    now = session.now()
    messages: Iterable[StoredMessage] = session.queue.messages(selection, now)
    if selection.expired_at is not None and not session.has_daemon:
        messages = (message for message in messages if not _is_told(session, message))
    ahead = session.ahead
    records = (record(message, ahead) for message in messages if message.state != "sending")
    show(session, records, columns(session.system()), format)


def run(session: Session, selection: Selection, is_sure: bool) -> None:
    """Ask for confirmation unless `is_sure`, delete in batches, and report messages on the wire."""
    now = session.now()
    if selection.expired_at is not None:
        _expire(session, selection, now)
        return
    if not is_sure:
        _ask(session, selection, now)
    operator, total = session.queue.operator(session.actor), Changed()
    for batch in operator.purge(selection, now):
        total.add(batch)
    given, sending = session.give_up(total.claimed)
    for start in range(0, len(given), IDS_A_QUERY):
        for batch in operator.purge(Selection(ids=tuple(given[start : start + IDS_A_QUERY])), now):
            total.add(batch)
    left = len(sending) if given or sending else sum(map(len, total.claimed.values()))
    _tell(session, total.count, total.bytes, left)


def _tell(session: Session, count: int, size: int, left: int) -> None:
    session.say(f"{count} deleted, {amount(size)}")
    if left:
        session.say(f"{left} left: being sent right now (try again)", level=-1)


# --- expired messages --------------------------------------------------------------------------------


def _expire(session: Session, selection: Selection, now: float) -> None:
    """End expired messages as the daemon does: the history says `expired`, and senders get a failure notice or receipt.

    Only a daemon can send these, so a running daemon ends the messages. Without a daemon, messages with a notice or
    a receipt to send stay for the next start.
    """
    count = size = left = untold = 0
    has_daemon = True
    messages = session.queue.messages(selection, now)
    while page := list(islice(messages, EXPIRED_A_CALL)):
        sizes = {message.id: message.size for message in page}
        try:
            ended = _ask_daemon(session, page) if has_daemon else None
        except UnavailableError:
            ended, has_daemon = None, False
        if ended is None:
            mine = [message.id for message in page if not _is_told(session, message)]
            untold += len(page) - len(mine)
            left += len(mine)
            history = session.settings.config.silo.history
            ended = session.queue.operator(session.actor).expire(mine, now, history) if mine else []
        else:
            left += len(page)
        left -= len(ended)
        count += len(ended)
        size += sum(sizes[id] for id in ended)
    _tell(session, count, size, left)
    if untold:
        session.say(f"{untold} left: msilod tells their senders when it runs")


def _ask_daemon(session: Session, messages: Sequence[StoredMessage]) -> list[int]:
    """The ids of messages ended by the daemon. Raises UnavailableError without a daemon."""
    rows: dict[str, list[int]] = {}
    for message in messages:
        rows.setdefault(message.aor, []).append(message.id)
    answer = session.ask("expire", {"rows": rows}, GIVE_UP_TIMEOUT)
    return list(answer["expired"])


def _is_told(session: Session, message: StoredMessage) -> bool:
    """True when the daemon reports the expiry to the sender, by a failure notice or a receipt."""
    if message.state in (State.REJECTED, State.HANDED):
        return False
    section = session.settings.config.silo
    policy = SiloPolicy(registrar=section.registrar)
    if section.failure_notice and may_notify(message, Kind.FAILED, policy, NoticeMemory(), session.now()):
        return True
    wish = wish_of(message) if section.imdn else None
    return wish is not None and wish.wants(Disposition.FAILED)


def _ask(session: Session, selection: Selection, now: float) -> None:
    messages, size, recipients = session.queue.count(selection, now)
    what = f"{counted(messages, 'message')} ({amount(size)}) to {counted(recipients, 'recipient')}"
    if not messages:
        return
    if not session.is_interactive:
        raise UsageError(f"{what} match; pass --yes to delete them without a terminal")
    if not session.confirm(f"Delete {what}?"):
        raise UsageError("nothing was deleted")
