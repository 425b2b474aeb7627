"""The default policy, in the order of the seed's route block."""

import doctest

import pytest

from msilod.routing import default
from msilod.routing.actions import Action, Relay, Reply, Save, Store
from msilod.routing.default import failure_route, route
from msilod.routing.request import RoutingRequest
from msilod.sip.uri import SipUri

BOB = SipUri.parse("sip:bob@example.test")
SERVER = SipUri.parse("sip:example.test")


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (RoutingRequest(b"MESSAGE", BOB, is_myself=False), Relay()),
        (RoutingRequest(b"REGISTER", SERVER), Save(dump=True)),
        (RoutingRequest(b"OPTIONS", SERVER), Reply(200, "OK")),
        (RoutingRequest(b"SUBSCRIBE", SERVER), Reply(405, "Method Not Allowed")),
        (RoutingRequest(b"MESSAGE", BOB), Store(0)),
        (RoutingRequest(b"MESSAGE", BOB, mode=2), Store(2)),
        (RoutingRequest(b"INVITE", BOB), Reply(404, "Not Found")),
        (RoutingRequest(b"MESSAGE", BOB, is_registered=True), Relay(on_failure=True)),
        (RoutingRequest(b"MESSAGE", BOB, is_registered=True, has_due_rows=True), Store(0)),
        (RoutingRequest(b"INVITE", BOB, is_registered=True, has_due_rows=True), Relay(on_failure=True)),
    ],
)
def test_route(request_: RoutingRequest, action: Action) -> None:
    assert route(request_) == action


def test_failure_route() -> None:
    assert failure_route(RoutingRequest(b"MESSAGE", BOB), 405) == Store(1)
    assert failure_route(RoutingRequest(b"MESSAGE", BOB, mode=2), 405) == Store(2)
    assert failure_route(RoutingRequest(b"INFO", BOB), 405) == Reply(405)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(default).failed == 0
    assert doctest.testmod(default).attempted >= 5
