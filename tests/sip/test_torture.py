"""RFC 4475 and RFC 5118: every message, compared with index.toml, as far as this room decides.

The table names the part that refuses a message: `parse`, `uri` (the Request-URI, read by the proxy), `address` (From or
To, read by the proxy), `contact` (the registrar), `later` (a well-formed message; another room answers with the
status), or none. The last column is the result of the framer for the same bytes on a stream.

"""

import hashlib
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.flow import BY_LENGTH
from msilod.sip.framing import FramingLost, KeepAlive, StreamFramer
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from msilod.sip.uri import SipUri
from tests.sip.published import published, vector, wire
from tests.sip.samples import refusal

NOBODY, PARSE, URI, ADDRESS, CONTACT, LATER = "nobody", "parse", "uri", "address", "contact", "later"
ONE, TWO_AND_LOST, WAITS, LOST = "one", "two and lost", "waits", "lost"
DROP = 0


class Row(NamedTuple):
    """`who` refuses with `status` (0: without an answer). `stream` is the result of the framer."""

    who: str = NOBODY
    status: int = 200
    stream: str = ONE


RFC4475 = {
    "wsinv": Row(),
    "intmeth": Row(),
    "esc01": Row(),
    "escnull": Row(),
    "esc02": Row(),
    "lwsdisp": Row(),
    "longreq": Row(),
    "dblreq": Row(stream=TWO_AND_LOST),
    "semiuri": Row(),
    "transports": Row(),
    "mpart01": Row(),
    "unreason": Row(),
    "noreason": Row(),
    "badinv01": Row(PARSE, 400),
    "clerr": Row(PARSE, 400, WAITS),
    "ncl": Row(PARSE, 400, LOST),
    "scalar02": Row(PARSE, 400),
    "scalarlg": Row(PARSE, DROP),
    "quotbal": Row(ADDRESS, 400),
    "ltgtruri": Row(),
    "lwsruri": Row(PARSE, 400),
    "lwsstart": Row(PARSE, 400),
    "trws": Row(PARSE, 400),
    "escruri": Row(),
    "baddate": Row(),
    "regbadct": Row(CONTACT, 400),
    "badaspec": Row(ADDRESS, 400),
    "baddn": Row(ADDRESS, 400, WAITS),
    "badvers": Row(PARSE, 505),
    "mismatch01": Row(PARSE, 400),
    "mismatch02": Row(PARSE, 400),
    "bigcode": Row(PARSE, DROP),
    "badbranch": Row(),
    "insuf": Row(PARSE, 400),
    "unkscm": Row(URI, 416),
    "novelsc": Row(URI, 416),
    "unksm2": Row(LATER, 400),
    "bext01": Row(LATER, 420),
    "invut": Row(),
    "regaut01": Row(),
    "multi01": Row(PARSE, 400),
    "mcl01": Row(PARSE, 400, LOST),
    "bcast": Row(LATER, DROP),
    "zeromf": Row(LATER, 483),
    "cparam01": Row(),
    "cparam02": Row(),
    "regescrt": Row(),
    "sdp01": Row(),
    "inv2543": Row(stream=LOST),
}
RFC5118 = {
    "ipv6-good": Row(),
    "ipv6-bad": Row(URI, 400),
    "port-ambiguous": Row(),
    "port-unambiguous": Row(),
    "via-received-param-with-delim": Row(),
    "via-received-param-no-delim": Row(),
    "ipv6-in-sdp": Row(),
    "mult-ip-in-header": Row(),
    "mult-ip-in-sdp": Row(),
    "ipv4-mapped-ipv6": Row(),
    "ipv6-bug-abnf-3-colons": Row(),
    "ipv6-correct-abnf-2-colons": Row(),
}
RESPONSES = ("unreason", "noreason", "scalarlg", "bigcode", "bcast")
# The published Content-Length is too long; the `wire` form has the right length.
TOO_LONG = ("ipv6-in-sdp", "mult-ip-in-sdp")
# No empty line behind the head: a stream waits for the line, and never takes bare line ends for an empty line.
NOT_CLOSED = ("ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons")


def judge(data: bytes) -> tuple[str, int]:
    """The part of this room that refuses `data` as a datagram, and the status."""
    try:
        parsed = parse(data)
    except MalformedMessage as error:
        return PARSE, error.status if error.request is not None else DROP
    if not isinstance(parsed, Request):
        return NOBODY, 200
    try:
        SipUri.parse(parsed.uri)
    except MalformedMessage as error:
        return URI, error.status
    for value in (parsed.headers.get(b"from"), parsed.headers.get(b"to")):
        try:
            NameAddr.parse(value or b"")
        except MalformedMessage as error:
            return ADDRESS, error.status
    for value in parsed.headers.split(b"contact"):
        try:
            NameAddr.parse(value)
        except MalformedMessage as error:
            return CONTACT, error.status
    return NOBODY, 200


def framed(data: bytes, step: int) -> str:
    """The result of a framer for `data` in segments of `step` bytes."""
    framer = StreamFramer()
    frames: list[bytes | KeepAlive] = []
    try:
        for start in range(0, len(data), step):
            frames += framer.feed(data[start : start + step])
    except FramingLost as error:
        frames += error.messages
        return {0: LOST, 2: TWO_AND_LOST}[len(frames)]
    if not frames:
        return WAITS if framer.pending else "nothing"
    assert frames == [data]
    return ONE


def expected(row: Row) -> tuple[str, int]:
    return (NOBODY, 200) if row.who == LATER else (row.who, row.status)


@pytest.mark.parametrize(("folder", "table"), [("rfc4475", RFC4475), ("rfc5118", RFC5118)])
def test_the_table_equals_the_index(shared_vectors: Path, folder: str, table: dict[str, Row]) -> None:
    entries = tomllib.loads((shared_vectors / folder / "index.toml").read_text())["message"]
    assert [entry["name"] for entry in entries] == list(table)
    for entry in entries:
        row = table[entry["name"]]
        data = (shared_vectors / folder / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        if row.who == NOBODY:
            assert entry["parse"] != "must_reject", entry
            # Angle brackets around the Request-URI may be removed instead (RFC 4475 §3.1.2.7).
            assert entry["action"] in ("process", "reject_or_tolerate") or entry["name"] == "ltgtruri", entry
        elif row.status == DROP:
            assert entry["action"] == "drop", entry
        else:
            assert row.status in entry["status"], entry
            assert entry["action"].startswith("reject"), entry
        if row.who == PARSE:
            assert entry["parse"] != "must_accept", entry


@pytest.mark.parametrize("name", RFC4475)
def test_rfc4475_on_udp(shared_vectors: Path, name: str) -> None:
    assert judge(vector(shared_vectors, name)) == expected(RFC4475[name])


@pytest.mark.parametrize("step", [1, 7, 65536])
@pytest.mark.parametrize("name", RFC4475)
def test_rfc4475_on_a_stream(shared_vectors: Path, name: str, step: int) -> None:
    assert framed(vector(shared_vectors, name), step) == RFC4475[name].stream


@pytest.mark.parametrize("name", [name for name, row in RFC4475.items() if row.stream == ONE])
def test_rfc4475_two_in_one_segment(shared_vectors: Path, name: str) -> None:
    data = vector(shared_vectors, name)
    assert StreamFramer().feed(data + data) == [data, data]
    who, status = judge(data)
    if who == PARSE:
        error = refusal(data, framing=BY_LENGTH)
        assert (error.status if error.request is not None else DROP) == status
    else:
        assert parse(data, framing=BY_LENGTH).to_bytes() == parse(data).to_bytes()


@pytest.mark.parametrize("name", [name for name in RFC4475 if name not in RESPONSES])
def test_rfc4475_as_messages(shared_vectors: Path, name: str) -> None:
    head, closed, body = vector(shared_vectors, name).partition(b"\r\n\r\n")
    method = head.partition(b" ")[0]
    data = head.replace(method, b"MESSAGE") + closed + body
    assert judge(data) == expected(RFC4475[name])


@pytest.mark.parametrize("name", [name for name, row in RFC4475.items() if row.who == PARSE and row.status])
def test_every_refusal_can_be_answered(shared_vectors: Path, name: str) -> None:
    row = RFC4475[name]
    data = vector(shared_vectors, name)
    error = refusal(data)
    assert isinstance(error.request, Request)
    answer = build_response(error.request, row.status, to_tag=b"t")
    head = data.partition(b"\r\n\r\n")[0]
    assert answer.via is not None
    assert answer.via.host in head
    assert all(text in head for name, text in answer.headers.fields if name in (b"via", b"call-id"))
    assert answer.to_bytes().startswith(b"SIP/2.0 %d " % row.status)
    assert answer.to_bytes().endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("name", RFC5118)
def test_rfc5118_on_udp(shared_vectors: Path, name: str) -> None:
    assert judge(wire(shared_vectors, name)) == expected(RFC5118[name])


@pytest.mark.parametrize("name", RFC5118)
def test_f5_rfc5118_as_published_on_udp(shared_vectors: Path, name: str) -> None:
    data = published(shared_vectors, name)
    assert judge(data) == ((PARSE, 400) if name in TOO_LONG else expected(RFC5118[name]))


@pytest.mark.parametrize("step", [1, 7, 65536])
@pytest.mark.parametrize("name", RFC5118)
def test_rfc5118_on_a_stream(shared_vectors: Path, name: str, step: int) -> None:
    assert framed(wire(shared_vectors, name), step) == RFC5118[name].stream
    assert framed(published(shared_vectors, name), step) == (WAITS if name in NOT_CLOSED else LOST)
