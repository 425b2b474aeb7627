"""Responses, and messages that are dropped without an answer (RFC 3261 §16.7, §18.3, §25.1)."""

import pytest

from msilod.sip.flow import BY_LENGTH
from tests.sip.samples import message, refusal, response

RESPONSE = b"SIP/2.0 200 OK"


@pytest.mark.parametrize(
    ("start", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, b"OK"),
        (b"SIP/2.0 100 ", 100, b""),
        (b"SIP/2.0 100", 100, b""),
        (b"SIP/2.0 699 = 2**3 * \xd0\xbf", 699, b"= 2**3 * \xd0\xbf"),
        (b"SIP/2.0 200 SIP/2.0", 200, b"SIP/2.0"),
    ],
)
def test_f14_a_response_is_split_into_its_parts(start: bytes, status: int, reason: bytes) -> None:
    parsed = response(message(start=start))
    assert (parsed.status, parsed.reason, parsed.body) == (status, reason, b"hello")
    assert (parsed.cseq, parsed.cseq_method, parsed.to_tag) == (20, b"MESSAGE", b"")
    assert parsed.via is not None
    assert parsed.via.branch == b"z9hG4bKf7c1a5"


@pytest.mark.parametrize(
    "start",
    [
        b"SIP/2.0 099 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 4294967301 x",
        b"SIP/2.0 20 x",
        b"SIP/2.0 2000 x",
        b"SIP/2.0 +20 x",
        b"SIP/2.0  200 x",
        b"SIP/2.0",
        b"SIP/7.0 200 OK",
        b"SIP/2.0 \xb2\xb2\xb2 x",
    ],
)
def test_f14_bigcode_any_other_status_is_dropped(start: bytes) -> None:
    assert refusal(message(start=start)).request is None


@pytest.mark.parametrize("start", [RESPONSE, b"ACK sip:bob@example.test SIP/2.0"])
@pytest.mark.parametrize("name", ["via", "to", "from", "call_id", "cseq"])
def test_malformed_responses_and_acks_are_dropped(start: bytes, name: str) -> None:
    assert refusal(message(start=start, **{name: b""})).request is None
    repeated = b"t: sip:x@y"
    assert refusal(message(repeated, start=start)).request is None


def test_x3_a_response_shorter_than_its_length_is_dropped() -> None:
    assert refusal(message(b"l: 9", start=RESPONSE, body=None)).request is None


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\n", b"\x00" * 100, b"\x80" * 100, b"\x00\x01\x00\x00!\x12\xa4B"]
)
def test_bytes_that_are_no_message_are_dropped(data: bytes) -> None:
    assert refusal(data).request is None
    assert refusal(data, framing=BY_LENGTH).request is None
