"""SIP URIs: parsing, the key of a mailbox, equality (RFC 3261 §19.1, §10.3 step 5)."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip.uri import SipUri, parse_aor
from tests.sip.samples import outcome


def test_every_part_is_found() -> None:
    uri = SipUri.parse(b"SIPS:alice;day=tue:pw@Example.TEST:5071;Transport=TCP;lr?Subject=x&b=%41")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == (
        "sips",
        "alice;day=tue",
        "pw",
        "example.test",
        5071,
    )
    assert list(uri.params.items()) == [("transport", "TCP"), ("lr", None)]
    assert uri.headers == "Subject=x&b=%41"
    assert uri.transport == "tcp"
    assert str(uri) == "sips:alice;day=tue:pw@example.test:5071;transport=TCP;lr?Subject=x&b=%41"


def test_absent_parts_are_none() -> None:
    uri = SipUri.parse("sip:example.test")
    assert (uri.user, uri.password, uri.port, uri.params, uri.headers, uri.transport) == (
        None,
        None,
        None,
        {},
        "",
        None,
    )
    assert repr(uri) == "<SipUri sip:example.test>"


@pytest.mark.parametrize(
    "raw", ["tel:+15551234", "http://example.test/", "soap.beep://192.0.2.103", "isbn:123", "im:a@b"]
)
def test_another_scheme_is_416(raw: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        SipUri.parse(raw)
    assert caught.value.status == 416


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b":",
        b"sip",
        b"sip:",
        b"sips:",
        b"1sip:a@b",
        b"<sip:a@b>",
        b"sip:@b.test",
        b"sip:a@",
        b"sip:a@b@c.test",
        b"sip:a b@c.test",
        b"sip:a\x00@c.test",
        b"sip:a@b.test\r\nX: y",
        b"sip:\xc3\xbc@b.test",
        b"sip:a@b\xc3\xbc.test",
        b"sip:a@b.test;x=\xff",
        b"sip:a@b.test?x=\xff",
        b"sip:a%@b.test",
        b"sip:a%4@b.test",
        b"sip:a%zz@b.test",
        b"sip:a:p#@b.test",
        b"sip:a@b.test:",
        b"sip:a@b.test:0",
        b"sip:a@b.test:65536",
        b"sip:a@b.test:+1",
        b"sip:a@b.test:" + b"9" * 101,
        b"sip:a@b.test;",
        b"sip:a@b.test;;lr",
        b"sip:a@b.test;=x",
        b"sip:a@b.test;lr;LR",
        b"sip:a@[::1",
        b"sip:a@[::1]x",
        b"sip:a@[]",
        b"sip:a@[::g]",
        b"sip:a@[fe80::1%25eth0]",
        b"sip:a@2001:db8::10",
        b"sip:a@127.1",
        b"sip:a@192.0.2.256",
        b"sip:a@1.2.3.4.5",
        b"sip:a@b%2e.test",
        b"sip:a@b.test?x=<y>",
        b"sip:" + b"a" * 2048 + b"@b.test",
    ],
)
def test_garbage_is_400(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        SipUri.parse(raw)
    assert caught.value.status == 400


def test_text_that_is_not_ascii_is_400() -> None:
    with pytest.raises(MalformedMessage):
        SipUri.parse("sip:\u00fc@b.test")


@pytest.mark.parametrize(
    ("raw", "aor"),
    [
        ("sip:alice@example.test", "alice@example.test"),
        ("sips:%61lice:pw@EXAMPLE.test:5061;transport=tcp;user=phone?a=b", "alice@example.test"),
        ("sip:a%3bb%3Fc@h.test", "a;b?c@h.test"),
        ("sip:a;b?c@h.test", "a;b?c@h.test"),
        ("sip:Alice@h.test", "Alice@h.test"),
        ("sip:j%c3%bcrgen@h.test", "j%C3%BCrgen@h.test"),
        ("sip:null-%00-null@h.test", "null-%00-null@h.test"),
        ("sip:%0d%0A%7f@h.test", "%0D%0A%7F@h.test"),
        ("sip:a%40b@h.test", "a%40b@h.test"),
        ("sip:a%3Ab@h.test", "a%3Ab@h.test"),
        ("sip:value%2541@h.test", "value%2541@h.test"),
        ("sip:a@[2001:DB8::0010]", "a@[2001:db8::10]"),
        ("sip:a@[::FFFF:192.0.2.10]:5060", "a@[::ffff:192.0.2.10]"),
        ("sip:a@192.0.2.4", "a@192.0.2.4"),
    ],
)
def test_t17_all_spellings_of_a_mailbox_have_one_key(raw: str, aor: str) -> None:
    assert SipUri.parse(raw).aor() == aor


def test_a_mailbox_needs_a_user() -> None:
    with pytest.raises(MalformedMessage) as caught:
        SipUri.parse("sip:h.test").aor()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "literal"),
    [("sip:192.0.2.1", True), ("sip:[::1]:5060", True), ("sip:h.test", False), ("sip:a1.b2.test", False)],
)
def test_an_ip_literal_is_recognized(raw: str, literal: bool) -> None:
    assert SipUri.parse(raw).is_ip_literal is literal


def test_a_parameter_with_an_empty_value_is_kept() -> None:
    assert str(SipUri.parse("sip:h.test;ob=;transport=")) == "sip:h.test;ob=;transport="
    assert SipUri.parse("sip:h.test;transport=").transport is None


def test_f12_the_name_of_a_parameter_may_be_escaped() -> None:
    uri = SipUri.parse("sip:h.test;%6C%72;tr%61nsport=%74CP;%3B=x")
    assert list(uri.params) == ["lr", "transport", "%3b"]
    assert uri.transport == "tcp"
    assert SipUri.parse(str(uri)).params == uri.params
    with pytest.raises(MalformedMessage):
        SipUri.parse("sip:h.test;lr;%6Cr")


USER = "abcXYZ019-_.!~*'()&=+$,;?/"
users = st.lists(
    st.one_of(st.sampled_from(USER), st.integers(0, 255).map(lambda byte: f"%{byte:02x}")), min_size=1
).map("".join)


@given(users)
def test_the_key_of_a_key_is_the_same_key(user: str) -> None:
    aor = SipUri.parse(f"sip:{user}@h.test").aor()
    assert SipUri.parse(f"sip:{aor}").aor() == aor
    assert parse_aor(aor) == aor
    assert all(0x20 < ord(char) < 0x7F for char in aor)


hosts = st.sampled_from(["h.test", "a-b.c_d.test", "192.0.2.1", "[2001:db8::1]", "localhost"])
params = st.dictionaries(
    st.text("abcxyz019-._", min_size=1),
    st.one_of(st.none(), st.text("ABCxyz019[]/:&+$%25".replace("%", ""), min_size=1)),
)


@given(users, st.one_of(st.none(), st.just("pw")), hosts, st.one_of(st.none(), st.integers(1, 65535)), params)
def test_a_printed_uri_is_parsed_to_the_same_uri(
    user: str, password: str | None, host: str, port: int | None, params: dict[str, str | None]
) -> None:
    uri = SipUri("sip", user, host, port, params, "a=b", password)
    again = SipUri.parse(str(uri))
    assert str(again) == str(uri)
    assert (again.user, again.password, again.host, again.port, again.params) == (
        user,
        password,
        host,
        port,
        params,
    )
    assert uri.equals(again)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_uri_or_refused(raw: bytes) -> None:
    uri = outcome(SipUri.parse, b"sip:" + raw)
    if uri is not None:
        assert SipUri.parse(str(uri)).equals(uri)


def test_the_pairs_of_the_rfc_and_further_pairs_are_compared_right(shared_vectors: Path) -> None:
    pairs = tomllib.loads((shared_vectors / "uri_equiv.toml").read_text())["pair"]
    assert len(pairs) == 24
    for pair in pairs:
        a, b = SipUri.parse(pair["a"]), SipUri.parse(pair["b"])
        assert a.equals(b) is b.equals(a) is pair["equal"], pair


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("sip:%3ba@h.test", "sip:%3Ba@h.test", True),
        ("sip:a%00@h.test", "sip:a%00%00@h.test", False),
        ("sip:h.test;x", "sip:h.test;x=", False),
        ("sip:h.test;x=%41", "sip:h.test;x=a", True),
        ("sip:h.test?a=b&c=d", "sip:h.test?C=d&A=%62", True),
        ("sip:h.test?a=b", "sip:h.test?a=B", False),
        ("sip:[::1]", "sip:[0:0::1]", True),
    ],
)
def test_more_pairs_are_compared_right(a: str, b: str, equal: bool) -> None:
    assert SipUri.parse(a).equals(SipUri.parse(b)) is equal


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("alice@example.test", "alice@example.test"),
        (" sip:alice@Example.TEST ", "alice@example.test"),
        ("sips:%61lice@example.test:5061", "alice@example.test"),
        ("alice@example.test:5061", "alice@example.test"),
        ("alice@[::1]:5060", "alice@[::1]"),
    ],
)
def test_a_typed_name_is_a_mailbox(text: str, aor: str) -> None:
    assert parse_aor(text) == aor


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty address"),
        ("  ", "an empty address"),
        ("alice", "uri without user"),
        ("tel:+1555", "unsupported uri scheme"),
        ("a b@example.test", "bad user in uri"),
        ("alice@exa mple.test", "bad host in uri"),
        ("\u00fc@example.test", "uri not ascii"),
        ("a\x1b[2J@example.test", "bad user in uri"),
    ],
)
def test_f13_a_bad_name_is_refused_with_a_plain_text(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_aor(text)
    assert "\x1b" not in str(caught.value)
