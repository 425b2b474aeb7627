"""Responses: prepares responses for the way back, and for the memory of answers (RFC 3261 §16.7, §17.2.2)."""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import TOKEN_ONLY, WSP, split_outside
from msilod.sip.headers import Headers, canonical
from msilod.sip.message import Request, Response
from msilod.sip.via import parse_via, top_value
from msilod.transaction.completed import Answer, pack

# Octets. A longer response is not remembered as a whole.
MAX_WHOLE: Final = 4_096
# Fields left out of a remembered answer: `response_bytes` makes these again, or the fields only describe the phone.
_DISPENSABLE: Final = frozenset(
    (
        b"via", b"from", b"to", b"call-id", b"cseq", b"content-length", b"user-agent", b"server", b"allow",
        b"supported", b"date", b"accept", b"contact",
    )
)  # fmt: skip


def take_top_via(response: Response) -> None:
    """Remove our Via (§16.7 step 3). `via` is None afterwards: parsing the next Via takes 0.8 us and is not needed."""
    fields = response.headers.fields
    position = 0
    while fields[position][0] != b"via":
        position += 1
    line = fields[position][1]
    rest = split_outside(line.partition(b":")[2], b",")[1:] if b"," in line else ()
    if rest:
        fields[position] = (b"via", b"Via: " + b", ".join(rest))
    else:
        del fields[position]
    response.via = None


def as_addressed(response: Response, request: Request) -> Response:
    """Return the response with the Vias of the request, which lead back to the sender.

    Some devices lose or damage the Vias below their own. Without this repair the sender would get no answer and would
    retransmit the request. Nearly all devices copy the Vias (§8.2.6.2), and then one comparison of the first lines is
    enough.
    """
    fields = response.headers.fields
    if fields and fields[0] == request.headers.fields[0]:
        return response
    if _top_branch(response.headers) == request.via.branch:
        return response
    vias = [field for field in request.headers.fields if field[0] == b"via"]
    fixed = response.copy()
    fixed.headers = Headers([*vias, *(field for field in fields if field[0] != b"via")])
    return fixed


def _top_branch(headers: Headers) -> bytes | None:
    value = headers.get(b"via")
    if value is None:
        return None
    try:
        return parse_via(top_value(value)).branch
    except MalformedMessage:
        return None


def final_tag(response: Response) -> bytes:
    """Return the To tag, b"" when To has no tag or is unreadable."""
    for name, line in response.headers.fields:
        if name == b"to":
            tag = line.rpartition(b";tag=")[2]
            if tag and tag.translate(TOKEN_ONLY) == tag:
                # Nine of ten responses end with the tag. A full parse takes 3 us.
                return tag
            break
    try:
        return response.to_tag
    except MalformedMessage:
        return b""


def answer_of(method: bytes, response: Response, data: bytes) -> Answer:
    """Return what is remembered of a relayed final response sent as `data`: status and tag, or the bytes.

    A 2xx to a MESSAGE has no body and no Contact, so status and tag are enough (RFC 3428 §7). The same holds for a
    failure without a field like Retry-After, Warning or a challenge. A response longer than MAX_WHOLE is remembered
    without its body, or as status and tag. Otherwise one phone with long answers could fill the memory.
    """
    if method != b"MESSAGE" or response.body:
        return _shortened(response, data)
    if response.status >= 300 and any(name not in _DISPENSABLE for name, _ in response.headers.fields):
        return _shortened(response, data)
    tag = final_tag(response)
    return pack(response.status, tag) if tag else _shortened(response, data)


def _shortened(response: Response, data: bytes) -> Answer:
    if len(data) <= MAX_WHOLE:
        return data
    head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    kept = [text for text in head if canonical(text.partition(b":")[0].rstrip(WSP)) != b"content-length"]
    short = b"\r\n".join([*kept, b"Content-Length: 0", b"", b""])
    return short if len(short) <= MAX_WHOLE else pack(response.status, final_tag(response))
