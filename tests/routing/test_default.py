"""The default policy, in the order of the seed's route block (rows P3, U5, X5; law 7)."""

import doctest
from itertools import product

import pytest

from msilod.routing import default
from msilod.routing.actions import Action, Break, Relay, Reply, Save, Store
from msilod.routing.default import failure_route, route
from msilod.routing.request import RoutingRequest
from msilod.sip.uri import SipUri

BOB = SipUri.parse("sip:bob@example.test")
SERVER = SipUri.parse("sip:example.test")
METHODS = (b"MESSAGE", b"INVITE", b"OPTIONS", b"REGISTER", b"SUBSCRIBE", b"BYE", b"X-ODD")


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (RoutingRequest(b"MESSAGE", BOB, is_myself=False), Relay()),
        (RoutingRequest(b"REGISTER", SERVER, is_myself=False), Relay()),
        (RoutingRequest(b"OPTIONS", SERVER, is_myself=False), Relay()),
        (RoutingRequest(b"REGISTER", SERVER), Save(dump=True)),
        (RoutingRequest(b"REGISTER", BOB), Save(dump=True)),
        (RoutingRequest(b"OPTIONS", SERVER), Reply(200, "OK")),
        (RoutingRequest(b"SUBSCRIBE", SERVER), Reply(489, "Bad Event")),
        (RoutingRequest(b"PUBLISH", SERVER), Reply(489, "Bad Event")),
        (RoutingRequest(b"NOTIFY", SERVER), Reply(405, "Method Not Allowed")),
        (RoutingRequest(b"MESSAGE", SERVER), Store(0)),
        (RoutingRequest(b"MESSAGE", BOB), Store(0)),
        (RoutingRequest(b"MESSAGE", BOB, mode=2), Store(2)),
        (RoutingRequest(b"INVITE", BOB), Reply(404, "Not Found")),
        (RoutingRequest(b"OPTIONS", BOB), Reply(404, "Not Found")),
        (RoutingRequest(b"MESSAGE", BOB, is_registered=True), Relay(on_failure=True)),
        (RoutingRequest(b"INVITE", BOB, is_registered=True), Relay(on_failure=True)),
        (RoutingRequest(b"OPTIONS", BOB, is_registered=True), Relay(on_failure=True)),
    ],
)
def test_p3_u5_route(request_: RoutingRequest, action: Action) -> None:
    assert route(request_) == action


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_law_7_behind_due_rows_a_message_is_stored_and_nothing_else_is(mode: int) -> None:
    for method in METHODS:
        request = RoutingRequest(method, BOB, is_registered=True, has_due_rows=True, mode=mode)
        quiet = RoutingRequest(method, BOB, is_registered=True, mode=mode)
        assert route(request) == (Store(mode) if method == b"MESSAGE" else route(quiet))


def test_p3_nothing_of_ours_is_relayed_unless_somebody_is_there() -> None:
    for method, uri, due in product(METHODS, (BOB, SERVER), (False, True)):
        assert not isinstance(route(RoutingRequest(method, uri, has_due_rows=due)), Relay)


def test_only_messages_are_stored() -> None:
    flags = (False, True)
    for method, uri, here, due in product(METHODS, (BOB, SERVER), flags, flags):
        request = RoutingRequest(method, uri, is_registered=here, has_due_rows=due)
        assert method == b"MESSAGE" or not isinstance(route(request), Store)
        assert method == b"MESSAGE" or failure_route(request, 405) == Break()


@pytest.mark.parametrize(("mode", "stored"), [(0, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("status", [405, 408, 415, 503])
def test_failure_route_stores_by_what_is_not_the_contact(mode: int, stored: int, status: int) -> None:
    assert failure_route(RoutingRequest(b"MESSAGE", BOB, mode=mode), status) == Store(stored)


@pytest.mark.parametrize("status", [401, 405, 408, 503])
def test_x5_failure_route_makes_up_no_answer_for_other_methods(status: int) -> None:
    """A 401 of its own would lack the challenge, and a 408 must not be sent at all (RFC 4320 §4.2)."""
    assert failure_route(RoutingRequest(b"INFO", BOB, is_registered=True), status) == Break()


def test_a_policy_makes_nothing_for_a_request() -> None:
    for method, uri in product(METHODS, (BOB, SERVER)):
        request = RoutingRequest(method, uri, is_registered=True)
        assert route(request) is route(request)
        assert failure_route(request, 405) is failure_route(request, 405)


# A compiled module has no docstring.
@pytest.mark.interpreted
def test_the_examples_are_true() -> None:
    # testmod() leaves the functions of a compiled module out.
    examples = doctest.DocTestParser().get_doctest(
        default.__doc__ or "", vars(default), "default", None, None
    )
    results = doctest.DocTestRunner().run(examples)
    assert (results.failed, results.attempted >= 6) == (0, True)
