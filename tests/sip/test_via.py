"""Via: parsing, rport and received, and the destination of an answer (RFC 3261 §18.2, RFC 3581, RFC 5118)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip.flow import Endpoint, Flow
from msilod.sip.stamp import stamp_source
from msilod.sip.via import NO_VIA, Via, parse_via, response_address, top_value
from tests.sip.samples import FLOW, message, outcome, request

PLAIN = b"SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5"
Params = dict[bytes, bytes | None]


def flow(host: str, port: int = 40001) -> Flow:
    return Flow(Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060"), host, port)


@pytest.mark.parametrize(
    ("value", "transport", "host", "port", "branch", "params"),
    [
        (PLAIN, b"UDP", b"192.0.2.17", 5071, b"z9hG4bKf7c1a5", {b"rport": None, b"branch": b"z9hG4bKf7c1a5"}),
        (b"SIP/2.0/TCP Example.TEST;branch=x", b"TCP", b"example.test", None, b"x", {b"branch": b"x"}),
        (b"SIP/2.0/UDP h", b"UDP", b"h", None, b"", {}),
        (b"SIP/2.0/UDP h;rport", b"UDP", b"h", None, b"", {b"rport": None}),
        (b"SIP/2.0/UDP h;branch=", b"UDP", b"h", None, b"", {b"branch": b""}),
        (b"sip/2.0/udp h;branch=x;alias", b"UDP", b"h", None, b"x", {b"branch": b"x", b"alias": None}),
        (b"SIP/2.0/UNKNOWN h;branch=x", b"UNKNOWN", b"h", None, b"x", {b"branch": b"x"}),
        (
            b"SIP  / 2.0  / TCP     spindle.example.com  : 0005070 ; branch  =   z9hG4bK9ikj8",
            b"TCP", b"spindle.example.com", 5070, b"z9hG4bK9ikj8", {b"branch": b"z9hG4bK9ikj8"},
        ),
        (
            b"SIP/2.0/UDP [2001:DB8::9:1]:5060;received=[2001:db8::9:255];branch=x;ttl=1",
            b"UDP", b"[2001:db8::9:1]", 5060, b"x",
            {b"received": b"[2001:db8::9:255]", b"branch": b"x", b"ttl": b"1"},
        ),
        (
            b"SIP/2.0/UDP [::1] : 5060;received=2001:db8::1;BRANCH=x",
            b"UDP", b"[::1]", 5060, b"x", {b"received": b"2001:db8::1", b"branch": b"x"},
        ),
        (
            b'SIP/2.0/UDP h;x="a;branch=b";branch=c;RPort',
            b"UDP", b"h", None, b"c", {b"x": b'"a;branch=b"', b"branch": b"c", b"rport": None},
        ),
        (b"SIP/2.0/UDP " + b"h" * 200 + b";branch=x", b"UDP", b"h" * 200, None, b"x", {b"branch": b"x"}),
    ],
)  # fmt: skip
def test_every_form_is_split_into_its_parts(
    value: bytes, transport: bytes, host: bytes, port: int | None, branch: bytes, params: Params
) -> None:
    via = parse_via(value)
    assert (via.transport, via.host, via.port, via.branch, via.params) == (
        transport,
        host,
        port,
        branch,
        params,
    )
    assert via.raw == bytes(via) == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"SIP/2.0/UDP",
        b"SIP/2.0/UDP ",
        b"SIP/2.0 UDP h;branch=x",
        b"SIP/7.0/UDP h;branch=x",
        b"HTTP/2.0/UDP h;branch=x",
        b"SIP/2.0/U@P h;branch=x",
        b"SIP/2.0/UDP h h;branch=x",
        b"SIP/2.0/UDP h\x00;branch=x",
        b"SIP/2.0/UDP \xff;branch=x",
        b"SIP/2.0/UDP :5060;branch=x",
        b"SIP/2.0/UDP h:;branch=x",
        b"SIP/2.0/UDP h:0;branch=x",
        b"SIP/2.0/UDP h:65536;branch=x",
        b"SIP/2.0/UDP h:+1;branch=x",
        b"SIP/2.0/UDP h:" + b"9" * 101 + b";branch=x",
        b"SIP/2.0/UDP [];branch=x",
        b"SIP/2.0/UDP [::1;branch=x",
        b"SIP/2.0/UDP [::g];branch=x",
        b"SIP/2.0/UDP [::1]x;branch=x",
        b"SIP/2.0/UDP [::1]x:5060;branch=x",
        b"SIP/2.0/UDP 2001:db8::1;branch=x",
        b"SIP/2.0/UDP h;;branch=x",
        b"SIP/2.0/UDP h;branch=x;",
        b"SIP/2.0/UDP h;branch=x;;rport",
        b"SIP/2.0/UDP h;=a;branch=x",
        b"SIP/2.0/UDP h;branch=x;branch=y",
        b"SIP/2.0/UDP h;branch=x;Branch=y",
        b"SIP/2.0/UDP h;rport;branch=x;rport",
        b"SIP/2.0/UDP h;a b;branch=x",
        b"SIP/2.0/UDP h;branch=x y",
        b"SIP/2.0/UDP h;branch=x\x00",
        b"SIP/2.0/UDP h;branch=x;a=\xff",
        b'SIP/2.0/UDP h;branch=x;a="b',
    ],
)
def test_a_bad_via_is_400(value: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_via(value)
    assert caught.value.status == 400


def test_a_cached_via_equals_the_parsed_via() -> None:
    for _ in range(2):
        assert (parse_via(PLAIN).transport, parse_via(PLAIN).port) == (b"UDP", 5071)


def test_the_top_value_ends_before_the_first_comma() -> None:
    assert top_value(b"SIP/2.0/UDP a;branch=x , SIP/2.0/UDP b") == b"SIP/2.0/UDP a;branch=x"
    assert top_value(b'SIP/2.0/UDP a;x="1,2";branch=x,SIP/2.0/UDP b') == b'SIP/2.0/UDP a;x="1,2";branch=x'
    assert top_value(b"SIP/2.0/UDP a") == b"SIP/2.0/UDP a"


@pytest.mark.parametrize(
    ("branch", "good"), [(b"z9hG4bKx", True), (b"z9hG4bK", False), (b"x", False), (b"z9hg4bkx", False)]
)
def test_x1_the_bare_cookie_identifies_nothing(branch: bytes, good: bool) -> None:
    assert parse_via(b"SIP/2.0/UDP h;branch=" + branch).has_cookie is good


@pytest.mark.parametrize(
    ("sent", "sent_by"),
    [
        (b"SIP/2.0/UDP H.test", b"h.test:5060"),
        (b"SIP/2.0/TLS h.test", b"h.test:5061"),
        (b"SIP/2.0/WS h.test", b"h.test:80"),
        (b"SIP/2.0/WSS h.test", b"h.test:443"),
        (b"SIP/2.0/UDP [2001:DB8::1]", b"[2001:db8::1]:5060"),
        (b"SIP/2.0/TLS h.test:5060", b"h.test:5060"),
    ],
)
def test_x1_sent_by_has_its_default_port(sent: bytes, sent_by: bytes) -> None:
    assert parse_via(sent).sent_by == sent_by


def test_the_via_of_our_own_request_names_nothing() -> None:
    assert (NO_VIA.branch, NO_VIA.has_cookie, NO_VIA.params) == (b"", False, {})
    assert repr(parse_via(b"SIP/2.0/UDP h")) == "<Via b'SIP/2.0/UDP h'>"


def stamped(via: bytes, source: Flow) -> tuple[bytes, Via]:
    """The Via line and object of a request from `source` with the Via value `via`."""
    parsed = request(message(via=b"Via: " + via))
    stamp_source(parsed, source)
    lines = parsed.headers.get_all(b"via")
    assert parse_via(top_value(lines[0])).params == parsed.via.params
    assert lines[0].startswith(parsed.via.raw)
    return lines[0], parsed.via


@pytest.mark.parametrize(
    ("via", "host", "expected"),
    [
        # RFC 3261 §18.2.1: no parameter is added.
        (b"SIP/2.0/UDP 192.0.2.17;branch=x", "192.0.2.17", b"SIP/2.0/UDP 192.0.2.17;branch=x"),
        (b"SIP/2.0/UDP [2001:DB8:0::1];branch=x", "2001:db8::1", b"SIP/2.0/UDP [2001:DB8:0::1];branch=x"),
        (b"SIP/2.0/UDP [::ffff:192.0.2.1];branch=x", "192.0.2.1", b"SIP/2.0/UDP [::ffff:192.0.2.1];branch=x"),
        # A name, another address.
        (b"SIP/2.0/UDP h.test;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP h.test;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP 192.0.2.17;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP 192.0.2.17;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP [::1:];branch=x", "::1", b"SIP/2.0/UDP [::1:];branch=x;received=::1"),
        (b"SIP/2.0/UDP [::1];branch=x", "2001:db8::1", b"SIP/2.0/UDP [::1];branch=x;received=2001:db8::1"),
        # RFC 3581 §4: rport gets the port, and received is always added with rport.
        (b"SIP/2.0/UDP 192.0.2.9;rport;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP 192.0.2.9;rport=40001;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;branch=x;rport", "192.0.2.9",
         b"SIP/2.0/UDP h;branch=x;rport=40001;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;branch=x;RPort", "192.0.2.9",
         b"SIP/2.0/UDP h;branch=x;rport=40001;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;rport ;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP h;rport=40001;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;rportal;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP h;rportal;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;rportal;rport;branch=x", "192.0.2.9",
         b"SIP/2.0/UDP h;rportal;rport=40001;branch=x;received=192.0.2.9"),
        (b'SIP/2.0/UDP h;y=";rport";branch=x', "192.0.2.9",
         b'SIP/2.0/UDP h;y=";rport";branch=x;received=192.0.2.9'),
        # The values of the sender are overwritten.
        (b"SIP/2.0/UDP h;rport=9;branch=x;received=203.0.113.1", "192.0.2.9",
         b"SIP/2.0/UDP h;rport=40001;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP h;rport;branch=x;Received=203.0.113.1", "192.0.2.9",
         b"SIP/2.0/UDP h;rport=40001;branch=x;received=192.0.2.9"),
        (b"SIP/2.0/UDP 192.0.2.9;branch=x;received=203.0.113.1", "192.0.2.9",
         b"SIP/2.0/UDP 192.0.2.9;branch=x;received=192.0.2.9"),
        # Only the top value, and only once.
        (b"SIP/2.0/UDP h;branch=x,SIP/2.0/UDP h;branch=x;rport", "192.0.2.9",
         b"SIP/2.0/UDP h;branch=x;received=192.0.2.9,SIP/2.0/UDP h;branch=x;rport"),
    ],
)  # fmt: skip
def test_t4_t5_the_source_is_written_into_the_top_via(via: bytes, host: str, expected: bytes) -> None:
    assert stamped(via, flow(host))[0] == expected


def test_t5_the_zone_is_no_part_of_the_address() -> None:
    via = stamped(b"SIP/2.0/UDP [fe80::1]:5060;rport;branch=x", flow("fe80::1%eth0"))[1]
    assert via.params[b"received"] == b"fe80::1"
    via = stamped(b"SIP/2.0/TCP [fe80::1];branch=x", flow("fe80::1%eth0"))[1]
    assert b"received" not in via.params


def test_t5_the_via_object_has_the_same_values() -> None:
    via = stamped(PLAIN, FLOW)[1]
    assert via.params == {b"rport": b"40001", b"branch": b"z9hG4bKf7c1a5", b"received": b"198.51.100.7"}
    assert (via.branch, via.host, via.port) == (b"z9hG4bKf7c1a5", b"192.0.2.17", 5071)


def test_t4_the_other_lines_stay() -> None:
    lower = b"v: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5"
    data = message(lower, via=b"VIA  :   " + PLAIN)
    parsed = request(data)
    before = parsed.headers.copy()
    stamp_source(parsed, FLOW)
    after = parsed.headers
    expected = b"VIA  :   SIP/2.0/UDP 192.0.2.17:5071;rport=40001;branch=z9hG4bKf7c1a5;received=198.51.100.7"
    assert after.fields == [(b"via", expected), *before.fields[1:]]


def test_t4_a_via_behind_other_fields_is_found() -> None:
    data = message(VIA_LINE, via=b"")
    parsed = request(data)
    stamp_source(parsed, FLOW)
    assert parsed.headers.get(b"via") == b"SIP/2.0/UDP h;branch=x;received=198.51.100.7"


VIA_LINE = b"Via: SIP/2.0/UDP h;branch=x"


@pytest.mark.parametrize(
    ("via", "host", "port"),
    [
        (b"SIP/2.0/UDP h.test", "h.test", 5060),
        (b"SIP/2.0/UDP H.test:5070;received=192.0.2.9", "192.0.2.9", 5070),
        (b"SIP/2.0/UDP h.test:5070;received=192.0.2.9;rport=40001", "192.0.2.9", 40001),
        (b"SIP/2.0/UDP h.test:5070;received=192.0.2.9;rport", "192.0.2.9", 5070),
        (b"SIP/2.0/TCP h.test:5070;received=192.0.2.9;rport=40001;maddr=m.test", "192.0.2.9", 5070),
        (b"SIP/2.0/TLS h.test", "h.test", 5061),
        (b"SIP/2.0/UDP h.test:5070;maddr=m.test;received=192.0.2.9;rport=40001", "m.test", 5070),
        (b"SIP/2.0/UDP [2001:DB8::1]", "2001:db8::1", 5060),
        (b"SIP/2.0/UDP h;received=[2001:db8::9]", "2001:db8::9", 5060),
    ],
)
def test_t6_an_answer_without_its_flow_goes_to_the_address_in_the_via(
    via: bytes, host: str, port: int
) -> None:
    assert response_address(parse_via(via)) == (host, port)


@pytest.mark.parametrize(
    "via",
    [
        b"SIP/2.0/UDP 255.255.255.255",
        b"SIP/2.0/UDP 0.0.0.0",
        b"SIP/2.0/UDP [::]",
        b"SIP/2.0/UDP h;maddr=224.0.1.75",
        b"SIP/2.0/UDP h;received=[ff02::1]",
        b'SIP/2.0/UDP h;received="\xff"',
        b"SIP/2.0/UDP h;rport=0",
        b"SIP/2.0/UDP h;rport=70000",
        b"SIP/2.0/UDP h;rport=x",
    ],
)
def test_t6_bcast_no_answer_goes_to_a_group_or_an_unusable_address(via: bytes) -> None:
    with pytest.raises(MalformedMessage):
        response_address(parse_via(via))


tokens = st.text("abcXYZ019-.!%*_+`'~", min_size=1).map(str.encode)
names = st.text("abcxyz019-_", min_size=1).map(lambda name: b"x" + name.encode())
hosts = st.sampled_from([b"h.test", b"192.0.2.9", b"[2001:db8::1]"])
others = st.dictionaries(names, st.one_of(st.none(), tokens, st.just(b'"a;b\\",c"')), max_size=4)
spaces = st.sampled_from([b"", b" ", b"\t "])


@given(tokens, hosts, st.one_of(st.none(), st.integers(1, 65535)), tokens, others, st.booleans(), spaces)
def test_white_space_has_no_meaning(
    transport: bytes, host: bytes, port: int | None, branch: bytes, params: Params, rport: bool, space: bytes
) -> None:
    params = {**params, b"branch": branch, **({b"rport": None} if rport else {})}
    pieces = [name if v is None else b"%b%b=%b%b" % (name, space, space, v) for name, v in params.items()]
    tail = b"".join(b"%b;%b%b" % (space, space, piece) for piece in pieces)
    port_text = b"" if port is None else b":%d" % port
    sent = b"SIP%b/%b2.0%b/%b%b %b%b%b" % (space, space, space, space, transport, space, host, port_text)
    via = parse_via(sent + tail)
    assert (via.transport, via.host, via.port) == (transport.upper(), host, port)
    assert (via.branch, via.params) == (branch, params)
    line, after = stamped(sent + tail, flow("203.0.113.5", 4444))
    assert after.params[b"received"] == b"203.0.113.5"
    assert after.params.get(b"rport") == (b"4444" if rport else None)
    assert parse_via(line).branch == branch


@given(st.binary(max_size=80))
def test_any_bytes_are_a_via_or_refused(tail: bytes) -> None:
    for head in (b"", b"SIP/2.0/UDP ", b"SIP/2.0/UDP h;branch=x", b"SIP/2.0/UDP h;rport;branch="):
        via = outcome(parse_via, head + tail)
        if via is not None:
            assert via.host
            assert (via.params.get(b"branch") or b"") == via.branch


fragments = st.lists(
    st.sampled_from(
        [b";", b";", b"=", b"branch", b"branch=", b"Branch=", b"rport", b"x", b"z9", b"]", b"@", b"\xff"]
    )
)


@given(fragments)
def test_the_fast_way_and_the_slow_way_agree(pieces: list[bytes]) -> None:
    value = b"SIP/2.0/UDP h:5070;branch=x".join([b"", b"".join(pieces)])
    short, long = outcome(parse_via, value), outcome(parse_via, value.replace(b";", b" ; "))
    assert (short is None) is (long is None)
    if short is not None and long is not None:
        assert (short.transport, short.host, short.port) == (long.transport, long.host, long.port)
        assert (short.branch, short.params) == (long.branch, long.params)
