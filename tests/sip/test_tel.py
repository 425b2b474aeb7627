"""tel URIs (RFC 3966): one number in all spellings, and texts that are no number."""

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.tel import is_tel, parse_tel


@pytest.mark.parametrize(
    ("raw", "number", "context"),
    [
        (b"tel:+420777123456", "+420777123456", ""),
        (b"TEL:+420-777.123(456)", "+420777123456", ""),
        (b"tel:+1-201-555-0123;ext=5", "+12015550123", ""),
        (b"tel:7042;phone-context=Example.com", "7042", "example.com"),
        (b"tel:863-1234;isub=1;Phone-Context=+1-914-555", "8631234", "+1-914-555"),
        (b"tel:*21#", "*21%23", ""),
        (b"tel:12AB", "12ab", ""),
    ],
)
def test_the_number_is_the_digits_of_the_uri(raw: bytes, number: str, context: str) -> None:
    assert is_tel(raw)
    assert parse_tel(raw) == (number, context)


@pytest.mark.parametrize(
    "raw",
    [
        b"tel:", b"tel:+", b"tel:+-()", b"tel:++1", b"tel:+1a", b"tel:+1*", b"tel:12 3", b"tel:1\r\nEvil: 1",
        b"tel:\xe2\x91\xa0", b"tel:" + b"1" * 65, b"tel:1" + b";" * 70_000, b"sip:+1@h", b"", b"tel",
    ],
)  # fmt: skip
def test_a_bad_number_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_tel(raw)
    assert caught.value.status == 400
