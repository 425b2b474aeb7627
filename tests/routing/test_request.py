"""The properties of a request for a policy."""

import pytest

from msilod.routing.request import RoutingRequest
from msilod.sip.uri import SipUri


@pytest.mark.parametrize(
    ("uri", "is_myself", "is_for_server"),
    [
        ("sip:example.test", True, True),
        ("sip:example.test;transport=tcp", True, True),
        ("sip:bob@example.test", True, False),
        ("sip:far.test", False, False),
    ],
)
def test_u5_a_uri_without_a_user_of_ours_means_the_server(
    uri: str, is_myself: bool, is_for_server: bool
) -> None:
    assert RoutingRequest(b"OPTIONS", SipUri.parse(uri), is_myself).is_for_server is is_for_server


def test_a_request_is_ours_and_no_user_is_present_by_default() -> None:
    request = RoutingRequest(b"MESSAGE", SipUri.parse("sip:bob@example.test"))
    assert (request.is_myself, request.is_registered, request.has_due_rows, request.mode) == (
        True,
        False,
        False,
        0,
    )
