"""Calls from a browser and to one: the dialog's requests find their way by Record-Route and the flow (P5, T13)."""

from collections.abc import Callable, Iterator

import pytest

from msilod.sip.message import Request
from tests.calls.caller import Caller, Dialog
from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line


class CallingLine(Line, Caller):
    """Calls on any transport."""

    def within(self, dialog: Dialog, method: bytes, cseq: int = 0) -> None:
        """A request inside the dialog, with the Via of this transport."""
        own = (
            self.head("X", "sip:x", "sip:x", "x", 1).encode().partition(b"Via: ")[2].partition(b";branch")[0]
        )
        data = dialog.request(method, cseq)
        self.send(data.replace(b"SIP/2.0/UDP 127.0.0.1:%d;rport" % self.port, own, 1))


@pytest.fixture
def call(start_daemon: Callable[..., Daemon]) -> Iterator[Callable[[str, str], CallingLine]]:
    daemon = start_daemon(listen=("ws:127.0.0.1",))
    made: list[CallingLine] = []

    def make(user: str, transport: str) -> CallingLine:
        made.append(CallingLine(user, transport, ("127.0.0.1", daemon.ports[f"{transport}:127.0.0.1"])))
        assert made[-1].register().status == 200
        return made[-1]

    yield make
    for line in made:
        line.hang_up()


@pytest.mark.parametrize(
    ("caller", "callee"),
    [("ws", "udp"), ("udp", "ws"), ("ws", "ws"), ("tcp", "ws"), ("ws", "tcp"), ("tcp", "udp")],
)
def test_p5_t13_a_call_between_transports_is_made_and_hung_up_by_either(
    call: Callable[[str, str], CallingLine], caller: str, callee: str
) -> None:
    alice, bob = call("alice", caller), call("bob", callee)
    for hangs_up in ("alice", "bob"):
        sent = alice.call("sip:bob@example.test")
        invite = bob.until(b"INVITE")
        bob.accept(invite)
        accepted = alice.final(sent)
        assert accepted.status == 200
        ours, theirs = alice.as_caller(accepted), bob.as_callee(invite)
        alice.within(ours, b"ACK", 1)
        assert bob.until(b"ACK").method == b"ACK"
        first, second = (alice, bob) if hangs_up == "alice" else (bob, alice)
        first.within(ours if first is alice else theirs, b"BYE")
        bye = second.until(b"BYE")
        assert isinstance(bye, Request)
        assert bye.uri.decode() == second.contact
        second.answer(bye)
        assert first.response().status == 200
