"""Parser: turns bytes into a Request or a Response (RFC 3261 §7, §16.3 step 1, §18.3).

The head is split, without regular expressions. From, To and other values are parsed later, on first use. The parser
checks all facts on which later rooms rely: one start line of version 2.0, field names are tokens, exactly one To, From,
Call-ID and CSeq, a readable top Via, a CSeq within its limit, a body of the length in Content-Length.

Rules: a malformed request raises MalformedMessage with the parts of the request needed for an answer. A malformed
response or ACK raises MalformedMessage without these, and the message is dropped. limits.py bounds every size.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import BY_DATAGRAM, BY_LENGTH
from msilod.sip.grammar import COMMA, CR, LF, URI_ONLY, VISIBLE_ONLY, WSP, is_token, number, words
from msilod.sip.headers import KNOWN, Headers, canonical, unfold, value_of
from msilod.sip.limits import (
    MAX_BODY,
    MAX_CSEQ,
    MAX_FIELDS,
    MAX_HEADERS_BYTES,
    MAX_LINE,
    MAX_URI,
    MAX_VIAS,
)  # fmt: skip
from msilod.sip.message import Request, Response
from msilod.sip.privacy import ASSERTED, PREFERRED, REMOTE_PARTY
from msilod.sip.salvage import salvage
from msilod.sip.uri import escape_hash, without_brackets
from msilod.sip.via import Via, parse_via, top_value

_SINGLE: Final = (b"to", b"from", b"call-id", b"cseq", b"max-forwards")
_VERSION: Final = b"SIP/2.0"
_STATUSES: Final = {b"%d" % status: status for status in range(100, 700)}
_METHODS: Final = frozenset(
    b"ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE".split(
        b" "
    )
)

Fields = list[tuple[bytes, bytes]]


def parse(data: bytes, framing: int = BY_DATAGRAM) -> Request | Response:
    """Parse one message, cut out by its transport; `framing` is a constant of sip/flow.py.

    Raises MalformedMessage: 400, 414 (Request-URI), 505 (version), 513 (limits). The `request` of the exception is None
    when no answer is permitted.
    """
    try:
        return _parse(data, framing)
    except MalformedMessage as error:
        error.request = salvage(data)
        raise


def _parse(data: bytes, framing: int) -> Request | Response:
    # Speed, here and below: CPython 3.11 makes a tuple of arguments for find(), startswith() and count(), but not for
    # partition(). The three pieces of partition() cost less than one slice.
    head, closed, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    rest = b"".join(lines)
    if not closed or not lines[0] or LF in rest or CR in rest or len(head) > MAX_HEADERS_BYTES:
        lines, body = _unusual(data, framing != BY_DATAGRAM)
        rest = b"".join(lines)
    if len(rest) > MAX_LINE or len(lines) > MAX_FIELDS:
        _check_size(lines)
    method, uri = _request_line(lines[0])
    if not uri:
        return _response(lines, body, framing)
    fields, first = _fields(lines)
    via, call_id, cseq, cseq_method = _identity(first)
    if cseq_method != method:
        raise MalformedMessage("CSeq Method Mismatch")
    has_one_via = COMMA not in first[b"via"] and (len(fields) == len(first) or _vias(fields) == 1)
    body = _body(first, body, framing)
    request = Request(method, uri, Headers(fields), body, via, cseq, call_id, first, has_one_via)
    request.size = len(data)
    return request


def _response(lines: list[bytes], body: bytes, framing: int) -> Response:
    status, reason = _status_line(lines[0])
    fields, first = _fields(lines)
    via, _, cseq, method = _identity(first)
    claims = ASSERTED in first or REMOTE_PARTY in first or PREFERRED in first
    return Response(status, reason, Headers(fields), _body(first, body, framing), via, cseq, method, claims)


def _unusual(data: bytes, stream: bool) -> tuple[list[bytes], bytes]:
    """Read a head with leading line ends (§7.5); on UDP also with LF as line end, or ended by the datagram."""
    data = data.lstrip(b"\r\n")
    if not data:
        raise MalformedMessage("Empty Message")
    end, line_end = _head_end(data, stream)
    head = data[:end]
    lines = head.split(line_end)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks * (len(line_end) - 1):
        raise MalformedMessage("Bad Line End")
    return lines, data[end + 2 * len(line_end) :]


def _head_end(data: bytes, stream: bool) -> tuple[int, bytes]:
    """Return the end of the head and the line end. Mixed line ends are refused: other parsers would split elsewhere."""
    limit = MAX_HEADERS_BYTES + 4
    end = data.find(b"\r\n\r\n", 0, limit)
    if not stream:
        bare = data.find(b"\n\n", 0, limit)
        if bare >= 0 and data.find(b"\r", 0, bare) < 0:
            return bare, b"\n"
    if end >= 0:
        return end, b"\r\n"
    if len(data) > limit:
        raise MalformedMessage("Message Too Large", status=513)
    # RFC 4475 §3.1.2.15 as published: the datagram ends after the last line.
    if stream or data[-1:] != b"\n":
        raise MalformedMessage("Header Section Not Closed")
    return (len(data) - 2, b"\r\n") if data[-2:] == b"\r\n" else (len(data) - 1, b"\n")


def _check_size(lines: list[bytes]) -> None:
    if len(lines) > MAX_FIELDS + 1 or max(map(len, lines)) > MAX_LINE:
        raise MalformedMessage("Message Too Large", status=513)


def _request_line(start: bytes) -> tuple[bytes, bytes]:
    """Return method and Request-URI; both are empty for a status line."""
    parts = start.split(b" ")
    if len(parts) != 3 or parts[2] != _VERSION or parts[0] not in _METHODS:
        if parts[0] == _VERSION or start[:4].upper() == b"SIP/":
            return b"", b""
        _check_version(parts)
    method, uri, _ = parts
    if len(uri) > MAX_URI:
        raise MalformedMessage("Request-URI Too Long", status=414)
    if not uri or uri.translate(URI_ONLY) != uri:
        uri = _strange_uri(uri)
    return method, uri


def _strange_uri(uri: bytes) -> bytes:
    """Return a Request-URI in which some characters are not permitted in a URI, in the form to be forwarded.

    Surrounding angle brackets are removed, as RFC 4475 §3.1.2.7 permits. A raw `#` in the user part is escaped. Raises
    MalformedMessage for other characters.
    """
    uri = escape_hash(without_brackets(uri))
    if not uri or uri.translate(URI_ONLY) != uri:
        raise MalformedMessage("Bad Request Line")
    return uri


def _check_version(parts: list[bytes]) -> None:
    if len(parts) != 3 or not is_token(parts[0]) or parts[2][:4].upper() != b"SIP/":
        raise MalformedMessage("Bad Request Line")
    if parts[2].upper() != _VERSION:
        raise MalformedMessage("Version Not Supported", status=505)


def _status_line(start: bytes) -> tuple[int, bytes]:
    version, _, rest = start.partition(b" ")
    digits, _, reason = rest.partition(b" ")
    status = _STATUSES.get(digits)
    if status is None or (version != _VERSION and version.upper() != _VERSION):
        raise MalformedMessage("Bad Status Line")
    return status, reason


def _fields(lines: list[bytes]) -> tuple[Fields, dict[bytes, bytes]]:
    """Return all fields, and for each name the text behind the colon of the first field."""
    fields = []
    first = {}
    known = KNOWN
    for text in lines[1:]:
        name, colon, value = text.partition(b":")
        found = known.get(name)
        if found is None or not colon:
            if text[:1] in (b" ", b"\t"):
                return _fields(unfold(lines))
            found = _strange_name(name, colon)
        fields.append((found, text))
        first[found] = value
    if len(first) != len(fields):
        first = _check_repeated(fields, first)
    return fields, first


def _strange_name(name: bytes, colon: bytes) -> bytes:
    name = name.rstrip(WSP)
    if not colon or not is_token(name):
        raise MalformedMessage("Bad Header Field")
    return canonical(name)


def _vias(fields: Fields) -> int:
    return len([name for name, _ in fields if name == b"via"])


def _check_repeated(fields: Fields, first: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the first value of each name when a name is repeated. `first` has the last values."""
    more = len(fields) - len(first)
    top = 0
    while top <= more and fields[top][0] == b"via":
        top += 1
    if more < top <= MAX_VIAS:
        # Requests from a proxy have several Vias on top, and mostly no other repeated name. This saves 2 us.
        first[b"via"] = fields[0][1].partition(b":")[2]
        return first
    first = {}
    vias = 0
    for name, text in fields:
        value = value_of(text)
        vias += name == b"via"
        if name not in first:
            first[name] = value
        elif name in _SINGLE or (name == b"content-length" and value != first[name]):
            raise MalformedMessage("Repeated Header Field")
    if vias > MAX_VIAS:
        raise MalformedMessage("Too Many Via", status=513)
    return first


def _identity(first: dict[bytes, bytes]) -> tuple[Via, bytes, int, bytes]:
    """Return top Via, Call-ID, CSeq number and method. From and To must be present (RFC 3261 §8.1.1)."""
    try:
        via = first[b"via"].strip(WSP)
        call_id = first[b"call-id"].strip(WSP)
        digits, _, method = first[b"cseq"].strip(WSP).partition(b" ")
        first[b"from"], first[b"to"]
    except KeyError as error:
        raise MalformedMessage("Missing Header Field") from error
    if len(digits) < 10 and digits.isdigit() and method in _METHODS:
        cseq = int(digits)
    else:
        cseq, method = _strange_cseq(first[b"cseq"])
    if not call_id or call_id.translate(VISIBLE_ONLY) != call_id:
        raise MalformedMessage("Bad Call-ID")
    if COMMA in via:
        if via.count(b",") >= MAX_VIAS:
            raise MalformedMessage("Too Many Via", status=513)
        via = top_value(via)
    return parse_via(via), call_id, cseq, method


def _strange_cseq(value: bytes) -> tuple[int, bytes]:
    parts = words(value)
    cseq = number(parts[0], MAX_CSEQ) if len(parts) == 2 else None
    if cseq is None or not is_token(parts[1]):
        raise MalformedMessage("Bad CSeq")
    return cseq, parts[1]


def _body(first: dict[bytes, bytes], body: bytes, framing: int) -> bytes:
    """Return the body cut to Content-Length (RFC 3261 §18.3).

    The surplus of a datagram is cut, and a short datagram is refused. On a stream the length fits by framing. In a
    WebSocket message the field may be absent, and a differing length is refused (RFC 7118 §5.4, T12).
    """
    value = first.get(b"content-length")
    if value is None:
        if framing == BY_LENGTH:
            raise MalformedMessage("Missing Content-Length")
        return body
    if value == b" %d" % len(body):
        return body
    length = number(value.strip(WSP), MAX_BODY)
    if length == len(body):
        return body
    if length is None or length > len(body) or framing != BY_DATAGRAM:
        raise MalformedMessage("Bad Content-Length")
    return body[:length]
