"""T16: the domains that a certificate proves (RFC 5922 §7)."""

from typing import Any

import pytest

from msilod.transport.identity import names_domain, sip_domains


def certificate(*alternatives: tuple[str, str], common_name: str = "") -> dict[str, Any]:
    """A certificate in the form of ssl.SSLSocket.getpeercert()."""
    found: dict[str, Any] = {"subject": ((("countryName", "XX"),),)}
    if common_name:
        found["subject"] += ((("commonName", common_name),),)
    if alternatives:
        found["subjectAltName"] = alternatives
    return found


@pytest.mark.parametrize(
    ("presented", "domain"),
    [
        (certificate(("URI", "sip:example.test")), "example.test"),
        (certificate(("URI", "SIP:Example.TEST")), "example.test"),
        (certificate(("URI", "sip:other.test"), ("URI", "sip:example.test")), "EXAMPLE.test"),
        (certificate(("DNS", "example.test")), "example.test"),
        (certificate(("DNS", "example.test")), "example.test."),
        (certificate(("DNS", "a.test"), ("DNS", "example.test")), "example.test"),
        (certificate(("URI", "sips:example.test"), ("DNS", "example.test")), "example.test"),
        (certificate(("URI", "sip:bob@other.test"), ("DNS", "example.test")), "example.test"),
        (certificate(common_name="example.test"), "example.test"),
        (certificate(("IP Address", "192.0.2.1")), "192.0.2.1"),
        (certificate(("IP Address", "2001:DB8:0:0:0:0:0:1")), "2001:db8::1"),
    ],
)
def test_t16_a_certificate_of_the_domain_is_accepted(presented: dict[str, Any], domain: str) -> None:
    assert names_domain(presented, domain)


@pytest.mark.parametrize(
    ("presented", "domain"),
    [
        (certificate(("DNS", "*.example.test")), "a.example.test"),
        (certificate(("DNS", "*.example.test")), "*.example.test"),
        (certificate(("URI", "sip:*.example.test")), "a.example.test"),
        (certificate(("DNS", "example.test")), "a.example.test"),
        (certificate(("DNS", "a.example.test")), "example.test"),
        (certificate(("DNS", ".example.test")), "a.example.test"),
        (certificate(("URI", "sip:other.test"), ("DNS", "example.test")), "example.test"),
        (certificate(("URI", "sips:example.test")), "example.test"),
        (certificate(("URI", "sip:bob@example.test")), "example.test"),
        (certificate(("URI", "https://example.test")), "example.test"),
        (certificate(("email", "x@a.test"), common_name="example.test"), "example.test"),
        (certificate(("DNS", "other.test"), common_name="example.test"), "example.test"),
        (certificate(("DNS", "example.test\x00.evil.test")), "example.test"),
        (certificate(("DNS", "ex\u00e4mple.test")), "ex\u00e4mple.test"),
        (certificate(("DNS", "192.0.2.1")), "192.0.2.1"),
        (certificate(common_name="192.0.2.1"), "192.0.2.1"),
        (certificate(("IP Address", "192.0.2.2")), "192.0.2.1"),
        (certificate(("DNS", "")), ""),
        ({}, "example.test"),
        ({}, ""),
    ],
)
def test_t16_any_other_certificate_is_refused(presented: dict[str, Any], domain: str) -> None:
    assert not names_domain(presented, domain)


def test_t16_the_parameters_of_a_uri_do_not_belong_to_the_domain() -> None:
    assert sip_domains(certificate(("URI", "sip:example.test;transport=tls?x=y"))) == ["example.test"]
