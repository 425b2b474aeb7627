"""The generator of calls: its messages are SIP, and its accounts find a lost ACK."""

from itertools import count
from pathlib import Path

import pytest
from sipmessage import Message, Request, Response

from tests.bench.load.calls import CallLoad, in_dialog, invite_template, invites, rings_and_answers
from tests.bench.load.job import CALLS, Job, Scenario
from tests.scenarios.conftest import Daemon

RUN = b"0100"
INVITE = next(invites(invite_template(b"bench.test", 5070, RUN), [b"00000007"], count()))[1]


def test_the_messages_of_a_call_are_valid_sip() -> None:
    head = INVITE.partition(b"\r\n\r\n")[0] + b"\r\nRecord-Route: <sip:a;lr>\r\nRecord-Route: <sip:b;lr>"
    ringing, accepted = rings_and_answers(head, 5071)
    for datagram in (ringing, accepted):
        assert isinstance(Message.parse(datagram), Response)
    bye = in_dialog(b"BYE", 2, accepted.partition(b"\r\n\r\n")[0], 5070, b"z9hG4bKx")
    for datagram in (INVITE, bye):
        assert isinstance(Message.parse(datagram), Request)
    assert bye.startswith(b"BYE sip:phone@127.0.0.1:5071 SIP/2.0\r\n")
    assert bye.index(b"Route: <sip:b;lr>") < bye.index(b"Route: <sip:a;lr>"), "the list turned round"


@pytest.fixture
def load(tmp_path: Path) -> CallLoad:
    """The result of a short load on a real daemon."""
    daemon = Daemon(tmp_path).start()
    try:
        scenario = Scenario("calls", CALLS, users=3, outstanding=2)
        job = Job(scenario, daemon.address, b"example.test", RUN, range(3), 2, 0.3, 0.0, 200)
        made = CallLoad(job)
        made.prepare()
        made.measure()
        return made
    finally:
        daemon.stop()


def test_calls_through_the_daemon_have_no_faults(load: CallLoad) -> None:
    outcome = load.finish()
    assert outcome.tally.finals > 0
    assert (outcome.tally.lost, outcome.tally.refused, outcome.books.faults) == (0, {}, {})
    assert outcome.books.arrived >= outcome.tally.finals


def test_a_call_without_its_ack_is_found(load: CallLoad) -> None:
    for phone in load.phones:
        phone.acked.clear()
    assert load.finish().books.faults == {"missing": load.outcome.books.expected}
