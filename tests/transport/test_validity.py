"""The times of a certificate, compared with the times that another reader finds; damaged certificates."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from msilod.transport.validity import Validity, validity
from tests.transport.authority import Authority


@pytest.mark.parametrize("is_rsa", [False, True])
@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (datetime(1951, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        # RFC 5280 §4.1.2.5: from 2050 on as GeneralizedTime.
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)),
        (datetime(2051, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_times_equal_those_of_another_reader(
    tmp_path: Path, begins: datetime, ends: datetime, is_rsa: bool
) -> None:
    certificate, _ = Authority(tmp_path).issue("example.test", is_rsa=is_rsa, begins=begins, ends=ends)
    pem = certificate.read_bytes()
    read = x509.load_pem_x509_certificate(pem)
    assert (read.not_valid_before_utc, read.not_valid_after_utc) == (begins, ends)
    assert validity(pem) == Validity(begins.timestamp(), ends.timestamp())
    assert validity(b"a comment\n" + pem.replace(b"\n", b"\r\n")) == validity(pem)


def test_an_error_names_the_bad_time() -> None:
    day = Validity(86_400.0, 172_800.0)
    assert [day.fault(at) for at in (86_400.0, 172_800.0)] == ["", ""]
    assert day.fault(86_399.0) == "is not valid before 1970-01-02 00:00:00 UTC"
    assert day.fault(172_801.0) == "has expired on 1970-01-03 00:00:00 UTC"


@given(st.binary(max_size=80))
def test_bytes_that_are_no_certificate_have_no_times(junk: bytes) -> None:
    pem = b"-----BEGIN CERTIFICATE-----%b-----END CERTIFICATE-----"
    assert validity(junk) is None
    assert validity(pem % junk) is None
    assert validity(pem % base64.b64encode(junk)) is None


def test_a_damaged_certificate_raises_the_same_error_only(tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).issue("example.test")
    der = base64.b64decode(certificate.read_bytes().split(b"-----")[2])
    pem = b"-----BEGIN CERTIFICATE-----%b-----END CERTIFICATE-----"
    for at in range(len(der)):
        for damaged in (der[:at], der[:at] + bytes([der[at] ^ 0x80]) + der[at + 1 :]):
            validity(pem % base64.b64encode(damaged))
