"""Checklist I1 and I2: the asserted identities that are sent on, and the receivers."""

import pytest

from msilod.sip.headers import Headers
from msilod.sip.privacy import ASSERTED, PREFERRED, asks_for_id, guard_identity


@pytest.mark.parametrize(
    ("value", "asks"),
    [
        (b"id", True), (b"header; ID", True), (b"user;id;critical", True), (b"header, id", True),
        (b"none", False), (b"identity", False), (b"", False), (b"user;header", False),
    ],
)  # fmt: skip
def test_the_priv_value_id_is_found(value: bytes, asks: bool) -> None:
    assert asks_for_id(value) is asks


def guarded(is_from_trusted: bool, is_to_trusted: bool, privacy: bytes | None) -> Headers:
    headers = Headers()
    headers.add(b"P-Asserted-Identity", b"<sip:alice@example.test>")
    headers.add(b"P-Asserted-Identity", b"<tel:+4930>")
    headers.add(b"P-Preferred-Identity", b"<sip:alice@example.test>")
    if privacy is not None:
        headers.add(b"Privacy", privacy)
    guard_identity(headers, is_from_trusted, is_to_trusted)
    assert PREFERRED not in headers
    return headers


@pytest.mark.parametrize(
    ("is_from_trusted", "is_to_trusted", "privacy", "values"),
    [
        (False, False, None, 0), (False, True, None, 0), (False, True, b"none", 0),
        (True, False, None, 2), (True, False, b"none", 2), (True, True, b"id", 2),
        (True, False, b"id", 0), (True, False, b"critical;id", 0), (True, False, b"critical", 2),
    ],
)  # fmt: skip
def test_an_assertion_is_accepted_from_trusted_peers_and_a_hidden_one_sent_to_trusted_peers_only(
    is_from_trusted: bool, is_to_trusted: bool, privacy: bytes | None, values: int
) -> None:
    headers = guarded(is_from_trusted, is_to_trusted, privacy)
    assert len(headers.get_all(ASSERTED)) == values
    assert (headers.get(b"privacy") or b"") == (privacy or b"")


def test_i3_other_privacy_values_are_left_to_a_privacy_service() -> None:
    headers = Headers()
    headers.add(b"Privacy", b"header;session;critical")
    before = list(headers.fields)
    guard_identity(headers, False, False)
    assert headers.fields == before
