"""Requests, responses and answers (RFC 3261 §8.2.6)."""

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.headers import Headers
from msilod.sip.message import Request, Response, build_response, response_bytes
from tests.sip.samples import message, request, response


def test_from_and_to_are_parsed_once_and_on_demand() -> None:
    parsed = request(message())
    assert (parsed.from_.uri, parsed.from_.tag, parsed.to.uri, parsed.to.tag) == (
        b"sip:alice@example.test", b"3b1f", b"sip:bob@example.test", b"",
    )  # fmt: skip
    assert parsed.from_ is parsed.from_
    assert parsed.to is parsed.to


def test_an_unreadable_from_is_400_only_on_demand() -> None:
    parsed = request(message(**{"from": b'From: "x <sip:a@b>', "to": b"To: ;"}))
    for name in ("from_", "to"):
        with pytest.raises(MalformedMessage) as caught:
            getattr(parsed, name)
        assert caught.value.status == 400


def test_a_request_of_ours_without_from_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="Missing From"):
        _ = Request(b"MESSAGE", b"sip:a@b", Headers()).from_


def test_f4_a_message_is_written_as_received() -> None:
    data = message(b"X-Odd :  \xff \x00 ", b"Subject:", b"v: SIP/2.0/TCP x")
    assert request(data).to_bytes() == data


def test_content_length_is_always_written_right() -> None:
    parsed = request(message(body=b"12345"))
    parsed.body = b"123"
    assert parsed.to_bytes().endswith(b"Content-Length: 3\r\n\r\n123")
    parsed.headers.prepend(b"l", b"77")
    assert parsed.to_bytes().count(b"77") == 0
    assert parsed.to_bytes().lower().count(b"length: 3") == 1
    parsed.headers.remove(b"content-length")
    assert parsed.to_bytes().endswith(b"Content-Length: 3\r\n\r\n123")


def test_a_right_content_length_keeps_its_spelling_and_place() -> None:
    parsed = request(message(b"l :  0005", b"Subject: x", body=None) + b"12345")
    assert b"\r\nContent-Length: 5\r\nSubject: x\r\n\r\n12345" in parsed.to_bytes()
    parsed = request(message(b"l :  5", b"Subject: x", body=None) + b"12345")
    assert b"\r\nl :  5\r\nSubject: x\r\n\r\n12345" in parsed.to_bytes()


def test_a_copy_shares_no_fields() -> None:
    parsed = request(message())
    twin = parsed.copy()
    twin.headers.remove(b"via")
    twin.uri = b"sip:x@y"
    assert parsed.to_bytes() == message()
    assert (twin.cseq, twin.call_id, twin.via, twin.body) == (
        20,
        b"5f0b2c1e@192.0.2.17",
        parsed.via,
        b"hello",
    )
    assert repr(parsed) == "<Request b'MESSAGE' b'sip:bob@example.test' b'5f0b2c1e@192.0.2.17' 20>"


def test_a_copy_of_a_response_shares_no_fields() -> None:
    answer = build_response(request(message()), 200, to_tag=b"x")
    twin = answer.copy()
    twin.headers.remove(b"via")
    assert answer.headers.get(b"via") is not None
    assert (twin.status, twin.reason, twin.cseq, twin.cseq_method, twin.to_tag) == (
        200,
        b"OK",
        20,
        b"MESSAGE",
        b"x",
    )
    assert repr(twin) == "<Response 200 b'OK' b'MESSAGE' 20>"


ANSWER = (
    b"SIP/2.0 202 Accepted\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5\r\n"
    b'From: "Alice" <sip:alice@example.test>;tag=3b1f\r\n'
    b"To: <sip:bob@example.test>;tag=ours\r\n"
    b"Call-ID: 5f0b2c1e@192.0.2.17\r\n"
    b"CSeq: 20 MESSAGE\r\n"
    b"v: SIP/2.0/UDP below;branch=1\r\n"
    b"Retry-After: 5\r\n"
    b"Content-Length: 0\r\n\r\n"
)
LOWER = b"v: SIP/2.0/UDP below;branch=1"


def test_an_answer_copies_only_the_fields_of_the_rfc() -> None:
    asked = request(message(LOWER, b"Timestamp: 54"))
    assert response_bytes(asked, 202, b"ours", [(b"Retry-After", b"5")]) == ANSWER


def test_both_ways_of_building_an_answer_are_equal() -> None:
    asked = request(message(LOWER))
    built = build_response(asked, 202, to_tag=b"ours", headers=[(b"Retry-After", b"5")])
    assert built.to_bytes() == ANSWER
    assert (built.via, built.cseq, built.cseq_method) == (asked.via, 20, b"MESSAGE")
    assert response(ANSWER).to_bytes() == ANSWER


def test_an_answer_may_have_a_body_and_a_phrase() -> None:
    built = build_response(request(message()), 488, b"Not Here", body=b"why")
    assert built.to_bytes().startswith(b"SIP/2.0 488 Not Here\r\n")
    assert built.to_bytes().endswith(b"Content-Length: 3\r\n\r\nwhy")


@pytest.mark.parametrize("status", [101, 299, 699])
def test_a_code_without_a_phrase_has_the_phrase_of_its_class(status: int) -> None:
    asked = request(message())
    first = response_bytes(asked, status, b"").partition(b"\r\n")[0]
    assert first.startswith(b"SIP/2.0 %d " % status)
    assert build_response(asked, status).to_bytes().startswith(first)
    assert len(first) > 12


def test_a_100_has_the_timestamp_and_no_tag() -> None:
    asked = request(message(b"Timestamp: 54"))
    for answer in (response_bytes(asked, 100), build_response(asked, 100).to_bytes()):
        assert b"\r\nTimestamp: 54\r\n" in answer
        assert b"\r\nTo: <sip:bob@example.test>\r\n" in answer


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (b"To: <sip:bob@h.test>;tag=theirs", b"To: <sip:bob@h.test>;tag=theirs"),
        (b"To: <sip:bob@h.test>;TAG=theirs", b"To: <sip:bob@h.test>;TAG=theirs"),
        (b'To: "tag=x" <sip:tag@h.test;tag=u>', b'To: "tag=x" <sip:tag@h.test;tag=u>;tag=ours'),
        (b"t:sip:bob@h.test;x=y", b"t:sip:bob@h.test;x=y;tag=ours"),
        (b'To: "tag <sip:bob@h.test>', b'To: "tag <sip:bob@h.test>;tag=ours'),
    ],
)
def test_a_to_without_a_tag_gets_our_tag(to: bytes, expected: bytes) -> None:
    asked = request(message(to=to))
    assert b"\r\n" + expected + b"\r\n" in response_bytes(asked, 202, b"ours")
    assert b"\r\n" + expected + b"\r\n" in build_response(asked, 202, to_tag=b"ours").to_bytes()


def test_f13_a_value_that_would_split_an_answer_is_refused() -> None:
    asked = request(message())
    evil = [(b"Warning", b"399 x\r\nContact: <sip:evil>")]
    with pytest.raises(ValueError, match="CR, LF"):
        response_bytes(asked, 400, b"", evil)
    with pytest.raises(ValueError, match="CR, LF"):
        build_response(asked, 400, headers=evil)


def test_a_response_without_to_has_no_tag() -> None:
    with pytest.raises(MalformedMessage):
        _ = Response(200, b"OK", Headers()).to_tag
