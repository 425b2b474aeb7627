"""Messages made to cost time: each has a clear result, and the steps grow no faster than the size.

Steps are executed lines of Python, counted by a trace function. A step in C is one split, find or copy.

"""

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from msilod.errors import MalformedMessage
from msilod.sip import limits
from msilod.sip.address import NameAddr
from msilod.sip.framing import StreamFramer
from msilod.sip.grammar import quoted_end, split_outside
from msilod.sip.message import Request, response_bytes
from msilod.sip.parser import parse
from msilod.sip.salvage import salvage
from msilod.sip.uri import SipUri
from tests.sip.samples import message, refusal, request


def steps(call: Callable[[], object]) -> int:
    """The number of lines that `call` executes. A MalformedMessage is a result too."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except MalformedMessage:
        pass
    finally:
        sys.settrace(before)
    return count


SHAPES = {
    "quotes": b'"',
    "quoted strings": b'"a" ',
    "escaped quotes": b'\\"',
    "backslashes": b"\\",
    "open brackets": b"<",
    "brackets": b"<>",
    "brackets and quotes": b'<">"',
    "commas": b",",
    "semicolons": b";",
    "parameters": b";a=b",
    "equals": b"=",
    "slashes": b"/",
    "colons": b":",
    "spaces": b" ",
    "tabs": b"\t",
    "escapes": b"%41",
    "percent signs": b"%",
    "at signs": b"@",
    "nulls": b"\x00",
    "high bytes": b"\xff",
    "digits": b"9",
    "zeros": b"0",
    "lines": b"\r\nX: y",
    "folds": b"\r\n y",
    "empty folds": b"\r\n ",
    "line feeds": b"\n",
    "carriage returns": b"\r",
    "names": b"\r\nX",
    "vias": b"\r\nv: SIP/2.0/UDP h;branch=x",
    "joined vias": b",SIP/2.0/UDP h;branch=x",
    "lengths": b"\r\nl: 0",
    "texts": b"a",
}
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "the start line": lambda bomb: message(start=b"MESSAGE " + bomb + b" SIP/2.0"),
    "the method": lambda bomb: message(start=bomb + b" sip:a@b SIP/2.0"),
    "a user": lambda bomb: message(start=b"MESSAGE sip:" + bomb + b"@b SIP/2.0"),
    "a via": lambda bomb: message(via=b"Via: SIP/2.0/UDP h;branch=x" + bomb),
    "a sent-by": lambda bomb: message(via=b"Via: SIP/2.0/UDP " + bomb),
    "a cseq": lambda bomb: message(cseq=b"CSeq: " + bomb),
    "a call-id": lambda bomb: message(call_id=b"Call-ID: " + bomb),
    "a length": lambda bomb: message(b"Content-Length: " + bomb, body=None),
    "a subject": lambda bomb: message(b"Subject: " + bomb),
    "a name": lambda bomb: message(bomb + b": x"),
    "a status line": lambda bomb: message(start=b"SIP/2.0 200 " + bomb),
    "the beginning": lambda bomb: bomb + message(),
    "nothing else": lambda bomb: bomb,
}
SMALL = 2000


def bomb(shape: bytes, size: int) -> bytes:
    return shape * (size // len(shape))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("stream", [False, True])
def test_the_cost_of_a_bomb_in_a_message_grows_with_its_size_only(
    place: Callable[[bytes], bytes], shape: bytes, stream: bool
) -> None:
    one, two, four = (steps(partial(parse, place(bomb(shape, SMALL * times)), stream)) for times in (1, 2, 4))
    assert two <= 2 * one + 400
    assert four <= 2 * two + 400


READERS: dict[str, Callable[[bytes], object]] = {
    "a list": lambda data: split_outside(data, b","),
    "a quoted string": lambda data: quoted_end(b'"' + data),
    "an address": NameAddr.parse,
    "an address with parameters": lambda data: NameAddr.parse(b"<sip:a@b>;x=" + data),
    "a uri": SipUri.parse,
    "the user of a uri": lambda data: SipUri.parse(b"sip:" + data + b"@b").aor(),
    "the parameters of a uri": lambda data: SipUri.parse(b"sip:a@b;x=y" + data),
    "two equal uris": lambda data: SipUri.parse(b"sip:a@b;x=y" + data).equals(
        SipUri.parse(b"sip:a@b;x=y" + data)
    ),
    "what is salvaged": lambda data: salvage(message(b"Subject: x" + data)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_the_cost_of_a_bomb_in_a_value_grows_with_its_size_only(
    reader: Callable[[bytes], object], shape: bytes
) -> None:
    one, two, four = (steps(partial(reader, bomb(shape, size))) for size in (900, 1800, 3600))
    assert two <= 2 * one + 200
    assert four <= 2 * two + 200


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("step", [1, 100, 65536])
def test_the_cost_of_a_bomb_on_a_stream_grows_with_its_size_only(shape: bytes, step: int) -> None:
    def feed(size: int) -> None:
        framer = StreamFramer()
        data = message(b"X: y" + bomb(shape, size), body=b"x" * size)
        for start in range(0, len(data), step):
            framer.feed(data[start : start + step])

    one, two, four = (steps(partial(feed, size)) for size in (1000, 2000, 4000))
    assert two <= 2 * one + 200
    assert four <= 2 * two + 200


def test_a_body_that_comes_byte_by_byte_is_not_scanned_again() -> None:
    def feed(size: int) -> int:
        data = message(body=b"x" * size)
        framer = StreamFramer()

        def all_bytes() -> None:
            for position in range(len(data)):
                framer.feed(data[position : position + 1])

        return steps(all_bytes)

    assert feed(20000) <= 2 * feed(10000) + 200


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_64_kb_of_any_bytes_are_refused_or_parsed(shape: bytes) -> None:
    data = bomb(shape, 65535)
    error = refusal(data)
    assert error.status in (400, 513)
    assert error.request is None
    error = refusal(message(b"X: y" + data, body=None))
    assert error.status in (400, 513)


def test_t3_the_largest_datagram_is_parsed() -> None:
    head = message(body=b"")
    data = message(body=b"x" * (65535 - len(head) - 4))
    assert len(data) == 65535
    assert len(request(data).body) > 65000


def test_a_head_of_16_kb_passes_and_a_longer_one_is_513() -> None:
    def head_of(size: int) -> bytes:
        lines = [b"X-Y: " + b"y" * 4000] * 3
        rest = size - len(message(*lines, b"X-Y: ", body=None)) + 4
        return message(*lines, b"X-Y: " + b"y" * rest, body=None)

    fits, long = head_of(limits.MAX_HEADERS_BYTES), head_of(limits.MAX_HEADERS_BYTES + 1)
    assert fits.index(b"\r\n\r\n") == limits.MAX_HEADERS_BYTES
    assert request(fits).headers.get(b"x-y") is not None
    error = refusal(long)
    assert (error.status, error.request is not None) == (513, True)
    assert refusal(b"\r\n" + long).status == 513
    assert refusal(long + b"z" * 40000).status == 513


def test_200_fields_pass_and_1000_are_513() -> None:
    assert len(request(message(*[b"X: y"] * 192)).headers.fields) == limits.MAX_FIELDS
    for count in (193, 1000):
        error = refusal(message(*[b"X: y"] * count))
        assert (error.status, error.request is not None) == (513, True)


def test_a_line_of_8_kb_passes_and_a_longer_one_is_513() -> None:
    assert request(message(b"X-Y: " + b"y" * (limits.MAX_LINE - 5))).headers.get(b"x-y") is not None
    assert refusal(message(b"X-Y: " + b"y" * (limits.MAX_LINE - 4))).status == 513


@pytest.mark.parametrize("glue", [b"\r\nVia: ", b","])
def test_70_vias_pass_and_100_are_513(glue: bytes) -> None:
    def vias(count: int) -> bytes:
        return message(via=b"Via: " + glue.join([b"SIP/2.0/UDP h;branch=x"] * count))

    assert len(request(vias(70)).headers.split(b"via")) == limits.MAX_VIAS
    for count in (71, 100):
        error = refusal(vias(count))
        assert error.status == 513
        assert isinstance(error.request, Request)
        assert len(response_bytes(error.request, 513)) < limits.MAX_HEADERS_BYTES


def test_numbers_of_many_digits_are_refused_without_conversion() -> None:
    digits = b"9" * 8000
    for data in (
        message(cseq=b"CSeq: " + digits + b" MESSAGE"),
        message(b"Content-Length: " + digits, body=None),
        message(via=b"Via: SIP/2.0/UDP h:" + digits),
        message(start=b"SIP/2.0 " + digits + b" OK"),
    ):
        assert refusal(data).status == 400
