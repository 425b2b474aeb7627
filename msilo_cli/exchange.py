"""Exchange: turns a message into a line of an export, and back without loss (law 5).

A line has the members of `list --json`, some more, and `NAME_b64` beside each member not in UTF-8. A file is
untrusted input: a line of an import passes the same checks as a MESSAGE received by SIP, and line breaks inside a
header field are refused.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from msilo_cli.message_view import record
from msilod.errors import SipError
from msilod.silo.intake.acceptance import NEVER_SENT, duplicate_hash
from msilod.silo.stored_message import State, StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.grammar import WSP, is_call_id
from msilod.sip.headers import Headers, canonical
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

# Bytes of a line: a body of a megabyte in base64, and the header fields.
MAX_LINE: Final = 4_000_000
MAX_HEADERS: Final = 16_384
# Bytes of a Call-ID: the limit of a header line received by SIP.
MAX_CALL_ID: Final = 8192
MAX_WORD: Final = 2048
# Seconds since 1970: the end of the year 2199.
NEWEST: Final = 7_258_118_400.0
_BYTES: Final = ("request_uri", "from_header", "to_header", "call_id", "content_type", "headers")
_MEMBERS: Final = {"from_header": "from", "to_header": "to"}
_STATES: Final = frozenset(str(state) for state in State)


class BadLine(ValueError):
    """A fault in a line of an import; the text names the fault."""


def exported(message: StoredMessage, ahead: float = 0.0) -> dict[str, Any]:
    """The JSON object of a whole message. `ahead`: seconds from silo time to system time."""
    shown = record(message, ahead)
    for column in _BYTES:
        value: bytes = getattr(message, column)
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            shown[f"{_MEMBERS.get(column, column)}_b64"] = base64.b64encode(value).decode("ascii")
    shown["cseq"] = message.cseq
    shown["next_hop"] = message.next_hop
    shown["delivery_call_id"] = message.delivery_call_id.decode("ascii", "replace")
    return shown


def imported(
    line: bytes, canonical_aor: Callable[[str], str], sender_of: Callable[[str], str], now: float,
    expire_time: float, max_body: int, ahead: float = 0.0,
) -> StoredMessage:  # fmt: skip
    """The row for a line of an import. Raises BadLine.

    `now` and times in the line are system time, `ahead` seconds after silo time. Missing times: as if received `now`.
    """
    try:
        shown = msgspec.json.decode(line, type=dict[str, Any])
        aor = canonical_aor(_text(shown, "aor"))
        if "*" in aor:
            raise BadLine(f"{aor} is a pattern, not a recipient")
        request = _request(shown, aor)
        author = request.from_
    except (msgspec.DecodeError, RecursionError, ValueError, SipError) as error:
        raise BadLine(str(error)) from error
    body = _body(shown, max_body)
    received = {name: value.strip(WSP) for name, value in request.received.items()}
    content_type = received[b"content-type"]
    received_at, due_at = _time(shown, "received_at") or now, _time(shown, "due_at")
    sender = sender_of(author.uri.decode("ascii", "replace"))
    message = StoredMessage(
        aor=aor,
        sender=sender,
        hash=duplicate_hash(request.call_id, request.cseq, author.tag, sender, aor, content_type, body),
        request_uri=request.uri,
        from_header=received[b"from"],
        to_header=received[b"to"],
        call_id=request.call_id,
        cseq=request.cseq,
        content_type=content_type,
        headers=_headers(shown),
        body=body,
        received_at=received_at - ahead,
        expires_at=_time(shown, "expires_at") or (due_at or received_at) + expire_time,
        size=len(body),
    )
    _take_state(message, shown, due_at, now, ahead)
    return message


def _body(shown: dict[str, Any], max_body: int) -> bytes:
    body = _value(shown, "body")
    if len(body) > max_body:
        raise BadLine(f"its body has {len(body)} bytes, more than the {max_body} of max_body")
    return body


def _request(shown: dict[str, Any], aor: str) -> Request:
    """The start line and header fields, checked by the parser's own classes as for SIP. Raises BadLine, SipError."""
    fields = Headers()
    for name, member in (
        (b"From", "from"),
        (b"To", "to"),
        (b"Call-ID", "call_id"),
        (b"Content-Type", "content_type"),
    ):
        value = _value(shown, member)
        if not value and member in ("from", "call_id"):
            raise BadLine(f"it has no {member}")
        fields.add(name, value or (f"<sip:{aor}>".encode() if member == "to" else b""))
    uri = _value(shown, "request_uri") or f"sip:{aor}".encode()
    if any(byte <= 0x20 for byte in uri):
        raise BadLine("its request_uri has a blank")
    for member in ("call_id", "delivery_call_id"):
        value = _value(shown, member)
        if value and (len(value) > MAX_CALL_ID or not is_call_id(value)):
            raise BadLine(f"its {member} is no Call-ID")
    request = Request(
        b"MESSAGE", uri, fields, b"", cseq=_number(shown, "cseq", 1), call_id=_value(shown, "call_id")
    )
    # Raises MalformedMessage for the same values as the parser.
    NameAddr.parse(request.received[b"to"].strip(WSP))
    return request


def _headers(shown: dict[str, Any]) -> bytes:
    """The stored header lines, joined. Raises BadLine for a line break, or for a header field never stored."""
    if "headers_b64" in shown:
        lines = _value(shown, "headers").split(b"\r\n")
    else:
        fields = shown.get("headers") or []
        if not isinstance(fields, list) or not all(isinstance(text, str) for text in fields):
            raise BadLine("its headers are no list of texts")
        lines = [text.encode() for text in fields]
    kept = [line for line in lines if line]
    for line in kept:
        name, colon, _ = line.partition(b":")
        if not colon or not name.strip() or set(line) & set(b"\r\n\0"):
            raise BadLine(f"{line[:40]!r} is no header field")
        if canonical(name.strip()) in NEVER_SENT:
            raise BadLine(f"the header field {name[:40]!r} is not stored by a silo")
    joined = b"".join(line + b"\r\n" for line in kept)
    if len(joined) > MAX_HEADERS:
        raise BadLine("its header fields are too long")
    return joined


def _take_state(
    message: StoredMessage, shown: dict[str, Any], due_at: float | None, now: float, ahead: float
) -> None:
    state = shown.get("state") or State.WAITING
    if not isinstance(state, str) or state not in _STATES:
        raise BadLine(f"{state!r} is no state of a message in the silo")
    message.attempts = _number(shown, "attempts", 0)
    next_at = _time(shown, "next_attempt_at")
    message.next_attempt_at = None if next_at is None else next_at - ahead
    message.last_status = _number(shown, "last_status", 0) or None
    message.last_reason = _word(shown, "last_reason")
    message.next_hop = _next_hop(shown)
    message.delivery_call_id = _value(shown, "delivery_call_id")
    # A row in state `sending` was on the wire of another daemon: here the row waits.
    message.state = State.WAITING if state == State.SENDING else State(state)
    if message.state is State.SCHEDULED and (due_at is None or due_at <= now):
        message.state = State.WAITING
    if message.state in (State.SCHEDULED, State.HELD):
        message.due_at = due_at
    if message.due_at is None:
        # `expires_at` of a row without due_at is silo time (Sweep.due).
        message.expires_at -= ahead


def _word(shown: dict[str, Any], name: str) -> str:
    value = shown.get(name) or ""
    if not isinstance(value, str) or len(value) > MAX_WORD:
        raise BadLine(f"its {name} is no text of at most {MAX_WORD} characters")
    return value


def _next_hop(shown: dict[str, Any]) -> str:
    value = _word(shown, "next_hop")
    if value:
        try:
            SipUri.parse(value)
        except SipError as error:
            raise BadLine("its next_hop is no SIP URI") from error
    return value


def _text(shown: dict[str, Any], name: str) -> str:
    value = shown.get(name)
    if not isinstance(value, str) or not value:
        raise BadLine(f"it has no {name}")
    return value


def _value(shown: dict[str, Any], name: str) -> bytes:
    """The bytes of a member, b"" when missing. Raises BadLine."""
    coded = shown.get(f"{name}_b64")
    if coded is not None:
        try:
            return base64.b64decode(str(coded), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadLine(f"its {name}_b64 is not base64") from error
    value = shown.get(name)
    return value.encode() if isinstance(value, str) else b""


def _number(shown: dict[str, Any], name: str, default: int) -> int:
    value = shown.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise BadLine(f"its {name} is no number")
    return value


def _time(shown: dict[str, Any], name: str) -> float | None:
    value = shown.get(name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
        if at.tzinfo is None:
            raise ValueError
        seconds = at.timestamp()
    except (ValueError, OverflowError) as error:
        raise BadLine(f"its {name} is no time with an offset") from error
    if not 0 <= seconds < NEWEST:
        raise BadLine(f"its {name} is not in the years 1970 to 2199")
    return seconds
