"""Recursion on redirections, RFC 3261 §16.7 step 4 (row P8)."""

import pytest

from msilod.proxy.redirection import redirection
from msilod.sip.message import Response
from msilod.sip.uri import SipUri
from tests.proxy.wire import request, response


def anybody(uri: SipUri) -> bool:
    return True


def local(uri: SipUri) -> bool:
    return uri.host == "192.0.2.9"


def redirected(contact: str, status: int = 302) -> Response:
    return response(status, contact=contact)


def test_p8_contacts_are_followed_best_q_first_and_none_is_left() -> None:
    contacts = "<sip:a@x>;q=0.1, <sip:b@x>, <sip:c@x>;q=0.7"
    assert redirection(request(), redirected(contacts), (), anybody, 9) == (
        ("sip:b@x", "sip:c@x", "sip:a@x"),
        None,
    )


def test_p8_unusable_contacts_are_left_for_upstream() -> None:
    given = redirected("<sip:a@192.0.2.9>, <sip:b@far.test>;q=0.5, <mailto:c@x>, <sip:broken")
    uris, left = redirection(request(), given, (), local, 9)
    assert uris == ("sip:a@192.0.2.9",)
    assert left is not None
    assert left.headers.split(b"contact")[:2] == [b"<sip:b@far.test>;q=0.5", b"<mailto:c@x>"]
    assert len(given.headers.split(b"contact")) == 4, "what was received is not touched"


def test_p8_the_same_target_is_never_tried_twice() -> None:
    given = redirected("<sip:A@x>, <sip:%41@X>, <sip:tried@x>, <sip:bob@example.test>")
    assert redirection(request(), given, ("sip:tried@x",), anybody, 9) == (("sip:A@x",), None)


def test_p8_no_more_contacts_are_followed_than_there_is_room_for() -> None:
    given = redirected(", ".join(f"<sip:u{number}@x>" for number in range(50)))
    uris, left = redirection(request(), given, (), anybody, 3)
    assert len(uris) == 3
    assert left is not None
    assert len(left.headers.split(b"contact")) == 47
    assert redirection(request(), given, (), anybody, 0) == ((), given)


@pytest.mark.parametrize("status", [300, 301, 302])
def test_p8_contacts_that_are_followed(status: int) -> None:
    assert redirection(request(), redirected("<sip:a@x>", status), (), anybody, 9)[0] == ("sip:a@x",)


@pytest.mark.parametrize("status", [305, 380, 399])
def test_p8_a_proxy_or_another_service_is_no_target(status: int) -> None:
    given = redirected("<sip:a@x>", status)
    assert redirection(request(), given, (), anybody, 9) == ((), given)


def test_p8_a_sips_request_stays_on_sips() -> None:
    given = redirected("<sip:a@x>, <sips:b@x>")
    uris, left = redirection(request(uri="sips:bob@example.test"), given, (), anybody, 9)
    assert uris == ("sips:b@x",)
    assert left is not None
    assert left.headers.split(b"contact") == [b"<sip:a@x>"]


@pytest.mark.parametrize("q", ["2", "x", "1.2.3", "", "0.12345678", "-1", "."])
def test_p8_a_contact_with_a_wrong_q_is_not_lost(q: str) -> None:
    uris, _ = redirection(request(), redirected(f"<sip:odd@x>;q={q}, <sip:good@x>;q=1.0"), (), anybody, 9)
    assert sorted(uris) == ["sip:good@x", "sip:odd@x"]


def test_a_nul_in_a_left_contact_is_passed_on_and_raises_nothing() -> None:
    given = redirected("<sip:a@192.0.2.9>")
    given.headers.fields.append((b"contact", b'Contact: "a\\\0" <sip:b@far.test>'))
    uris, left = redirection(request(), given, (), local, 9)
    assert uris == ("sip:a@192.0.2.9",)
    assert left is not None
    assert left.headers.get_all(b"contact") == [b'"a\\\0" <sip:b@far.test>']
