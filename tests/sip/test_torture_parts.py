"""RFC 4475 and RFC 5118: the right reading of the parts of odd messages."""

from pathlib import Path

import pytest

from msilod.sip.address import NameAddr
from msilod.sip.framing import FramingLost, StreamFramer
from msilod.sip.grammar import unescape
from msilod.sip.uri import SipUri
from tests.sip.published import vector, wire
from tests.sip.samples import request, response


def test_wsinv_is_read_with_its_white_space(shared_vectors: Path) -> None:
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


def test_intmeth_is_read_completely(shared_vectors: Path) -> None:
    data = vector(shared_vectors, "intmeth")
    parsed = request(data)
    assert parsed.via.branch == b"z9hG4bK-.!%66*_+`'~"
    assert b"\x00" in parsed.to.display
    assert parsed.from_.tag == b"_token~1'+`*%!-."
    assert parsed.to_bytes() == data


def test_esc01_escapes_are_decoded_once(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "esc01"))
    uri = SipUri.parse(parsed.uri)
    assert uri.user == "sips%3Auser%40example.com"
    assert uri.aor() == "sips%3Auser%40example.com@example.net"
    contact = SipUri.parse(NameAddr.parse(parsed.headers.split(b"contact")[0]).uri)
    assert (contact.user, contact.aor()) == ("cal%6Cer", "caller@host5.example.net")
    assert contact.params == {"lr": None, "name": "v%61lue%25%34%31"}
    assert unescape(contact.params["name"] or "") == b"value%41"


def test_escnull_two_users_with_nulls_are_different(shared_vectors: Path) -> None:
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


def test_dblreq_on_a_stream_is_two_messages(shared_vectors: Path) -> None:
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


def test_cparam_a_parameter_stays_in_its_place(shared_vectors: Path) -> None:
    outside = NameAddr.parse(request(vector(shared_vectors, "cparam01")).headers.get(b"contact") or b"")
    inside = NameAddr.parse(request(vector(shared_vectors, "cparam02")).headers.get(b"contact") or b"")
    assert (outside.uri, list(outside.params)) == (
        b"sip:+19725552222@gw1.example.net",
        [(b"unknownparam", None)],
    )
    assert (inside.uri, list(inside.params)) == (b"sip:+19725552222@gw1.example.net;unknownparam", [])


def test_regescrt_and_escruri_keep_the_headers_part_apart(shared_vectors: Path) -> None:
    contact = NameAddr.parse(request(vector(shared_vectors, "regescrt")).headers.get(b"contact") or b"")
    assert SipUri.parse(contact.uri).headers == "Route=%3Csip:sip.example.com%3E"
    assert SipUri.parse(request(vector(shared_vectors, "escruri")).uri).headers.startswith("Route=")


def test_inv2543_is_read_as_a_request_of_rfc_2543(shared_vectors: Path) -> None:
    parsed = request(vector(shared_vectors, "inv2543"))
    assert (parsed.via.branch, parsed.via.has_cookie, parsed.from_.tag) == (b"", False, b"")
    assert b"\r\nContent-Length: %d\r\n" % len(parsed.body) in parsed.to_bytes()


def test_ports_are_outside_the_brackets(shared_vectors: Path) -> None:
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


def test_three_colons_are_read_as_two(shared_vectors: Path) -> None:
    bug = SipUri.parse(request(wire(shared_vectors, "ipv6-bug-abnf-3-colons")).uri)
    good = SipUri.parse(request(wire(shared_vectors, "ipv6-correct-abnf-2-colons")).uri)
    assert bug.host == good.host == "[2001:db8::c000:201]"
