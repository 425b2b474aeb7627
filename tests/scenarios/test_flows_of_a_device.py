"""The flows of one device on the real daemon: one copy, and the next flow when the first is dead (RFC 5626 §7)."""

import itertools
from collections.abc import Iterator

import pytest

from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

_cseq = itertools.count(1)


@pytest.fixture
def flows(daemon: Daemon) -> Iterator[tuple[Phone, Phone]]:
    """Bob's phone with two flows; the second is the latest."""
    with Phone("bob", daemon.address) as first, Phone("bob", daemon.address) as second:
        for reg_id, flow in enumerate((first, second), 1):
            contact = f'<{flow.contact}>;+sip.instance="<urn:uuid:1>";reg-id={reg_id}'
            assert flow.register(contact=contact, extra="Supported: path, outbound\r\n").status == 200
        yield first, second


@pytest.fixture
def alice(daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", daemon.address) as made:
        yield made


def send(alice: Phone, method: str) -> None:
    """A MESSAGE, OPTIONS or INVITE to bob."""
    if method == "MESSAGE":
        alice.send(alice.message("bob", "once"))
        return
    bob = "sip:bob@example.test"
    lines = alice.head(method, bob, bob, f"c{next(_cseq)}@alice", 1)
    alice.send(f"{lines}Contact: <{alice.contact}>\r\nContent-Length: 0\r\n\r\n".encode())


def next_request(flow: Phone, method: str) -> None:
    """Answer the request with 200."""
    flow.answer(flow.request(method.encode()))


def final(alice: Phone) -> int:
    """The status of the next final response."""
    while (answer := alice.response()).status < 200:
        pass
    assert isinstance(answer, Response)
    return answer.status


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "INVITE"])
@pytest.mark.parametrize("status", [408, 430])
def test_p13_a_dead_flow_is_followed_by_the_next(
    flows: tuple[Phone, Phone], alice: Phone, method: str, status: int
) -> None:
    first, second = flows
    send(alice, method)
    second.answer(second.request(method.encode()), status)
    next_request(first, method)
    assert final(alice) == 200


@pytest.mark.parametrize(("method", "told"), [("MESSAGE", 202), ("OPTIONS", 480), ("INVITE", 480)])
def test_p13_no_flow_left_is_480_from_the_home(
    flows: tuple[Phone, Phone], alice: Phone, method: str, told: int
) -> None:
    send(alice, method)
    for flow in reversed(flows):
        flow.answer(flow.request(method.encode()), 430)
    assert final(alice) == told


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "INVITE"])
def test_p13_a_flow_that_nobody_listens_on_is_followed_by_the_next(
    flows: tuple[Phone, Phone], alice: Phone, method: str
) -> None:
    first, second = flows
    second.socket.close()
    send(alice, method)
    next_request(first, method)
    assert final(alice) == 200


@pytest.mark.parametrize(("method", "answered"), [("MESSAGE", 200), ("OPTIONS", 486), ("INVITE", 486)])
def test_p13_any_other_answer_is_the_devices(
    flows: tuple[Phone, Phone], alice: Phone, method: str, answered: int
) -> None:
    first, second = flows
    send(alice, method)
    second.answer(second.request(method.encode()), answered)
    assert final(alice) == answered
    assert first.is_silent()
