"""The answer to a malformed request (RFC 3261 §8.2.6.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.sip import limits
from msilod.sip.message import Request, response_bytes
from msilod.sip.salvage import salvage
from msilod.sip.stamp import stamp_source
from tests.sip.samples import FLOW, message


def saved(data: bytes) -> Request:
    found = salvage(data)
    assert found is not None
    return found


def test_the_fields_for_an_answer_are_read_from_a_good_request() -> None:
    found = saved(message(b"Timestamp: 5", b"Subject: x"))
    assert (found.method, found.uri, found.cseq, found.call_id) == (
        b"MESSAGE", b"sip:bob@example.test", 20, b"5f0b2c1e@192.0.2.17",
    )  # fmt: skip
    assert [name for name, _ in found.headers.fields] == [
        b"via",
        b"from",
        b"to",
        b"call-id",
        b"cseq",
        b"timestamp",
    ]
    assert found.via.branch == b"z9hG4bKf7c1a5"


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_answer_has_the_lines_as_received(end: bytes) -> None:
    data = message(
        b"To: sip:other@h", b"nonsense", to=b"t : \tsip:bob@h;x", cseq=b"CSeq: 77777777777 X", end=end
    )
    assert response_bytes(saved(data), 400) == (
        b"SIP/2.0 400 Bad Request\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5\r\n"
        b'From: "Alice" <sip:alice@example.test>;tag=3b1f\r\n'
        b"t : \tsip:bob@h;x\r\n"
        b"Call-ID: 5f0b2c1e@192.0.2.17\r\n"
        b"CSeq: 77777777777 X\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    "via",
    [
        b"SIP/2.0/UDP 192.0.2.15;;,;,,",
        b"SIP/7.0/UDP 192.0.2.15;rport;branch=x",
        b"SIP/2.0/UDP 192.0.2.15;branch=\xff",
        b'SIP/2.0/UDP 192.0.2.15;x="y',
    ],
)
def test_badinv01_an_unreadable_via_is_copied_into_the_answer(via: bytes) -> None:
    found = saved(message(via=b"Via: " + via))
    assert (found.via.host, found.via.transport) == (b"192.0.2.15", b"UDP")
    stamp_source(found, FLOW)
    assert b"198.51.100.7" in found.via.raw
    assert found.headers.fields[0][1].startswith(b"Via: " + found.via.raw)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        message(start=b"SIP/2.0 200 OK"),
        message(start=b"ACK sip:a@b SIP/2.0"),
        message(start=b"@ sip:a@b SIP/2.0"),
        message(via=b""),
        message(via=b"Via: nonsense"),
        message(via=b"Via: SIP/2.0/UDP \xff"),
        message(via=b"Via"),
        message().replace(b"\r\n", b"\r\n ", 1),
    ],
)
def test_without_a_usable_head_there_is_no_answer(data: bytes) -> None:
    assert salvage(data) is None


@pytest.mark.parametrize("line", [b"CSeq:", b"CSeq: x y", b"CSeq: 99999999999 MESSAGE", b""])
def test_an_unreadable_cseq_is_zero(line: bytes) -> None:
    assert saved(message(cseq=line)).cseq == 0


@pytest.mark.parametrize("line", [b"To: a\rb", b"To: a\x00b", b"To"])
def test_f13_a_line_that_splits_an_answer_is_not_copied(line: bytes) -> None:
    assert saved(message(to=line)).headers.get(b"to") is None


def test_half_a_line_is_ignored() -> None:
    data = message()
    cut = data[: data.index(b"CSeq") + 9]
    found = saved(cut)
    assert found.headers.get(b"call-id") is not None
    assert found.headers.get(b"cseq") is None


def test_the_answer_is_bounded() -> None:
    many = [b"v: SIP/2.0/UDP h;branch=x"] * 1000
    found = saved(message(*many))
    assert len(found.headers.get_all(b"via")) <= limits.MAX_VIAS
    assert len(response_bytes(found, 513)) < limits.MAX_HEADERS_BYTES


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_input_raises(noise: bytes, at: int) -> None:
    data = message()
    found = salvage(data[:at] + noise + data[at:])
    if found is not None:
        assert response_bytes(found, 400, b"tag").count(b"\r\n\r\n") == 1
