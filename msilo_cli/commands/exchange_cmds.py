"""Exchange commands: `msilo export` and `import` copy messages out of a silo and into a silo, as JSON Lines."""

import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from msilo_cli import filters
from msilo_cli.exchange import MAX_LINE, BadLine, exported, imported
from msilo_cli.message_view import columns
from msilo_cli.output_file import output_file
from msilo_cli.printer import chosen_format, show
from msilo_cli.session import Output, Session, SomeFailed
from msilod.errors import UnavailableError, UsageError
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Added, Duplicate, OverQuota
from msilod.store.tables.selection import Selection

# Rows per transaction. Short transactions leave room for the daemon's writer.
ROWS_A_BATCH: Final = 200
# Failed lines reported one by one, for each kind of failure.
TOLD: Final = 10


@filters.selecting()
def export(
    context: typer.Context,
    selection: Selection,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write to this file, all messages or none."),
    ] = None,
    format: filters.Format = "jsonl",
    json: filters.Json = False,
    ids: filters.Ids = False,
) -> None:
    """Export whole messages, in the format of import.

    msilo export -o silo.jsonl
    """
    session: Session = context.obj
    chosen = chosen_format(session, format, json, ids)
    if output is None:
        _write(session, selection, chosen)
        return
    session.say(f"{_write_file(session, selection, chosen, output)} exported")


def _write(session: Session, selection: Selection, format: str) -> int:
    records = map(partial(exported, ahead=session.ahead), session.queue.messages(selection, session.now()))
    return show(session, records, columns(session.system()), format)


def _write_file(session: Session, selection: Selection, format: str, output: Path) -> int:
    """Write to a file, all messages or none. A device, a FIFO or a descriptor is written directly."""
    standard = session.out
    try:
        with output_file(output) as stream:
            session.out = Output(stream, ends_quietly=False)
            count = _write(session, selection, format)
    except OSError as error:
        raise UnavailableError(f"{output}: {error.strerror}") from error
    finally:
        session.out = standard
    return count


def import_(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON Lines as export wrote them; - reads standard input.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the outcome, store nothing.")] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Store also messages that ended in this silo, for example by purge."),
    ] = False,
) -> None:
    """Import messages. A message that is or was in the silo is not stored again.

    msilo import silo.jsonl
    """
    session: Session = context.obj
    work = Import(session, dry_run, again)
    if file == "-":
        work.run(sys.stdin.buffer)
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115 - only a failed open is a usage error
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    with stream:
        work.run(stream)


class Import:
    """One import: the counts of lines by outcome, and the number of the last line.

    A batch is committed together with the hashes of the rows, so repeating an interrupted import continues there.
    """

    def __init__(self, session: Session, dry_run: bool, again: bool) -> None:
        self._session = session
        self._dry_run = dry_run
        self._again = again
        self._limits = session.limits.without_hours()
        self._stored = self._known = self._ended = self._expired = 0
        self._failed: Counter[str] = Counter()
        # The number of the last line with an outcome.
        self._line = 0

    def run(self, stream: IO[bytes]) -> None:
        """Import all lines. The summary is printed after an interruption, too. Raises SomeFailed."""
        try:
            self._take_in(stream)
        except BaseException:
            if not self._dry_run:
                self._session.say(
                    f"stopped after line {self._line}: {self._summary()}; the same command goes on from there",
                    level=-1,
                )
            raise
        finally:
            if not self._dry_run and self._stored:
                self._session.wake([])
        self._session.say(self._summary())
        failed = self._failed.total()
        if failed:
            raise SomeFailed(f"{failed} lines {'would not be' if self._dry_run else 'were not'} stored")

    def _take_in(self, stream: IO[bytes]) -> None:
        batch: list[tuple[int, StoredMessage]] = []
        for number, message in self._messages(stream):
            batch.append((number, message))
            if len(batch) == ROWS_A_BATCH:
                self._store(batch)
                batch = []
        self._store(batch)

    def _summary(self) -> str:
        """The counts by outcome, and the counts of failures by reason."""
        parts = [
            f"{self._stored} {'would be stored' if self._dry_run else 'stored'}",
            f"{self._known} known already",
            f"{self._expired} expired",
        ]
        if self._ended:
            parts.append(f"{self._ended} ended already (--again stores them)")
        why = ", ".join(f"{count} {reason}" for reason, count in self._failed.most_common())
        parts.append(f"{self._failed.total()} failed" + (f" ({why})" if why else ""))
        return ", ".join(parts)

    def _messages(self, stream: IO[bytes]) -> Iterator[tuple[int, StoredMessage]]:
        """(line number, message) of each valid line whose message has not expired."""
        session = self._session
        section = session.settings.config.silo
        for number, line in enumerate(iter(partial(stream.readline, MAX_LINE), b""), 1):
            # Some editors write a byte-order mark before the first line.
            line = line.removeprefix(BOM_UTF8) if number == 1 else line
            if not line.strip():
                continue
            try:
                message = imported(
                    line, partial(filters.recipient, session), session.names.sender, session.system(),
                    section.expire_time, section.max_body, session.ahead,
                )  # fmt: skip
            except (BadLine, UsageError) as error:
                self._fail(number, "bad", str(error))
                continue
            if (
                message.expires_at <= (session.now() if message.due_at is None else session.system())
                and message.state != "held"
            ):
                self._expired += 1
            else:
                yield number, message

    def _store(self, batch: Sequence[tuple[int, StoredMessage]]) -> None:
        """Store a batch under the quotas of SIP, except for max_per_hour: the messages were sent long ago."""
        if not batch:
            return
        messages = [message for _, message in batch]
        queue = self._session.queue
        decide = queue.rehearse if self._dry_run else queue.take_in
        results = decide(messages, self._limits, self._again)
        for (number, _), result in zip(batch, results, strict=True):
            self._line = number
            if isinstance(result, Added):
                self._stored += 1
            elif isinstance(result, Duplicate) and result.ended:
                self._ended += 1
            elif isinstance(result, Duplicate):
                self._known += 1
            elif isinstance(result, OverQuota):
                self._fail(number, str(result.limit), str(result.limit))
            else:
                self._fail(number, "bad", result.reason)

    def _fail(self, number: int, kind: str, why: str) -> None:
        """Count a failed line. The first TOLD lines of each kind are reported one by one."""
        self._failed[kind] += 1
        if self._failed[kind] <= TOLD:
            self._session.say(f"line {number}: {why}", level=-1)
        elif self._failed[kind] == TOLD + 1:
            self._session.say(f"line {number}: {why}; more of this kind are only counted", level=-1)
