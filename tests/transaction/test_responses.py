"""Responses on the way back: the added Via, the Vias of the request, tags, and the remembered form."""

import pytest

from msilod.transaction.responses import answer_of, as_addressed, final_tag, take_top_via
from tests.transaction.station import Station, answer, message, received, response

OURS = b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKours"


def with_vias(*lines: bytes) -> bytes:
    data = answer(message(), 200)
    head, _, rest = data.partition(b"\r\n")
    _, _, rest = rest.partition(b"\r\n")
    return b"\r\n".join((head, *lines, rest))


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((OURS,), []),
        ((OURS, b"Via: SIP/2.0/UDP a;branch=z9hG4bK1"), [b"SIP/2.0/UDP a;branch=z9hG4bK1"]),
        ((OURS + b",SIP/2.0/UDP a;branch=z9hG4bK1",), [b"SIP/2.0/UDP a;branch=z9hG4bK1"]),
        (
            (OURS + b" , SIP/2.0/UDP a;branch=z9hG4bK1 ,SIP/2.0/TCP b", b"v: SIP/2.0/UDP c"),
            [b"SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b", b"SIP/2.0/UDP c"],
        ),
        ((OURS + b';x=","', b"Via: SIP/2.0/UDP a"), [b"SIP/2.0/UDP a"]),
    ],
)
def test_only_the_first_value_of_the_first_via_line_is_removed(
    lines: tuple[bytes, ...], left: list[bytes]
) -> None:
    given = response(with_vias(*lines))
    take_top_via(given)
    assert given.headers.get_all(b"via") == left
    assert given.via is None


def test_via_need_not_be_the_first_field() -> None:
    data = answer(message(), 200).replace(b"OK\r\n", b"OK\r\nServer: phone\r\n" + OURS + b"\r\n")
    given = response(data)
    take_top_via(given)
    assert [name for name, _ in given.headers.fields][:2] == [b"server", b"via"]
    assert as_addressed(given, received(message())) is given


@pytest.mark.parametrize(
    "damaged", [b"Via: nonsense", b"Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKevil", b"X: y"]
)
def test_an_answer_has_the_vias_of_its_request_whatever_the_device_sent(
    damaged: bytes,
) -> None:
    station = Station()
    station.hears(message())
    station.asks()
    head, _, rest = answer(station.requests()[0], 200).partition(b"\r\n")
    ours, _, rest = rest.partition(b"\r\n")
    _, _, rest = rest.partition(b"\r\n")
    station.hears_response(b"\r\n".join((head, ours, damaged, rest)))
    (given,) = station.responses()
    station.servers[0].forward(given, station.now)
    sent = response(station.sent[-1][1])
    assert sent.headers.get_all(b"via") == station.servers[0].request.headers.get_all(b"via")
    assert sent.status == 200


def test_an_answer_with_correct_vias_is_not_copied() -> None:
    request = received(message())
    given = response(answer(message(), 200))
    assert as_addressed(given, request) is given
    reformatted = response(answer(message(), 200).replace(b"Via: ", b"v:  "))
    assert as_addressed(reformatted, request) is reformatted


@pytest.mark.parametrize(
    ("to", "tag"),
    [
        (b"<sip:bob@example.test>;tag=abc", b"abc"),
        (b"<sip:bob@example.test;tag=uri>", b""),
        (b"<sip:bob@example.test>;TAG=abc", b"abc"),
        (b"<sip:bob@example.test>;tag=abc;x=y", b"abc"),
        (b'";tag=display" <sip:bob@example.test>', b""),
        (b"sip:bob@example.test;tag=abc", b"abc"),
        (b"<sip:bob@example.test>", b""),
        (b'"unclosed <sip:b@c>', b""),
    ],
)
def test_an_answer_gets_a_tag(to: bytes, tag: bytes) -> None:
    given = response(answer(message(to=to), 200, b""))
    assert final_tag(given) == tag


def test_the_remembered_form_of_an_answer() -> None:
    def remembered(status: int, *more: bytes, method: bytes = b"MESSAGE", tag: bytes = b"t") -> object:
        data = answer(message(), status, tag, more)
        kept = answer_of(method, response(data), data)
        return None if kept == data else kept

    assert remembered(200) == b"200 t"
    assert remembered(202, b"Server: phone", b"X-Anything: y") == b"202 t"
    assert remembered(404, b"User-Agent: phone") == b"404 t"
    assert remembered(299, b"Warning: 399 x y") == b"299 t"
    assert remembered(300, b"Warning: 399 x y") is None
    assert remembered(503, b"Retry-After: 5") is None
    assert remembered(200, method=b"OPTIONS") is None
    assert remembered(200, tag=b"") is None


def test_a_long_answer_is_remembered_without_body_or_as_a_status() -> None:
    data = answer(message(), 200, b"t", (b"Contact: <sip:bob@h>",))
    long = data.replace(b"Content-Length: 0", b"Content-Length : 60000") + bytes(60_000)
    assert answer_of(b"SUBSCRIBE", response(long), long) == data
    wide = answer(message(), 200, b"t", (b"X: " + b"y" * 5_000,))
    assert answer_of(b"SUBSCRIBE", response(wide), wide) == b"200 t"
    assert answer_of(b"SUBSCRIBE", response(data), data) == data
