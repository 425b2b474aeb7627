"""Request and Response: a message as start line, header fields and body, and answers to a request.

Rules: header fields keep the received bytes. From and To are parsed on first use. Content-Length is always right in an
outgoing message, even when the received value was wrong (RFC 3261 §18.3).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.headers import Headers, line, value_of
from msilod.sip.status import PHRASES
from msilod.sip.status import reason as registered_reason
from msilod.sip.via import NO_VIA, Via

# RFC 3261 §8.2.6.2.
_COPIED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq"))
# RFC 3261 §8.2.6.1.
_COPIED_BY_100: Final = _COPIED | {b"timestamp"}
_STATUS_LINES: Final = {code: b"SIP/2.0 %d %b" % (code, phrase) for code, phrase in PHRASES.items()}
_EMPTY_END: Final = b"Content-Length: 0\r\n\r\n"


class Request:
    """One request. `via` is the parsed top Via, `cseq` the CSeq number, `call_id` the value of Call-ID.

    `received` maps each field name to the text behind the colon of the first field with this name, untrimmed. A look-up
    there costs a tenth of a walk through `headers`. Later changes are made in `headers` only. A request made here gets
    its `received` from `headers`, unless the caller passes {} because the request is never asked for fields.

    `has_one_via`: False when a proxy may stand between the client and this server. `size`: octets of the received
    message, 0 for a request made here. `uri`: the Request-URI; Route processing may change `uri`, and `uri_received`
    keeps the received one.
    """

    __slots__ = (
        "_from",
        "_to",
        "body",
        "call_id",
        "cseq",
        "has_one_via",
        "headers",
        "method",
        "received",
        "size",
        "uri",
        "uri_received",
        "via",
    )

    def __init__(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers,
        body: bytes = b"",
        via: Via = NO_VIA,
        cseq: int = 0,
        call_id: bytes = b"",
        received: dict[bytes, bytes] | None = None,
        has_one_via: bool = True,
    ) -> None:
        self.method = method
        self.uri = self.uri_received = uri
        self.headers = headers
        self.body = body
        self.via = via
        self.cseq = cseq
        self.call_id = call_id
        self.has_one_via = has_one_via
        self.size = 0
        self.received = _first_of_each(headers) if received is None else received
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None

    @property
    def from_(self) -> NameAddr:
        """The From field. Raises MalformedMessage (400)."""
        found = self._from
        if found is None:
            value = self.received.get(b"from")
            if not value:
                raise MalformedMessage("Missing From")
            found = self._from = NameAddr.parse(value)
        return found

    @property
    def to(self) -> NameAddr:
        """The To field. Raises MalformedMessage (400)."""
        found = self._to
        if found is None:
            value = self.received.get(b"to")
            if not value:
                raise MalformedMessage("Missing To")
            found = self._to = NameAddr.parse(value)
        return found

    def to_bytes(self) -> bytes:
        """The message for the wire."""
        return _assemble(b"%b %b SIP/2.0" % (self.method, self.uri), self.headers, self.body)

    def copy(self) -> "Request":
        """Return a copy with its own header fields. The body and the parsed Via are shared."""
        headers = Headers(self.headers.fields.copy())
        return Request(
            self.method, self.uri, headers, self.body, self.via, self.cseq, self.call_id, self.received,
            self.has_one_via,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Request {self.method!r} {self.uri!r} {self.call_id!r} {self.cseq}>"


class Response:
    """One response. `via` is the top Via, None without one; `cseq_method` is the method of the request.

    `claims_identity`: True when the response had a field with an identity of the answering user (sip/privacy.py).
    """

    __slots__ = ("body", "claims_identity", "cseq", "cseq_method", "headers", "reason", "status", "via")

    def __init__(
        self,
        status: int,
        reason: bytes,
        headers: Headers,
        body: bytes = b"",
        via: Via | None = None,
        cseq: int = 0,
        cseq_method: bytes = b"",
        claims_identity: bool = False,
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.via = via
        self.cseq = cseq
        self.cseq_method = cseq_method
        self.claims_identity = claims_identity

    @property
    def to_tag(self) -> bytes:
        """The tag of To, b"" when there is none. Raises MalformedMessage (400)."""
        return NameAddr.parse(self.headers.get(b"to") or b"").tag

    def to_bytes(self) -> bytes:
        """The message for the wire."""
        return _assemble(b"SIP/2.0 %d %b" % (self.status, self.reason), self.headers, self.body)

    def copy(self) -> "Response":
        """Return a copy with its own header fields. The body is shared."""
        return Response(
            self.status, self.reason, self.headers.copy(), self.body, self.via, self.cseq, self.cseq_method,
            self.claims_identity,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason!r} {self.cseq_method!r} {self.cseq}>"


def _first_of_each(headers: Headers) -> dict[bytes, bytes]:
    return {name: text.partition(b":")[2] for name, text in reversed(headers.fields)}


def _assemble(start: bytes, headers: Headers, body: bytes) -> bytes:
    lines = [start]
    fields, right = headers.fields, b"Content-Length: %d" % len(body)
    if fields and fields[-1][1] == right:
        # Nearly all messages have a right Content-Length as last field, and need no changes. A comprehension is a call
        # in CPython 3.11 and takes 0.2 us more.
        for _, text in fields:
            lines.append(text)
        lines += (b"", body)
        return b"\r\n".join(lines)
    missing = True
    for name, text in fields:
        if name == b"content-length":
            if not missing:
                continue
            missing = False
            if value_of(text) != value_of(right):
                text = right
        lines.append(text)
    if missing:
        lines.append(right)
    lines.append(b"")
    lines.append(body)
    return b"\r\n".join(lines)


def _with_tag(text: bytes, tag: bytes) -> bytes:
    """Return the To line with our tag, unless the line has a tag (RFC 3261 §8.2.6.2)."""
    if b"tag" in text.lower():
        try:
            if NameAddr.parse(value_of(text)).tag:
                return text
        except MalformedMessage:
            # The answer to an unreadable To gets our tag too.
            pass
    return b"%b;tag=%b" % (text, tag)


def response_bytes(
    request: Request, status: int, to_tag: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Return an answer without a body as bytes for the wire (RFC 3261 §8.2.6).

    `headers` are (printed name, value). Raises ValueError for a value with CR, LF or NUL.
    """
    return answer_bytes(request, status, to_tag, [line(name, value) for name, value in headers])


def answer_bytes(request: Request, status: int, to_tag: bytes, more: Sequence[bytes] = ()) -> bytes:
    """Return the bytes of an answer without a body; `more` are header lines made by `headers.line`."""
    lines = [_STATUS_LINES.get(status) or b"SIP/2.0 %d %b" % (status, registered_reason(status))]
    copied = _COPIED if status != 100 else _COPIED_BY_100
    to = request._to
    for name, text in request.headers.fields:
        if name in copied:
            if name == b"to" and to_tag:
                # To is parsed for nearly all answers, and mostly has no tag.
                text = _with_tag(text, to_tag) if to is None or to.tag else text + b";tag=" + to_tag
            lines.append(text)
    if more:
        lines += more
    lines.append(_EMPTY_END)
    return b"\r\n".join(lines)


def build_response(
    request: Request,
    status: int,
    reason: bytes = b"",
    to_tag: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> Response:
    """Return an answer as an object (RFC 3261 §8.2.6). An empty `reason` means the registered phrase.

    Raises ValueError for a header value with CR, LF or NUL.
    """
    copied = _COPIED if status != 100 else _COPIED_BY_100
    fields = [
        (name, _with_tag(text, to_tag) if name == b"to" and to_tag else text)
        for name, text in request.headers.fields
        if name in copied
    ]
    made = Headers(fields)
    for name, value in headers:
        made.add(name, value)
    phrase = reason or registered_reason(status)
    return Response(status, phrase, made, body, request.via, request.cseq, request.method)
