"""The asserted identity, and credentials that are removed here (RFC 3325 §5, RFC 3261 §22.3, RFC 8224)."""

import pytest

from msilod.auth.identity import assert_identity, drop_own_credentials
from msilod.sip.privacy import guard_identity
from msilod.sip.uri import SipUri
from tests.silo.wire import message

ALICE = "alice@example.test"


def aor_of(uri: bytes) -> str:
    return SipUri.parse(uri).aor()


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [
        (None, b"<sip:alice@example.test>"),
        (b'"Alice A." <sip:alice@example.test>', b'"Alice A." <sip:alice@example.test>'),
        (b'"Boss" <sip:boss@example.test>', b"<sip:alice@example.test>"),
        (b"<sip:alice@example.test>", b"<sip:alice@example.test>"),
        (b"\xff\xfe rubbish <", b"<sip:alice@example.test>"),
        (b'"Boss" <tel:+1>', b"<sip:alice@example.test>"),
    ],
)
def test_i1_a_preferred_identity_chooses_the_name_only(preferred: bytes | None, expected: bytes) -> None:
    request = message()
    assert_identity(request, ALICE, preferred, aor_of)
    assert request.headers.get_all(b"p-asserted-identity") == [expected]
    assert request.to_bytes().endswith(b"Content-Length: 5\r\n\r\nHello")


def test_i4_identity_and_the_signed_fields_are_not_changed() -> None:
    lines = (b"Identity: abc;info=<https://x>;alg=ES256", b"Date: Thu, 21 Feb 2002 13:02:03 GMT")
    request = message(*lines)
    before = request.to_bytes()
    guard_identity(request.headers, False, False)
    drop_own_credentials(request, lambda realm: True)
    assert request.to_bytes() == before


def test_a9_credentials_of_our_realms_are_removed_and_the_others_stay() -> None:
    ours = b'Digest username="a", realm="example.test", nonce="n", uri="sip:x", response="y"'
    other = ours.replace(b"example.test", b"other.test")
    request = message(
        b"Proxy-Authorization: " + ours, b"Proxy-Authorization: " + other, b"Authorization: Bearer abc",
        b"Authorization: Digest what is this",
    )  # fmt: skip
    drop_own_credentials(request, lambda realm: realm == b"example.test")
    assert request.headers.get_all(b"proxy-authorization") == [other]
    assert request.headers.get_all(b"authorization") == [b"Bearer abc"]
