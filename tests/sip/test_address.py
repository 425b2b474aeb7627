"""name-addr and addr-spec (RFC 3261 §20.10, §25.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from tests.sip.samples import outcome

Params = list[tuple[bytes, bytes | None]]


@pytest.mark.parametrize(
    ("value", "display", "uri", "params"),
    [
        (b"<sip:a@h.test>", b"", b"sip:a@h.test", []),
        (b" <sip:a@h.test;lr> ;tag=x ; y", b"", b"sip:a@h.test;lr", [(b"tag", b"x"), (b"y", None)]),
        (b'"A. \\" B"<sip:a@h.test>', b'"A. \\" B"', b"sip:a@h.test", []),
        (b'"<sip:x>" <sip:a@h.test>', b'"<sip:x>"', b"sip:a@h.test", []),
        (b"Alice Liddell\t<sip:a@h.test>", b"Alice Liddell", b"sip:a@h.test", []),
        (b"caller<sip:a@h.test>", b"caller", b"sip:a@h.test", []),
        (b"J\xc3\xbcrgen <sip:a@h.test>", b"J\xc3\xbcrgen", b"sip:a@h.test", []),
        (b"sip:a@h.test", b"", b"sip:a@h.test", []),
        (b"sip:a@h.test ;tag = x", b"", b"sip:a@h.test", [(b"tag", b"x")]),
        (b"sip:a@h.test;unknownparam", b"", b"sip:a@h.test", [(b"unknownparam", None)]),
        (b"<sip:a@h.test;unknownparam>", b"", b"sip:a@h.test;unknownparam", []),
        (b'sip:a@h.test;x="<;>";q=0.5', b"", b"sip:a@h.test", [(b"x", b'"<;>"'), (b"q", b"0.5")]),
        (
            b'<sip:a@h.test>;+sip.instance="<urn:uuid:1>"',
            b"",
            b"sip:a@h.test",
            [(b"+sip.instance", b'"<urn:uuid:1>"')],
        ),
        (b"<sip:a@h.test?Route=%3Csip:b%3E>", b"", b"sip:a@h.test?Route=%3Csip:b%3E", []),
        (b"<http://www.example.test>;tag=", b"", b"http://www.example.test", [(b"tag", b"")]),
        (b"<sip:a@[::1]>;received=[::1]", b"", b"sip:a@[::1]", [(b"received", b"[::1]")]),
    ],
)
def test_f11_every_form_is_split_into_its_parts(
    value: bytes, display: bytes, uri: bytes, params: Params
) -> None:
    parsed = NameAddr.parse(value)
    assert (parsed.display, parsed.uri, list(parsed.params)) == (display, uri, params)
    again = NameAddr.parse(parsed.to_bytes())
    assert (again.display, again.uri, list(again.params)) == (display, uri, params)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"*",
        b"<>",
        b"<sip:a@h.test",
        b"< sip:a@h.test>",
        b"<sip:a@h.test >",
        b"<sip:a@h.test>x",
        b"<sip:a@h.test>;",
        b"<sip:a@h.test>;;x",
        b"<sip:a@h.test>;=x",
        b"<sip:a@h.test>;x y=z",
        b'<sip:a@h.test>;x="y',
        b'<sip:a@h.test>;x="y"z',
        b"<sip:a@h.test>;tag=a;TAG=b",
        b"<sip:a@h.test>;tag=\x00",
        b'"A <sip:a@h.test>',
        b'"A" sip:a@h.test',
        b'"A"',
        b"Bell, Alexander <sip:a@h.test>",
        b"A;b <sip:a@h.test>",
        b'A "B" <sip:a@h.test>',
        b"A\x00 <sip:a@h.test>",
        b"sip:a@h.test?Route=x",
        b"sip:a@h.test,sip:b@h.test",
        b"a@h.test",
        b":a",
        b"<<sip:a@h.test>>",
        b"<sip:\xff@h.test>",
        b"<sip:" + b"a" * 5000 + b"@h.test>",
    ],
)
def test_f11_a_bad_address_is_400(value: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        NameAddr.parse(value)
    assert caught.value.status == 400


def test_a_parameter_is_found_in_any_case() -> None:
    parsed = NameAddr.parse(b"<sip:a@h.test>;TAG=x;Q=0.3;ob")
    assert parsed.tag == b"x"
    assert parsed.get(b"q") == b"0.3"
    assert parsed.get(b"ob") == b""
    assert parsed.get(b"expires") is None
    assert NameAddr.parse(b"sip:a@h.test").tag == b""


@pytest.mark.parametrize(
    "value", [b"<sip:a@h.test>;tag=x", b"<sip:a@h.test>;TAG=x;q=1", b"sip:a@h.test ;q=1;tag = x"]
)
def test_the_tag_is_one_of_the_parameters(value: bytes) -> None:
    parsed = NameAddr.parse(value)
    assert parsed.tag == parsed.get(b"tag") == b"x"


def test_an_address_can_be_built() -> None:
    made = NameAddr(b'"Silo"', b"sip:silo@h.test", ((b"tag", b"x"),))
    assert made.to_bytes() == b'"Silo" <sip:silo@h.test>;tag=x'
    assert repr(made) == "<NameAddr b'\"Silo\" <sip:silo@h.test>;tag=x'>"


@given(st.binary(max_size=80))
def test_any_bytes_are_an_address_or_refused(value: bytes) -> None:
    parsed = outcome(NameAddr.parse, value)
    if parsed is not None:
        assert NameAddr.parse(parsed.to_bytes()).to_bytes() == parsed.to_bytes()
