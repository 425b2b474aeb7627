"""Serial forking by q in the response context (RFC 3261 §16.6, §16.7; rows R7, P8)."""

import pytest

from msilod.proxy.response_context import ResponseContext, Step
from tests.proxy.wire import request, response


def test_r7_the_next_group_begins_when_all_have_failed() -> None:
    context = ResponseContext[str](request("INVITE"), later=1)
    for branch in ("a", "b"):
        assert context.add_branch(branch, f"sip:{branch}@192.0.2.1")
    assert context.final("a", response(486)) == Step()
    assert context.timed_out("b") == Step(begins_next=True)
    assert context.add_branch("c", "sip:c@192.0.2.1")
    step = context.final("c", response(404))
    assert step.is_over
    assert step.forward is not None
    assert step.forward.status in (404, 486), "all groups count"


@pytest.mark.parametrize("status", [200, 600])
def test_r7_no_group_after_a_2xx_or_a_6xx(status: int) -> None:
    context = ResponseContext[str](request("INVITE"), later=1)
    context.add_branch("a", "sip:a@192.0.2.1")
    step = context.final("a", response(status))
    assert (step.begins_next, step.is_over) == (False, True)


def test_r7_no_group_after_a_cancel() -> None:
    context = ResponseContext[str](request("INVITE"), later=1)
    context.add_branch("a", "sip:a@192.0.2.1")
    context.cancelled()
    assert context.final("a", response(487)).begins_next is False
