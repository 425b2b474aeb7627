"""Parses one datagram or one framed message into a Request or a Response (RFC 3261 §7, §18.3)."""

import pytest

from msilod.sip import limits
from msilod.sip.flow import BY_LENGTH, BY_WEBSOCKET
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from tests.sip.samples import message, refusal, request, response


def test_a_message_is_split_into_its_parts() -> None:
    parsed = request(message(b"X-Odd: 1"))
    assert (parsed.method, parsed.uri, parsed.body) == (b"MESSAGE", b"sip:bob@example.test", b"hello")
    assert (parsed.cseq, parsed.call_id) == (20, b"5f0b2c1e@192.0.2.17")
    assert (parsed.via.branch, parsed.via.host, parsed.via.port) == (b"z9hG4bKf7c1a5", b"192.0.2.17", 5071)
    assert [name for name, _ in parsed.headers.fields] == [
        b"via", b"max-forwards", b"from", b"to", b"call-id", b"cseq", b"content-type", b"x-odd",
        b"content-length",
    ]  # fmt: skip


def test_f4_a_line_keeps_its_bytes() -> None:
    odd = b"sUBJECT \t:   caf\xc3\xa9 \xff\x00 "
    assert request(message(odd)).headers.fields[7] == (b"subject", odd)


def test_f1_compact_names_equal_the_long_names() -> None:
    data = message(
        via=b"v: SIP/2.0/UDP h;branch=x", to=b"t:sip:b@h", call_id=b"i: 1", **{"from": b"F: sip:a@h;tag=1"}
    )
    parsed = request(data)
    assert (parsed.via.branch, parsed.call_id, parsed.to.uri, parsed.from_.tag) == (
        b"x",
        b"1",
        b"sip:b@h",
        b"1",
    )


@pytest.mark.parametrize(
    "top",
    [
        b"Via: SIP/2.0/UDP a;branch=x,SIP/2.0/TCP b;branch=y",
        b'Via: SIP/2.0/UDP a;z=","; branch=x , SIP/2.0/TCP b;branch=y',
        b"Via: SIP/2.0/UDP a;branch=x\r\nVia: SIP/2.0/TCP b;branch=y",
    ],
)
def test_f3_the_top_via_is_the_first_value_of_the_first_line(top: bytes) -> None:
    parsed = request(message(via=top))
    assert (parsed.via.branch, parsed.via.host) == (b"x", b"a")
    assert len(parsed.headers.split(b"via")) == 2


def test_f2_folded_lines_become_one_line() -> None:
    data = message(
        b"Subject: a\r\n b\r\n\tc",
        via=b"Via:\r\n SIP/2.0/UDP\r\n h;\r\n branch=x",
        cseq=b"CSeq: 20\r\n MESSAGE",
    )
    parsed = request(data)
    assert parsed.headers.get(b"subject") == b"a b c"
    assert (parsed.via.branch, parsed.cseq) == (b"x", 20)
    assert b"\r\n " not in parsed.to_bytes()
    assert b"\r\n\t" not in parsed.to_bytes()


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", b"\n", b"\r\n" * 500])
def test_f5_line_ends_before_the_start_line_are_skipped(before: bytes) -> None:
    assert request(before + message()).to_bytes() == message()


def test_f5_bare_line_feeds_are_accepted_on_udp_and_not_sent_on() -> None:
    data = message(b"Subject: a\n b", end=b"\n")
    assert b"\r" not in data
    parsed = request(data)
    assert parsed.to_bytes() == message(b"Subject: a b")
    assert request(b"\n\n" + message(end=b"\n")).body == b"hello"


def test_f5_bare_line_feeds_are_refused_on_a_stream() -> None:
    assert refusal(message(end=b"\n"), framing=BY_LENGTH).status == 400


def test_f5_empty_lines_in_a_body_belong_to_the_body() -> None:
    for body in (b"a\n\nb\r\n\r\nc", b"\r\n\r\n", b"\n\n"):
        assert request(message(body=body)).body == body
        assert request(message(body=body, end=b"\n")).body == body


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: a\nVia: SIP/2.0/UDP evil;branch=x",
        b"Subject: a\rVia: SIP/2.0/UDP evil;branch=x",
        b"Subject: a\r",
        b"Subject: a\n",
        b"Subject: a\n\nb",
    ],
)
def test_f5_one_different_line_end_is_400(line: bytes) -> None:
    error = refusal(message(line))
    assert (error.status, error.request is not None) == (400, True)
    assert refusal(message(line), framing=BY_LENGTH).status == 400


def test_f5_a_carriage_return_among_bare_line_feeds_is_400() -> None:
    assert refusal(message(b"Subject: a\rb", end=b"\n")).status == 400


def test_baddn_the_end_of_a_datagram_ends_the_head() -> None:
    whole = message(body=None)
    assert request(whole[:-2]).to_bytes() == whole[:-2] + b"Content-Length: 0\r\n\r\n"
    bare = message(body=None, end=b"\n")
    assert request(bare[:-1]).body == b""


@pytest.mark.parametrize("cut", [1, 3, 4, 10])
def test_a_datagram_that_ends_within_a_line_is_400(cut: int) -> None:
    data = message(body=None)
    assert refusal(data[:-cut]).status == 400


def test_a_message_without_its_end_is_400_on_a_stream() -> None:
    assert refusal(message(body=None)[:-2], framing=BY_LENGTH).status == 400


def test_mixed_ends_without_an_empty_line_are_400() -> None:
    assert refusal(message(body=None)[:-2] + b"X: y\n").status == 400


@pytest.mark.parametrize(
    "low", [b"Via: SIP/2.0/UDP b;branch=y", b"Contact: <sip:b@h>\r\nv: SIP/2.0/UDP b;branch=y"]
)
def test_f3_the_first_of_two_vias_counts_wherever_the_second_is(low: bytes) -> None:
    parsed = request(message(via=b"Via: SIP/2.0/UDP a;branch=x\r\n" + low))
    assert (parsed.via.branch, parsed.received[b"via"].strip()) == (b"x", b"SIP/2.0/UDP a;branch=x")


@pytest.mark.parametrize(
    ("lines", "is_one"),
    [
        (b"Via: SIP/2.0/UDP a;branch=x", True),
        (b"Via: SIP/2.0/UDP a;branch=x\r\nRoute: <sip:r;lr>\r\nRoute: <sip:s;lr>", True),
        (b"Via: SIP/2.0/UDP a;branch=x, SIP/2.0/UDP b;branch=y", False),
        (b"Via: SIP/2.0/UDP a;branch=x\r\nv: SIP/2.0/UDP b;branch=y", False),
        (
            b"Route: <sip:r;lr>\r\nv: SIP/2.0/UDP a;branch=x\r\nContact: <sip:b@h>\r\nVia: SIP/2.0/UDP b;branch=y",
            False,
        ),
    ],
)
def test_a_parsed_request_knows_whether_it_passed_a_proxy(lines: bytes, is_one: bool) -> None:
    parsed = request(message(via=lines))
    assert parsed.has_one_via is is_one
    assert (len(parsed.headers.split(b"via")) == 1) is is_one


def test_repeated_fields_are_found_below_two_vias() -> None:
    vias = b"Via: SIP/2.0/UDP a;branch=x\r\nVia: SIP/2.0/UDP b;branch=y"
    assert refusal(message(b"To: <sip:eve@h>", via=vias)).status == 400


@pytest.mark.parametrize("name", ["via", "to", "from", "call_id", "cseq"])
def test_f6_a_missing_required_field_is_400(name: str) -> None:
    error = refusal(message(**{name: b""}))
    assert (error.status, error.request is None) == (400, name == "via")


@pytest.mark.parametrize(
    "line",
    [
        b"t: sip:x@y",
        b"From: sip:x@y",
        b"i: 2",
        b"CSeq: 20 MESSAGE",
        b"Max-Forwards: 70",
        b"Content-Length: 4",
    ],
)
def test_f6_a_repeated_single_field_is_400(line: bytes) -> None:
    error = refusal(message(line))
    assert error.status == 400
    assert isinstance(error.request, Request)
    answer = build_response(error.request, 400)
    assert len(answer.headers.fields) == 5


def test_the_same_content_length_twice_counts_as_one() -> None:
    assert request(message(b"l: 5")).body == b"hello"


@pytest.mark.parametrize(
    ("line", "cseq"),
    [
        (b"CSeq: 0 MESSAGE", 0),
        (b"CSeq: 0009\t  MESSAGE ", 9),
        (b"CSeq:2147483648 MESSAGE", 2**31),
        (b"CSeq: 4294967295 MESSAGE", 2**32 - 1),
        (b"CSeq: " + b"0" * 101 + b"7 MESSAGE", 7),
    ],
)
def test_f7_cseq_is_a_number_of_32_bits(line: bytes, cseq: int) -> None:
    assert request(message(cseq=line)).cseq == cseq


@pytest.mark.parametrize(
    "line",
    [
        b"CSeq:",
        b"CSeq: MESSAGE",
        b"CSeq: 20",
        b"CSeq: 20 MESSAGE x",
        b"CSeq: 20MESSAGE",
        b"CSeq: -1 MESSAGE",
        b"CSeq: +1 MESSAGE",
        b"CSeq: 1_0 MESSAGE",
        b"CSeq: 4294967296 MESSAGE",
        b"CSeq: " + b"3" * 101 + b" MESSAGE",
        b"CSeq: \xd9\xa1 MESSAGE",
        b"CSeq: 20 INVITE",
        b"CSeq: 20 message",
        b"CSeq: 20 M@",
    ],
)
def test_f7_any_other_cseq_is_400(line: bytes) -> None:
    error = refusal(message(cseq=line))
    assert (error.status, error.request is not None) == (400, True)


def test_a_method_may_be_any_token() -> None:
    method = b"!interesting-Method0123456789_*+`.%indeed'~"
    data = message(start=method + b" sip:a@b SIP/2.0", cseq=b"CSeq: 1 " + method)
    assert request(data).method == method


@pytest.mark.parametrize("version", [b"SIP/7.0", b"sip/3.0", b"SIP/2.00", b"SIP/"])
def test_f8_another_version_is_505(version: bytes) -> None:
    data = message(start=b"MESSAGE sip:a@b " + version, via=b"Via: SIP/7.0/UDP h:5070;branch=x")
    error = refusal(data)
    assert error.status == 505
    assert isinstance(error.request, Request)
    assert (error.request.via.host, error.request.via.port) == (b"h", 5070)


def test_f8_the_version_may_be_in_any_case() -> None:
    assert request(message(start=b"MESSAGE sip:a@b sip/2.0")).uri == b"sip:a@b"
    assert response(message(start=b"sip/2.0 200 OK")).status == 200


@pytest.mark.parametrize(
    "start",
    [
        b"MESSAGE",
        b"MESSAGE sip:a@b",
        b"MESSAGE  sip:a@b SIP/2.0",
        b"MESSAGE sip:a@b  SIP/2.0",
        b"MESSAGE sip:a@b SIP/2.0 ",
        b" MESSAGE sip:a@b SIP/2.0",
        b"MESSAGE sip:a@b; lr SIP/2.0",
        b"MESSAGE <sip:a@b SIP/2.0",
        b"MESSAGE <<sip:a@b>> SIP/2.0",
        b"MESSAGE <> SIP/2.0",
        b"MESSAGE sip:a@b#1 SIP/2.0",
        b"MESSAGE sip:a@b\x00 SIP/2.0",
        b"MESSAGE sip:\xff@b SIP/2.0",
        b"MESSAGE  SIP/2.0",
        b"MES@AGE sip:a@b SIP/2.0",
        b"MESSAGE sip:a@b HTTP/1.1",
        b"GET / HTTP/1.1",
    ],
)
def test_a_bad_request_line_is_400(start: bytes) -> None:
    assert refusal(message(start=start)).status == 400


def test_a_long_request_uri_is_414() -> None:
    error = refusal(message(start=b"MESSAGE sip:" + b"a" * limits.MAX_URI + b"@b SIP/2.0"))
    assert (error.status, error.request is not None) == (414, True)


@pytest.mark.parametrize(
    "line",
    [
        b"Subject",
        b"Via",
        b": x",
        b"Sub ject: x",
        b"Subj\x00ect: x",
        b"S\xc3\xbcbject: x",
        b"<a>: b",
        b" : x\x00"[1:],
    ],
)
def test_a_bad_field_name_is_400(line: bytes) -> None:
    error = refusal(message(line))
    assert (error.status, error.request is not None) == (400, True)


def test_a_fold_behind_the_start_line_is_400() -> None:
    assert refusal(message().replace(b"\r\n", b"\r\n ", 1)).status == 400


@pytest.mark.parametrize(
    "line", [b"Call-ID:", b"Call-ID:  ", b"Call-ID: a b", b"Call-ID: a\x00", b"Call-ID: \xff"]
)
def test_a_bad_call_id_is_400(line: bytes) -> None:
    assert refusal(message(call_id=line)).status == 400


@pytest.mark.parametrize("length", [b"6", b"9999", b"-999", b"+5", b"5_0", b"0x5", b"", b"five", b"9" * 101])
def test_t7_clerr_ncl_a_datagram_shorter_than_its_length_is_400(length: bytes) -> None:
    error = refusal(message(b"Content-Length: " + length, body=None) + b"hello")
    assert (error.status, error.request is not None) == (400, True)


def test_t7_dblreq_bytes_behind_the_body_are_dropped() -> None:
    assert request(message() + message()).body == b"hello"
    assert request(message(body=b"") + b"\r\nINVITE").body == b""


def test_t7_without_a_length_the_body_runs_to_the_end() -> None:
    assert request(message(body=None) + b"hello\r\n").body == b"hello\r\n"


def test_t8_on_a_stream_the_length_is_required_and_must_be_right() -> None:
    assert isinstance(parse(message(), framing=BY_LENGTH), Request)
    for data in (message(body=None) + b"x", message() + b"x", message()[:-1]):
        assert refusal(data, framing=BY_LENGTH).status == 400


def test_t12_in_a_websocket_message_content_length_is_optional_and_must_be_right() -> None:
    whole = message(body=b"hello")
    assert isinstance(parse(whole, BY_WEBSOCKET), Request)
    without = whole.replace(b"Content-Length: 5\r\n", b"")
    assert without != whole
    parsed = parse(without, BY_WEBSOCKET)
    assert parsed.body == b"hello"
    for lie in (b"4", b"6", b"x"):
        data = whole.replace(b"Content-Length: 5", b"Content-Length: " + lie)
        assert refusal(data, BY_WEBSOCKET).status == 400
    assert refusal(whole + whole, BY_WEBSOCKET).status == 400, "two messages are one too many"
