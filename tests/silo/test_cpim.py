"""message/cpim: reading a wrapper, and bodies that are no wrapper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.silo.intake.cpim import MAX_FIELDS, MAX_HEAD, Cpim, parse_cpim

IMDN = b"urn:ietf:params:imdn"
BODY = (
    b"From: Alice <sip:alice@example.test>\r\n"
    b"To: <sip:bob@example.test>\r\n"
    b"NS: x <urn:ietf:params:imdn>\r\n"
    b"x.Message-ID: 34jk324j\r\n"
    b"x.IMDN-Record-Route: <sip:a.test>\r\n"
    b"x.IMDN-Record-Route: <sip:b.test>\r\n"
    b"imdn.Message-ID: another\r\n"
    b"\r\n"
    b"Content-type: text/plain;charset=utf-8\r\n"
    b"\r\n"
    b"Hello\r\n\r\nthere"
)


def parsed(body: bytes) -> Cpim:
    cpim = parse_cpim(body)
    assert cpim is not None
    return cpim


def test_fields_are_found_by_name_and_namespace() -> None:
    cpim = parsed(BODY)
    assert cpim.get(b"from") == b"Alice <sip:alice@example.test>"
    assert cpim.get(b"message-id", IMDN) == b"34jk324j", "the prefix is the sender's to choose"
    assert cpim.get_all(b"imdn-record-route", IMDN) == [b"<sip:a.test>", b"<sip:b.test>"]
    assert cpim.get(b"message-id") == b""
    assert cpim.get(b"message-id", b"urn:other") == b""
    assert cpim.content_type == b"text/plain;charset=utf-8"


def test_fields_and_content_of_a_wrapper_may_be_absent() -> None:
    assert parsed(b"\r\n\r\nContent-Type: a/b\r\n\r\n").content_type == b"a/b"
    assert parsed(b"To: x\r\n\r\n").content_type == b""


@pytest.mark.parametrize(
    "body",
    [
        b"", b"Hello", b"From: x\r\nTo: y\r\n", b"From: x\n\nContent-Type: a/b\n\n", b"no colon\r\n\r\n",
        b"From: x\r\n\r\nno colon\r\n\r\n", b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00",
        b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n", b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_a_body_with_a_bad_or_too_long_wrapper_is_not_read(body: bytes) -> None:
    assert parse_cpim(body) is None


@given(st.binary(max_size=400))
def test_no_body_raises(body: bytes) -> None:
    cpim = parse_cpim(body)
    if cpim is not None:
        cpim.get(b"message-id", IMDN)
        assert isinstance(cpim.content_type, bytes)
