"""Messages on a stream: T7, T8, T18 (RFC 3261 §18.3, RFC 5626 §4.4.1)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.sip import limits
from msilod.sip.framing import KEEP_ALIVE, FramingLost, KeepAlive, StreamFramer
from msilod.sip.message import Request
from tests.sip.samples import message

ONE = message(body=b"one\r\n\r\n")
TWO = message(b"X: " + b"y" * 300, body=b"")
PING = b"\r\n\r\n"
Frames = list[bytes | KeepAlive]


def fed(*segments: bytes) -> Frames:
    """All results of one framer."""
    framer = StreamFramer()
    return [frame for segment in segments for frame in framer.feed(segment)]


def lost(*segments: bytes) -> FramingLost:
    with pytest.raises(FramingLost) as caught:
        fed(*segments)
    return caught.value


def test_a_message_in_one_segment_is_one_message() -> None:
    assert fed(ONE) == [ONE]


def test_t7_dblreq_two_messages_in_one_segment_are_two() -> None:
    assert fed(ONE + TWO) == [ONE, TWO]


def test_a_message_byte_by_byte_is_one_message() -> None:
    framer = StreamFramer()
    for position in range(len(ONE) - 1):
        assert framer.feed(ONE[position : position + 1]) == []
        assert framer.pending
    assert framer.feed(ONE[-1:]) == [ONE]
    assert not framer.pending


@given(st.lists(st.sampled_from([ONE, TWO, PING]), max_size=6), st.lists(st.integers(0, 3000), max_size=8))
def test_a_stream_cut_anywhere_has_the_same_results(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    segments = [stream[start:end] for start, end in itertools.pairwise(edges)]
    messages = [frame for frame in fed(*segments) if frame is not KEEP_ALIVE]
    assert messages == [part for part in parts if part is not PING]


def test_t18_a_ping_between_messages_is_reported() -> None:
    assert fed(PING) == [KEEP_ALIVE]
    assert fed(ONE, PING, TWO, PING) == [ONE, KEEP_ALIVE, TWO, KEEP_ALIVE]
    assert fed(b"\r", b"\n", b"\r", b"\n") == [KEEP_ALIVE]
    assert repr(KEEP_ALIVE) == "<KeepAlive>"


def test_t18_several_pings_in_one_segment_get_one_answer() -> None:
    assert fed(PING * 5000) == [KEEP_ALIVE]


@pytest.mark.parametrize("part", [b"\r", b"\r\n", b"\r\n\r"])
def test_t18_a_single_line_end_is_no_ping_and_no_message(part: bytes) -> None:
    framer = StreamFramer()
    assert framer.feed(part) == []
    assert not framer.pending


def test_f5_a_line_end_before_a_message_is_skipped() -> None:
    assert fed(b"\r\n" + ONE + b"\r\n", TWO) == [ONE, TWO]


@pytest.mark.parametrize("start", [b"\n", b"\rX", b"\n\n", b"\r\r\n"])
def test_other_line_ends_between_messages_lose_the_stream(start: bytes) -> None:
    error = lost(start + ONE)
    assert (error.status, error.messages) == (400, [])


@pytest.mark.parametrize(
    "length", [b"Content-Length: 7", b"l:7", b"CONTENT-LENGTH \t: 007", b"Content-Length:\r\n 7"]
)
def test_f1_a_length_is_found_in_every_spelling(length: bytes) -> None:
    data = message(length, body=None) + b"one\r\n\r\n"
    assert fed(data + ONE) == [data, ONE]


def test_the_same_length_twice_counts_as_one() -> None:
    data = message(b"Content-Length: 3", b"l: 3", body=None) + b"one"
    assert fed(data) == [data]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 400),
        ((b"Content-Length",), 400),
        ((b"X-Content-Length: 3",), 400),
        ((b"Content-Length:",), 400),
        ((b"Content-Length: -999",), 400),
        ((b"Content-Length: five",), 400),
        ((b"Content-Length: 1_0",), 400),
        ((b"Content-Length: 3", b"l: 5"), 400),
        ((b"Content-Length: 3", b"X: a\nContent-Length: 5"), 400),
        ((b"Content-Length: 3", b"X: a\rContent-Length: 5"), 400),
        ((b"Content-Length: 65537",), 413),
        ((b"Content-Length: " + b"9" * 101,), 413),
    ],
)
def test_t8_an_unreliable_length_loses_the_stream(lines: tuple[bytes, ...], status: int) -> None:
    error = lost(message(*lines, body=None) + b"hello")
    assert error.status == status
    assert isinstance(error.request, Request)
    assert error.request.call_id == b"5f0b2c1e@192.0.2.17"


def test_t8_complete_messages_before_a_fault_are_not_lost() -> None:
    error = lost(ONE + PING + message(body=None))
    assert error.messages == [ONE, KEEP_ALIVE]


def test_t8_a_response_without_a_length_is_not_answered() -> None:
    assert lost(message(start=b"SIP/2.0 200 OK", body=None)).request is None


def test_a_fold_behind_the_start_line_loses_the_stream() -> None:
    assert lost(ONE.replace(b"\r\n", b"\r\n ", 1)).status == 400


def test_clerr_a_message_shorter_than_its_length_waits() -> None:
    framer = StreamFramer()
    assert framer.feed(message(b"Content-Length: 9999", body=None)) == []
    assert framer.pending


def test_f5_bare_line_feeds_lose_the_stream_at_once() -> None:
    assert lost(message(end=b"\n")).status == 400


def test_f5_bare_line_feeds_are_seen_in_a_stream_cut_anywhere() -> None:
    data = message(end=b"\n")
    assert lost(*(data[i : i + 1] for i in range(len(data)))).status == 400


def test_a_head_without_end_is_513() -> None:
    start = message(body=None)[:-2]
    error = lost(start + b"X: " + b"y" * limits.MAX_HEADERS_BYTES)
    assert (error.status, error.request is not None) == (513, True)


def test_a_head_without_end_in_pieces_is_513() -> None:
    error = lost(*[b"x"] * (limits.MAX_HEADERS_BYTES + 1))
    assert (error.status, error.request) == (513, None)


def test_the_longest_body_passes_and_the_limit_can_be_lower() -> None:
    data = message(body=b"x" * limits.MAX_BODY)
    assert fed(data) == [data]
    with pytest.raises(FramingLost) as caught:
        StreamFramer(max_body=4).feed(message())
    assert caught.value.status == 413


def test_a_tls_hello_is_refused_at_its_first_byte() -> None:
    assert lost(b"\x16\x03\x01\x02\x00\x01").request is None


def test_a_framer_tells_whether_the_head_is_complete() -> None:
    framer = StreamFramer()
    framer.feed(ONE[:20])
    assert framer.pending
    assert not framer.is_in_body
    framer.feed(ONE[20:-1])
    assert framer.is_in_body
    framer.feed(ONE[-1:])
    assert not framer.is_in_body
