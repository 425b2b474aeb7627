"""RFC 4475 and RFC 5118, every message, against what its index.toml says; as far as this room decides.

The table says who refuses a message: `parse` itself, `uri` (the Request-URI, which the proxy reads),
`address` (From or To, which it reads too), `contact` (the registrar), `later` (a well-formed message; another
room answers with the status), or nobody. The last column is what a stream's framer makes of the same bytes.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.framing import FramingLost, KeepAlive, StreamFramer
from msilod.sip.grammar import unescape
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from msilod.sip.uri import SipUri
from tests.sip.samples import refusal, request, response

NOBODY, PARSE, URI, ADDRESS, CONTACT, LATER = "nobody", "parse", "uri", "address", "contact", "later"
ONE, TWO_AND_LOST, WAITS, LOST = "one", "two and lost", "waits", "lost"
DROP = 0


class Row(NamedTuple):
    """`who` refuses with `status` (0: without an answer); `stream` what the framer does."""

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
    "ltgtruri": Row(PARSE, 400),
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
# As they were published their Content-Length is too long; their `wire` form has it right.
TOO_LONG = ("ipv6-in-sdp", "mult-ip-in-sdp")
# No empty line behind the head: a stream waits for it, and never sees the bare line ends as an empty line.
NOT_CLOSED = ("ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons")


def vector(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 4475 message."""
    return (folder / "rfc4475" / f"{name}.dat").read_bytes()


def wire(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 5118 message, with line ends and length repaired."""
    return (folder / "rfc5118" / "wire" / f"{name}.dat").read_bytes()


def published(folder: Path, name: str) -> bytes:
    """The bytes of an RFC 5118 message as they stand in the archive."""
    return (folder / "rfc5118" / f"{name}.dat").read_bytes()


def judge(data: bytes) -> tuple[str, int]:
    """Who of this room refuses `data` as a datagram, and with which status."""
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
    """What a framer makes of `data` in segments of `step` bytes."""
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
def test_the_table_is_the_index_and_agrees_with_it(
    shared_vectors: Path, folder: str, table: dict[str, Row]
) -> None:
    entries = tomllib.loads((shared_vectors / folder / "index.toml").read_text())["message"]
    assert [entry["name"] for entry in entries] == list(table)
    for entry in entries:
        row = table[entry["name"]]
        data = (shared_vectors / folder / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        if row.who == NOBODY:
            assert entry["parse"] != "must_reject", entry
            assert entry["action"] in ("process", "reject_or_tolerate"), entry
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
        error = refusal(data, stream=True)
        assert (error.status if error.request is not None else DROP) == status
    else:
        assert parse(data, stream=True).to_bytes() == parse(data).to_bytes()


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


# What the parts of a message must be read as.


def test_wsinv_is_read_through_its_white_space(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "wsinv"))
    assert (parsed.via.transport, parsed.via.host, parsed.via.branch) == (b"UDP", b"192.0.2.2", b"390skdjuw")
    assert len(parsed.headers.split(b"via")) == 3
    assert (parsed.cseq, parsed.headers.get(b"max-forwards"), parsed.headers.get(b"subject")) == (
        9,
        b"0068",
        b"",
    )
    assert parsed.to.tag == b"1918181833n"
    assert parsed.from_.tag == b"98asjd8"
    assert parsed.from_.display == b'"J Rosenberg \\\\\\""'
    unknown = parsed.headers.get(b"unknownheaderwithunusualvalue")
    assert unknown == b";;,,;;,;"


def test_intmeth_is_read_to_its_odd_end(shared_vectors: Path) -> None:
    data = vector(shared_vectors, "intmeth")
    parsed = request(data)
    assert parsed.via.branch == b"z9hG4bK-.!%66*_+`'~"
    assert b"\x00" in parsed.to.display
    assert parsed.from_.tag == b"_token~1'+`*%!-."
    assert parsed.to_bytes() == data


def test_esc01_escapes_are_taken_away_once(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "esc01"))
    uri = SipUri.parse(parsed.uri)
    assert uri.user == "sips%3Auser%40example.com"
    assert uri.aor() == "sips%3Auser%40example.com@example.net"
    contact = SipUri.parse(NameAddr.parse(parsed.headers.split(b"contact")[0]).uri)
    assert (contact.user, contact.aor()) == ("cal%6Cer", "caller@host5.example.net")
    assert contact.params == {"lr": None, "name": "v%61lue%25%34%31"}
    assert unescape(contact.params["name"] or "") == b"value%41"


def test_escnull_two_users_with_nulls_are_two(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "escnull"))
    one, two = (SipUri.parse(NameAddr.parse(value).uri) for value in parsed.headers.split(b"contact"))
    assert not one.equals(two)
    assert SipUri.parse(parsed.to.uri).aor() == "null-%00-null@example.com"
    assert (one.aor(), two.aor()) == ("%00@host5.example.com", "%00%00@host5.example.com")


def test_esc02_names_are_not_escaped(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "esc02"))
    assert parsed.method == b"RE%47IST%45R"
    assert len(parsed.headers.get_all(b"contact")) == 2
    assert parsed.headers.get(b"c%6fntact") is not None
    assert b"%Z%45" in parsed.to.display + parsed.from_.display


def test_lwsdisp_needs_no_space(shared_vectors: Path) -> None:
    assert request(vector(shared_vectors, "lwsdisp")).from_.display == b"caller"


def test_longreq_has_all_its_vias(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "longreq"))
    assert len(parsed.headers.split(b"via")) == 34
    assert len(parsed.body) == 150


def test_dblreq_on_a_stream_is_two(shared_vectors: Path) -> None:
    data = vector(shared_vectors, "dblreq")
    with pytest.raises(FramingLost) as caught:
        StreamFramer().feed(data)
    first, second = (request(bytes(frame)) for frame in caught.value.messages if isinstance(frame, bytes))
    assert (first.method, second.method) == (b"REGISTER", b"INVITE")
    assert request(data).body == b""


def test_semiuri_the_user_ends_at_the_at(shared_vectors: Path) -> None:
    uri = SipUri.parse(request(vector(shared_vectors, "semiuri")).uri)
    assert (uri.user, uri.params) == ("user;par=u%40example.net", {})


def test_mpart01_keeps_every_byte_of_its_body(shared_vectors: Path) -> None:
    data = vector(shared_vectors, "mpart01")
    parsed = request(data)
    assert len(parsed.body) == 553
    assert parsed.to_bytes() == data


def test_reason_phrases_are_kept(shared_vectors: Path) -> None:
    data = vector(shared_vectors, "unreason")
    assert response(data).to_bytes() == data
    assert response(data).reason.decode().startswith("= 2**3 * 5**2 но сто девяносто девять")
    assert response(vector(shared_vectors, "noreason")).reason == b""


def test_badbranch_has_no_cookie(shared_vectors: Path) -> None:
    assert not request(vector(shared_vectors, "badbranch")).via.has_cookie


def test_cparam_a_parameter_stays_where_it_was(shared_vectors: Path) -> None:
    outside = NameAddr.parse(request(vector(shared_vectors, "cparam01")).headers.get(b"contact") or b"")
    inside = NameAddr.parse(request(vector(shared_vectors, "cparam02")).headers.get(b"contact") or b"")
    assert (outside.uri, outside.params) == (b"sip:+19725552222@gw1.example.net", [(b"unknownparam", None)])
    assert (inside.uri, inside.params) == (b"sip:+19725552222@gw1.example.net;unknownparam", [])


def test_regescrt_and_escruri_keep_the_headers_part_apart(shared_vectors: Path) -> None:
    contact = NameAddr.parse(request(vector(shared_vectors, "regescrt")).headers.get(b"contact") or b"")
    assert SipUri.parse(contact.uri).headers == "Route=%3Csip:sip.example.com%3E"
    assert SipUri.parse(request(vector(shared_vectors, "escruri")).uri).headers.startswith("Route=")


def test_inv2543_is_an_old_request(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "inv2543"))
    assert (parsed.via.branch, parsed.via.has_cookie, parsed.from_.tag) == (b"", False, b"")
    assert b"\r\nContent-Length: %d\r\n" % len(parsed.body) in parsed.to_bytes()


def test_ports_stand_outside_the_brackets(shared_vectors: Path) -> None:
    ambiguous = SipUri.parse(request(wire(shared_vectors, "port-ambiguous")).uri)
    assert (ambiguous.host, ambiguous.port) == ("[2001:db8::10:5070]", None)
    clear = SipUri.parse(request(wire(shared_vectors, "port-unambiguous")).uri)
    assert (clear.host, clear.port) == ("[2001:db8::10]", 5070)


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("via-received-param-with-delim", b"[2001:db8::9:255]"),
        ("via-received-param-no-delim", b"2001:db8::9:255"),
    ],
)
def test_received_is_read_in_both_forms(shared_vectors: Path, name: str, received: bytes) -> None:
    assert request(wire(shared_vectors, name)).via.params[b"received"] == received


def test_three_colons_are_two(shared_vectors: Path) -> None:
    bug = SipUri.parse(request(wire(shared_vectors, "ipv6-bug-abnf-3-colons")).uri)
    good = SipUri.parse(request(wire(shared_vectors, "ipv6-correct-abnf-2-colons")).uri)
    assert bug.host == good.host == "[2001:db8::c000:201]"
