"""add_date, add_contact and extra_hdrs: off by default, and only for messages that stay valid."""

import pytest

from msilod.silo.compose.delivery_request import build_delivery
from msilod.silo.policy import SiloPolicy
from msilod.sip.message import Request
from tests.silo.fake_daemon import row

DATED = SiloPolicy(add_date=True)
PREFIX = b"[Offline message - Tue, 14 Nov 2023 22:13:20 GMT] "


def delivered(policy: SiloPolicy, content_type: bytes = b"text/plain", headers: bytes = b"") -> Request:
    message = row(1)
    message.content_type, message.headers = content_type, headers
    return build_delivery(message, "sip:bob@192.0.2.7", (), policy, 0.0)


def test_by_default_nothing_is_added() -> None:
    request = delivered(SiloPolicy())
    assert request.body == b"text"
    assert b"contact" not in request.headers


@pytest.mark.parametrize(
    "content_type",
    [b"text/plain", b"Text/Plain; charset=UTF-8", b'text/plain;charset="iso-8859-1";format=flowed', b""],
)
def test_add_date_puts_the_time_before_plain_text(content_type: bytes) -> None:
    assert delivered(DATED, content_type).body == PREFIX + b"text"


@pytest.mark.parametrize(
    "content_type",
    [
        b"message/cpim", b"text/html", b"multipart/mixed;boundary=x", b"message/imdn+xml",
        b"text/plain;charset=utf-16", b"text/plain;charset=UTF-16LE", b"application/pkcs7-mime",
    ],
)  # fmt: skip
def test_w5_add_date_leaves_other_types_unchanged(content_type: bytes) -> None:
    assert delivered(DATED, content_type).body == b"text"


@pytest.mark.parametrize(
    "line", [b"Content-Encoding: gzip", b"e: deflate", b"content-transfer-encoding: base64"]
)
def test_add_date_leaves_encoded_bodies_unchanged(line: bytes) -> None:
    assert delivered(DATED, headers=line + b"\r\n").body == b"text"


def test_add_contact_is_the_sender_with_the_marker_of_ser() -> None:
    request = delivered(SiloPolicy(add_contact=True))
    assert request.headers.get(b"contact") == b"<sip:alice@example.test>;msilo=yes"


def test_extra_hdrs_are_added_unchanged() -> None:
    request = delivered(SiloPolicy(extra_hdrs=("X-Silo: yes", "P-hint:  a  b ")))
    assert request.headers.get(b"x-silo") == b"yes"
    assert request.headers.get(b"p-hint") == b"a  b"


@pytest.mark.parametrize("text", ["X-Silo", "X-Silo: a\r\nEvil: b", "X Silo: a", ": a"])
def test_a_line_that_is_no_header_field_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="header"):
        SiloPolicy(extra_hdrs=(text,))
