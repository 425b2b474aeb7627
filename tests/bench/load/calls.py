"""The load of calls: INVITE, 180, 200, ACK, BYE, 200, all through the server, by its Record-Route if it records one.

Rules: a call counts when its BYE is answered, and lasts from its INVITE to there; it is lost on the books when the
phone never saw the ACK. Tails begin with `i` for the INVITE, `a` for the ACK, `b` for the BYE.
"""

from collections.abc import Iterable
from itertools import count
from time import monotonic

from tests.bench.load.agent import Agent
from tests.bench.load.job import Job, Outcome
from tests.bench.load.ledger import Books
from tests.bench.load.loads import PHONES, TimedLoad, slices
from tests.bench.load.tally import Tally
from tests.bench.load.wire import BRANCH, KEY_WIDTH, Feed, register_template, registers

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)
_COPIED = (b"via:", b"from:", b"call-id:", b"cseq:", b"record-route:")
_DIALOG = (b"from:", b"to:", b"call-id:")


def invite_template(domain: bytes, port: int, run: bytes) -> bytes:
    """An INVITE with six places: user, tail, user, key, user, key."""
    return (
        b"INVITE sip:u%%b@%b SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=" + BRANCH + b"%b%%b\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:load%%b@%b>;tag=%b%%b\r\n"
        b"To: <sip:u%%b@%b>\r\n"
        b"Call-ID: %b%%b@127.0.0.1\r\n"
        b"CSeq: 1 INVITE\r\n"
        b"Contact: <sip:load@127.0.0.1:%d>\r\n"
        b"Content-Type: application/sdp\r\n"
        b"Content-Length: %d\r\n\r\n%b"
    ) % (domain, port, run, domain, run, domain, run, port, len(SDP), SDP)


def invites(template: bytes, users: list[bytes], numbers: Iterable[int]) -> Feed:
    """A call to each user, then the next number."""
    for number in numbers:
        for user in users:
            key = b"%b.%06d" % (user, number)
            tail = b"i" + key
            yield tail, template % (user, tail, user, key, user, key)


def rings_and_answers(head: bytes, port: int) -> tuple[bytes, bytes]:
    """The 180 and the 200 to an INVITE with this head."""
    kept = []
    for line in head.split(b"\r\n")[1:]:
        name = line[: line.find(b":") + 1].lower()
        if name in _COPIED:
            kept.append(line)
        elif name == b"to:":
            kept.append(line + b";tag=phone")
    kept.append(b"Contact: <sip:phone@127.0.0.1:%d>" % port)
    same = b"\r\n".join(kept)
    sdp = b"\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b" % (len(SDP), SDP)
    return (
        b"SIP/2.0 180 Ringing\r\n" + same + b"\r\nContent-Length: 0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n" + same + sdp,
    )


def in_dialog(method: bytes, number: int, accepted: bytes, port: int, branch: bytes) -> bytes:
    """ACK or BYE by the route set and the remote target of a 200 with this head (RFC 3261 §12.2.1.1)."""
    target, routes, same = b"", [], []
    for line in accepted.split(b"\r\n")[1:]:
        name = line[: line.find(b":") + 1].lower()
        if name == b"contact:":
            target = line[line.find(b"<") + 1 : line.find(b">")]
        elif name == b"record-route:":
            routes.append(b"Route" + line[12:])
        elif name in _DIALOG:
            same.append(line)
    lines = [
        b"%b %b SIP/2.0" % (method, target),
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=%b" % (port, branch),
        b"Max-Forwards: 70",
        *reversed(routes),
        *same,
        b"CSeq: %d %b" % (number, method),
        b"Content-Length: 0\r\n\r\n",
    ]
    return b"\r\n".join(lines)


class CallAgent(Agent):
    """Calls, and is called. `acked` are the keys of calls whose ACK has come here."""

    __slots__ = ("_began", "acked")

    def __init__(self, server: tuple[str, int], run: bytes) -> None:
        super().__init__(server, run)
        self.acked: set[bytes] = set()
        self._began: dict[bytes, float] = {}

    def _answered(self, data: bytes) -> None:
        at = data.find(self._mark) + self._skip
        tail = data[at : at + KEY_WIDTH + 1]
        if data[8:9] == b"2" and tail[:1] == b"i" and tail in self._open:
            self._accepted(data, tail)
            return
        if data[8:9] != b"1" and tail in self._open:
            # What the tally sees is the call, from its INVITE.
            _, packet, feed = self._open[tail]
            self._open[tail] = (self._began.pop(tail[1:], self._open[tail][0]), packet, feed)
        super()._answered(data)

    def _accepted(self, data: bytes, tail: bytes) -> None:
        started, _, feed = self._open.pop(tail)
        self._late.pop(tail, None)
        key, head = tail[1:], data[: data.find(b"\r\n\r\n")]
        self._began[key] = started
        self._send(in_dialog(b"ACK", 1, head, self.port, self._mark + b"a" + key))
        bye = in_dialog(b"BYE", 2, head, self.port, self._mark + b"b" + key)
        self._open[b"b" + key] = (monotonic(), bye, feed)
        self._send(bye)

    def _asked(self, data: bytes) -> None:
        if data.startswith(b"INVITE "):
            for response in rings_and_answers(data[: data.find(b"\r\n\r\n")], self.port):
                self._send(response)
        elif data.startswith(b"ACK "):
            at = data.rfind(self._mark + b"a") + len(self._mark) + 1
            self.acked.add(data[at : at + KEY_WIDTH])
        else:
            super()._asked(data)


class CallLoad(TimedLoad):
    """Calls to registered phones."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.accepted: list[bytes] = []

    def call_agent(self) -> CallAgent:
        """Another socket of this worker."""
        agent = CallAgent(self.job.server, self.job.run)
        self.agents.append(agent)
        return agent

    def tally(self) -> Tally:
        """Keys of the calls that came to their end, all phases in one list."""
        return Tally(wanted=self.wanted, accepted=self.accepted)

    def prepare(self) -> None:
        """Registers everybody from a phone."""
        self.phones = [self.call_agent() for _ in range(min(PHONES, len(self.users)))]
        for phone, part in zip(self.phones, slices(self.users, len(self.phones)), strict=True):
            template = register_template(self.job.domain, phone.port, self.job.run)
            self.run_all(phone, [registers(template, part, 1)], Tally())
        caller = self.call_agent()
        template = invite_template(self.job.domain, caller.port, self.job.run)
        parts = slices(self.users, self.job.outstanding)
        self.feeds = {caller: [invites(template, part, count()) for part in parts]}
        self.warm_up()

    def finish(self) -> Outcome:
        """A call that ended well has had its ACK."""
        acked = set[bytes]().union(*(phone.acked for phone in self.phones))
        ended = set(self.accepted)
        self.outcome.books = Books(expected=len(ended), arrived=len(acked), missing=len(ended - acked))
        return super().finish()
