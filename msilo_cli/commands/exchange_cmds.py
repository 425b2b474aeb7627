"""`msilo export` and `import`: messages out of a silo and into one, as JSON Lines."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Annotated

import typer

from msilo_cli import filters
from msilo_cli.exchange import MAX_LINE, BadLine, exported, imported
from msilo_cli.message_view import columns
from msilo_cli.output_file import output_file
from msilo_cli.printer import chosen_format, show
from msilo_cli.session import Output, Session, SomeFailed, UsageError
from msilod.errors import UnavailableError
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Added, Duplicate, OverQuota
from msilod.store.quota import Limits
from msilod.store.selection import Selection

# As every change of the command line: short transactions.
ROWS_A_BATCH = 200


@filters.selecting()
def export(
    context: typer.Context,
    selection: Selection,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Into this file, whole or not at all."),
    ] = None,
    format: filters.Format = "jsonl",
    json: filters.Json = False,
    ids: filters.Ids = False,
) -> None:
    """Write messages out, whole: what import takes.

    msilo export -o silo.jsonl
    """
    session: Session = context.obj
    chosen = chosen_format(session, format, json, ids)
    if output is None:
        _write(session, selection, chosen)
        return
    session.say(f"{_write_file(session, selection, chosen, output)} exported")


def _write(session: Session, selection: Selection, format: str) -> int:
    now = session.now()
    return show(session, map(exported, session.queue.messages(selection, now)), columns(now), format)


def _write_file(session: Session, selection: Selection, format: str, output: Path) -> int:
    """Into a file of that name, whole or not at all; what is no regular file is written through."""
    former = session.out
    try:
        with output_file(output) as stream:
            session.out = Output(stream, ends_quietly=False)
            count = _write(session, selection, format)
    except OSError as error:
        raise UnavailableError(f"{output}: {error.strerror}") from error
    finally:
        session.out = former
    return count


def import_(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON Lines as export wrote them; - reads standard input.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, store nothing.")] = False,
) -> None:
    """Take messages in; what is in the silo already is not stored twice.

    msilo import silo.jsonl
    """
    session: Session = context.obj
    if file == "-":
        _import(session, sys.stdin.buffer, dry_run)
        return
    try:
        with open(file, "rb") as stream:
            _import(session, stream, dry_run)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


@dataclass
class _Tally:
    stored: int = 0
    known: int = 0
    expired: int = 0
    failed: int = 0
    aors: set[str] = field(default_factory=set)


def _import(session: Session, stream: IO[bytes], dry_run: bool) -> None:
    tally, batch = _Tally(), []
    for number, message in _messages(session, stream, tally):
        batch.append((number, message))
        if len(batch) == ROWS_A_BATCH:
            _store(session, batch, tally, dry_run)
            batch = []
    _store(session, batch, tally, dry_run)
    verb = "would be stored" if dry_run else "stored"
    session.say(
        f"{tally.stored} {verb}, {tally.known} known already, {tally.expired} expired, {tally.failed} failed"
    )
    if not dry_run:
        session.wake([])
    if tally.failed:
        raise SomeFailed(f"{tally.failed} lines were not stored")


def _messages(session: Session, stream: IO[bytes], tally: _Tally) -> Iterator[tuple[int, StoredMessage]]:
    """What can be read and has not expired, with its line number."""
    section = session.settings.config.silo
    for number, line in enumerate(iter(partial(stream.readline, MAX_LINE), b""), 1):
        if not line.strip():
            continue
        try:
            now = session.now()
            message = imported(
                line, partial(filters.recipient, session), session.names.sender, now, section.expire_time,
                section.max_body,
            )  # fmt: skip
        except (BadLine, UsageError) as error:
            _fail(session, tally, number, str(error))
            continue
        if message.expires_at <= now and message.state != "held":
            tally.expired += 1
        else:
            yield number, message


def _store(
    session: Session, batch: Iterable[tuple[int, StoredMessage]], tally: _Tally, dry_run: bool
) -> None:
    """Under the quotas of a message that comes by SIP, but for those of a sender's hour: they came long ago."""
    numbers = [number for number, _ in batch]
    messages = [message for _, message in batch]
    if dry_run or not messages:
        tally.stored += len(messages)
        return
    found = Limits.of(session.settings.config.silo)
    limits = Limits(found.max_messages, found.max_bytes, found.max_total_bytes, found.min_free_bytes)
    results = session.queue.insert(messages, limits)
    for number, message, result in zip(numbers, messages, results, strict=True):
        if isinstance(result, Added):
            tally.stored += 1
            tally.aors.add(message.aor)
        elif isinstance(result, Duplicate):
            tally.known += 1
        else:
            _fail(
                session, tally, number, str(result.limit if isinstance(result, OverQuota) else result.reason)
            )


def _fail(session: Session, tally: _Tally, number: int, why: str) -> None:
    tally.failed += 1
    session.say(f"line {number}: {why}", level=-1)
