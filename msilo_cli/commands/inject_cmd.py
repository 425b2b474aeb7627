"""Inject command: `msilo inject` stores a message under the checks and quotas of a MESSAGE received by SIP.

The command commits the row, and then tells a running daemon by `Session.wake`. Without the call the daemon finds the
row within a second (msilod/delivering/silo_changes.py).
"""

import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from msilo_cli import filters
from msilo_cli.printer import span
from msilo_cli.session import Session
from msilod.errors import MsilodError, SipError, StoreError, UsageError
from msilod.silo.intake.acceptance import NOT_KEPT, accept, guard_registrar
from msilod.silo.intake.scheduled import FURTHEST
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.dates import format_date, parse_rfc3339
from msilod.sip.headers import Headers, canonical
from msilod.sip.message import Request
from msilod.sip.sips import is_sips
from msilod.sip.tel import is_tel, parse_tel
from msilod.sip.uri import SipUri
from msilod.store.jobs import Added, Duplicate, OverQuota

TEXT = "text/plain;charset=UTF-8"
_TOKEN: Final = r"[-.!%*_+`'~A-Za-z0-9]+"
_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}(\s*;.*)?", re.DOTALL)
# Header fields that are written by inject or by a delivery.
_SET_HERE: Final = NOT_KEPT | {b"date", b"expires"}


class Refused(MsilodError):
    """The silo refuses the message; the text has the reason."""


def inject(
    context: typer.Context,
    recipient: Annotated[str, typer.Argument(metavar="USER@HOST", help="The recipient.")],
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="The text; - reads standard input.")
    ] = None,
    sender: Annotated[str, typer.Option("--from", metavar="URI", help="The sender.")] = "",
    content_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="The content type.")] = TEXT,
    expires: Annotated[
        str, typer.Option("--expires", metavar="3d", help="Time until the message expires.")
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="Deliver at this time, as 2026-12-24T18:00:00+01:00 or +2h."
        ),
    ] = "",
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="'N: v'", help="A header field; may be repeated.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", help="The body, byte for byte.", dir_okay=False)
    ] = None,
) -> None:
    """Store a message in the silo and print its id.

    msilo inject bob@example.test 'Water is off until noon' --from sip:office@example.test
    """
    session: Session = context.obj
    aor = filters.recipient(session, recipient)
    if "*" in aor:
        raise UsageError("inject wants one recipient, not a pattern")
    _check_known(session, aor)
    body = _body(text, file, session.settings.config.silo.max_body)
    uri = f"{'sips' if is_sips(recipient) else 'sip'}:{aor}".encode()
    request = _request(session, uri, sender, content_type, expires, header or [], body)
    run(session, aor, request, _due(session, at) if at else None)


def _due(session: Session, text: str) -> float:
    """The time of --at, as system time. Raises UsageError."""
    now = session.system()
    ahead = text.startswith("+")
    due = now + filters.duration(text[1:]) if ahead else parse_rfc3339(text.encode("ascii", "replace"))
    if due is None:
        raise UsageError(f"--at {text!r} is no time; write 2026-12-24T18:00:00+01:00, ...Z for UTC, or +2h")
    if not now < due <= now + FURTHEST:
        raise UsageError(f"--at {text!r} is {'over' if due <= now else 'more than a year ahead'}")
    return due


def _body(text: str | None, file: Path | None, most: int) -> bytes:
    """The body, cut after `most` + 1 bytes: a device or a pipe may have no end. Raises UsageError."""
    if (text is None) == (file is None):
        raise UsageError("inject wants a text, - for standard input, or --file; one of them")
    if file is not None:
        try:
            with file.open("rb") as stream:
                return stream.read(most + 1)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
    return sys.stdin.buffer.read(most + 1) if text == "-" else (text or "").encode("utf-8", "surrogateescape")


def _request(
    session: Session,
    uri: bytes,
    sender: str,
    content_type: str,
    expires: str,
    headers: list[str],
    body: bytes,
) -> Request:
    """The MESSAGE of `sender` to `uri`, as received by SIP. Raises UsageError."""
    if not _TYPE.fullmatch(content_type):
        raise UsageError(f"--type {content_type!r} is no content type; write text/plain")
    author = _sender(sender or f"sip:msilo@{uri.decode().rpartition('@')[2]}")
    call_id = secrets.token_hex(16).encode() + b"@msilo"
    fields = Headers()
    try:
        fields.add(b"From", b"<%b>;tag=%b" % (author, secrets.token_hex(8).encode()))
        fields.add(b"To", b"<%b>" % uri)
        fields.add(b"Call-ID", call_id)
        fields.add(b"CSeq", b"1 MESSAGE")
        fields.add(b"Date", format_date(session.system()))
        fields.add(b"Content-Type", content_type.encode())
        if expires:
            fields.add(b"Expires", b"%d" % _life(session, expires))
        for line in headers:
            name, colon, value = line.partition(":")
            if not colon:
                raise UsageError(f"{line!r} is no header field; write 'Name: value'")
            if canonical(name.strip().encode()) in _SET_HERE:
                raise UsageError(f"--header cannot set {name.strip()} (see --from, --type, --expires, --at)")
            fields.add(name.strip().encode(), value.strip().encode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise UsageError(f"{error} (see --header and --type)") from error
    return Request(b"MESSAGE", uri, fields, body, cseq=1, call_id=call_id)


def _life(session: Session, text: str) -> int:
    """The seconds of --expires. A time beyond the silo's limit is cut, and the user is told."""
    seconds, most = int(filters.duration(text)), session.settings.config.silo.expire_time
    if seconds > most:
        session.say(f"--expires {text} is cut to {span(most)} (expire_time in msilod.toml)")
    return min(seconds, most)


def _check_known(session: Session, aor: str) -> None:
    """Raises Refused for a recipient in a foreign domain, and for an unknown user. SIP would answer 403 or 404."""
    try:
        session.names.check_served(aor)
    except ValueError as error:
        raise Refused(f"not taken: {error}") from error
    if session.knows_names and not session.users.reads.of(aor):
        raise Refused(f"not taken: 404 Not Found: {aor} is no user (msilo user list shows them)")


def _sender(text: str) -> bytes:
    """The checked URI of the sender. Raises UsageError."""
    try:
        raw = text.encode("utf-8", "backslashreplace")
        if is_tel(raw):
            parse_tel(raw)
            return raw
        uri = SipUri.parse(text if ":" in text.partition("@")[0] else f"sip:{text}")
        if not uri.user:
            raise UsageError(f"--from {text!r} names no user; write sip:user@host")
        return str(uri).encode()
    except SipError as error:
        raise UsageError(f"--from {text!r}: {error.phrase.lower()}; write sip:user@host") from error


def run(session: Session, aor: str, request: Request, due_at: float | None = None) -> None:
    """Check and store the message, print the id, tell the daemon. Raises Refused, StoreError."""
    config = session.settings.config.silo
    policy = SiloPolicy(expire_time=config.expire_time, max_body=config.max_body)
    try:
        sender = session.names.sender(request.from_.uri.decode("ascii", "replace"))
        if config.registrar:
            guard_registrar(session.names.sender(config.registrar), aor, sender, aor)
        message = accept(request, aor, sender, policy, session.now(), due_at=due_at, ahead=session.ahead)
    except SipError as error:
        raise Refused(f"not taken: {error.status} {error.phrase} (as a sender would be told)") from error
    session.out.write(f"{_insert(session, message)}\n")
    session.out.flush()
    session.wake([])


def _insert(session: Session, message: StoredMessage) -> int:
    (result,) = session.queue.insert([message], session.limits)
    if isinstance(result, OverQuota):
        raise Refused(f"not taken: {result.limit} ({result.messages} messages, {result.bytes} bytes)")
    if isinstance(result, Added | Duplicate):
        return result.id
    raise StoreError(result.reason)
