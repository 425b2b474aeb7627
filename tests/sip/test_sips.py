"""The demands of a URI scheme on the route (T17)."""

import pytest

from msilod.sip.sips import asks_for_sips, is_by_tls, is_sips, under_scheme_of


def test_t17_the_case_of_the_scheme_does_not_matter() -> None:
    assert is_sips("SIPS:bob@h")
    assert asks_for_sips(b"SipS:bob@h")
    assert not is_sips("sip:sips:@h")
    assert not asks_for_sips(b"sip:bob@h")


def test_t17_a_sips_contact_gets_the_scheme_of_the_request() -> None:
    assert under_scheme_of(b"sip:bob@a", b"SIPS:bob@pc") == b"sip:bob@pc"
    assert under_scheme_of(b"SIPS:bob@a", b"sips:bob@pc") == b"sips:bob@pc"
    assert under_scheme_of(b"sip:bob@a", b"sip:bob@pc") == b"sip:bob@pc"


@pytest.mark.parametrize(
    ("hop", "by_tls"),
    [
        ("sips:h", True), ("sip:h;transport=TLS", True), ("sip:h;transport=tcp", False), ("sip:h", False),
        ("<sips:h>", False), ("", False),
    ],
)  # fmt: skip
def test_a_hop_uses_tls_when_its_uri_says_so(hop: str, by_tls: bool) -> None:
    assert is_by_tls(hop) is by_tls
