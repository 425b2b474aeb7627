"""Salvage: reads the parts of a malformed request needed for an answer (RFC 3261 §8.2.6.2, §18.3).

Rules: raises no exception. A message without a readable Via, a response and an ACK get no answer. Only lines permitted
in a response are copied, and each single field once.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import CR, is_token, number, words
from msilod.sip.headers import Headers, canonical, unfold
from msilod.sip.limits import MAX_CSEQ, MAX_FIELDS, MAX_HEADERS_BYTES, MAX_VIAS
from msilod.sip.message import Request
from msilod.sip.via import NO_VIA, Via, parse_outline, parse_via, top_value

_WANTED: Final = {b"via": MAX_VIAS, b"from": 1, b"to": 1, b"call-id": 1, b"cseq": 1, b"timestamp": 1}


def salvage(data: bytes) -> Request | None:
    """Return a Request fit for `build_response` only; None when no answer is permitted."""
    lines = _lines(data)
    method, _, rest = lines[0].partition(b" ")
    if not is_token(method) or method == b"ACK":
        return None
    headers = Headers(_fields(lines))
    via = _via(headers)
    if via is NO_VIA:
        return None
    number_and_method = words(headers.get(b"cseq") or b"0")
    cseq = number(number_and_method[0], MAX_CSEQ) if number_and_method else 0
    uri = rest.partition(b" ")[0]
    return Request(method, uri, headers, b"", via, cseq or 0, headers.get(b"call-id") or b"")


def _lines(data: bytes) -> list[bytes]:
    """Return the whole lines of the head, unfolded, with any kind of line end."""
    head = data[: MAX_HEADERS_BYTES + 4].lstrip(b"\r\n").replace(b"\r\n", b"\n")
    head, closed, _ = head.partition(b"\n\n")
    lines = head.split(b"\n")
    if not closed:
        # The last line may be cut off.
        lines[-1] = b""
    try:
        return unfold(lines[: MAX_FIELDS + 1])
    except MalformedMessage:
        return [b""]


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    left = dict(_WANTED)
    fields = []
    for text in lines[1:]:
        name, colon, _ = text.partition(b":")
        known = canonical(name.rstrip(b" \t"))
        if colon and left.get(known, 0) and CR not in text and 0 not in text:
            left[known] -= 1
            fields.append((known, text))
    return fields


def _via(headers: Headers) -> Via:
    value = headers.get(b"via")
    if value is None:
        return NO_VIA
    top = top_value(value)
    for read in (parse_via, parse_outline):
        try:
            return read(top)
        except MalformedMessage:
            continue
    return NO_VIA
