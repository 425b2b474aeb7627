"""Phone: a user agent on the virtual network. A phone registers and refreshes, sends and accepts MESSAGEs, makes calls.

A phone may also answer late or never, refuse, repeat, vanish without a message and come back on another port. `answers`
and `rings` are the answers to MESSAGE and INVITE, as pairs of seconds and status. The ledger is told of all sent and
accepted messages. `got` has all received MESSAGEs, without copies.
"""

from collections.abc import Sequence
from functools import partial
from itertools import count

from msilod.sip.message import Request, Response
from tests.agent.requests import decoded, of_same_hop, with_body
from tests.agent.transactions import LIFE, Agent, Asked, Heard, Served
from tests.agent.user_agent import Fields
from tests.network.calls import Call, called
from tests.network.ladder import Address
from tests.network.ledger import Ledger
from tests.network.wires import Timer, Wires

Script = Sequence[tuple[float, int]]
TAKES: Script = ((0.03, 200),)
SILENT: Script = ()
LATE: Script = ((20.0, 200),)
ANSWERS_A_CALL: Script = ((0.1, 180), (1.5, 200))
_serial = count(1)


class Phone(Agent):
    """A phone of `user`@example.test at `address`."""

    def __init__(
        self, wires: Wires, ledger: Ledger, user: str, address: Address, server: Address, stream: bool = False
    ) -> None:
        super().__init__(wires, user, address, server, stream)
        self.ledger = ledger
        self.expires = 120
        self.answers: Script = TAKES
        self.rings: Script = ANSWERS_A_CALL
        self.headers: Fields = ()
        self.merges = False
        self.is_registered = False
        self.calls: list[Call] = []
        self.got: list[Request] = []
        self._names = count(1)
        self._refresh: Timer | None = None
        self._call_id = ""
        self._cseq = 0
        self._invites: dict[bytes, Served] = {}

    # --- life ----------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Switch on and register, with a new Call-ID."""
        self.switch_on()
        self._call_id = f"boot{next(_serial)}@{self.user}"
        self.register()

    def die(self) -> None:
        """Switch off without a message."""
        self.switch_off()
        self.is_registered = False
        for call in self.calls:
            call.ending = call.ending or "died"
        self._stop_refreshing()

    def move(self, port: int) -> None:
        """Move to another port, as after a restart or a new NAT binding, without a REGISTER."""
        self.die()
        self.wire.address = (self.address[0], port)

    # --- words ---------------------------------------------------------------------------------------

    def new_from(self, cseq: int) -> str:
        return f"<{self.aor}>;tag=f{self.address[1]}{cseq}"

    def register(self, expires: int | None = None) -> None:
        """Register, and refresh before the end. `expires` 0 removes the binding."""
        expires = self.expires if expires is None else expires
        self._stop_refreshing()
        self._register(
            f"Contact: <{self.contact}>\r\nExpires: {expires}\r\n", partial(self._registered, expires)
        )

    def register_line(self, lines: str) -> Asked:
        """Send a REGISTER with the given header lines."""
        self._call_id = self._call_id or f"line@{self.user}"
        return self._register(lines, lambda response: None)

    def _register(self, lines: str, heard: Heard) -> Asked:
        self._cseq += 1
        branch = self.branch()
        head = self.head("REGISTER", "sip:example.test", self.aor, self._call_id, self._cseq, branch)
        return self.ask(with_body(head + lines), branch, "REGISTER", heard)

    def _registered(self, expires: int, response: Response | None) -> None:
        if response is not None and response.status < 200:
            return
        is_taken = response is not None and response.status < 300
        self.is_registered = is_taken and expires > 0
        if expires:
            wait = expires * 0.8 if is_taken else 5.0
            self._stop_refreshing()
            self._refresh = self.wires.after(wait, self.register)

    def _stop_refreshing(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None

    def text(
        self, user: str, extra: str = "", lives: float = float("inf"), name: bytes = b"",
        content_type: str = "text/plain",
    ) -> Asked:  # fmt: skip
        """Send a MESSAGE to `user`; the body is the name in the ledger. `lives`: seconds, as Expires in `extra`."""
        name = name or f"{self.user}{self.address[0].rpartition('.')[2]}-{next(self._names)}".encode()
        branch = self.branch()
        to = f"sip:{user}@example.test"
        head = self.head("MESSAGE", to, to, f"{decoded(name.strip())}@{self.user}", 1, branch)
        data = with_body(f"{head}{extra}Content-Type: {content_type}\r\n", name)
        self.ledger.sent(name, user, lives, self.user)
        return self.ask(data, branch, "MESSAGE", partial(self._texted, name))

    def message(
        self, user: str, body: bytes = b"hello", content_type: str = "text/plain", extra: str = "",
        uri: str = "", to: str = "", call_id: str = "",
    ) -> Asked:  # fmt: skip
        """Send any MESSAGE, unknown to the ledger."""
        branch, number = self.branch(), next(self._names)
        uri = uri or f"sip:{user}@example.test"
        call_id = call_id or f"message{number}@{self.user}"
        head = self.head("MESSAGE", uri, to or uri, call_id, 1, branch)
        data = with_body(f"{head}{extra}Content-Type: {content_type}\r\n", body)
        return self.ask(data, branch, "MESSAGE", lambda response: None)

    def _texted(self, name: bytes, response: Response | None) -> None:
        if response is not None and response.status >= 200:
            self.ledger.answered(name, response.status)

    # --- requests from the server --------------------------------------------------------------------

    def requested(self, served: Served) -> None:
        """Answer a request, by method."""
        method = served.request.method
        if method == b"MESSAGE":
            self._taken_up(served)
        elif method == b"INVITE":
            self._called(served)
        elif method == b"CANCEL":
            self._cancelled(served)
        elif method == b"BYE":
            self._hung_up(served)
        else:
            served.respond(200)

    def _taken_up(self, served: Served) -> None:
        self.got.append(served.request)
        if self.merges and self._is_merged(served):
            served.respond(482)
            return
        for seconds, status in self.answers:
            self.wires.after(seconds, partial(self._answer, served, status))

    def _is_merged(self, served: Served) -> bool:
        """True for the same request on another branch during the first transaction (RFC 3261 §8.2.2.2)."""
        new = served.request
        return any(
            (other.request.call_id, other.request.cseq, other.request.headers.get(b"from"))
            == (new.call_id, new.cseq, new.headers.get(b"from"))
            and other is not served
            and other.request.method == new.method
            and self.wires.now - other.at < LIFE
            for other in self.served.values()
        )

    def _answer(self, served: Served, status: int) -> None:
        if not self.wire.is_open or served.status >= 200 or served not in self.served.values():
            return
        if 200 <= status < 300:
            self.ledger.taken(served.request.body, self.wires.now, self.address)
        served.respond(status, self.headers if status >= 300 else ())

    # --- calls ---------------------------------------------------------------------------------------

    def call(self, user: str, hangs_up_after: float = 3.0, cancels_after: float | None = None) -> Call:
        """Call `user`. Hang up, or cancel while ringing, after the given seconds."""
        branch, call_id, to = self.branch(), f"call{next(_serial)}@{self.user}", f"sip:{user}@example.test"
        call = Call(self, self.new_from(1), f"<{to}>", call_id, cseq=1)
        self.calls.append(call)
        data = with_body(f"{self.head('INVITE', to, to, call_id, 1, branch)}Contact: <{self.contact}>\r\n")
        self.ask(data, branch, "INVITE", partial(self._call_answered, call, hangs_up_after))
        if cancels_after is not None:
            self.wires.after(cancels_after, partial(self._cancel, call, data, branch))
        return call

    def _call_answered(self, call: Call, hangs_up_after: float, response: Response | None) -> None:
        if response is None or response.status >= 300:
            call.status = response.status if response is not None else 0
            call.ending = call.ending or ("refused" if response is not None else "no answer")
        elif response.status < 200:
            call.is_ringing = True
        else:
            call.remote = decoded(response.headers.get(b"to"))
            call.learn(response)
            self.send(call.request("ACK", cseq=1))
            if not call.is_talking and not call.ending:
                call.is_talking, call.status = True, response.status
                self.wires.after(hangs_up_after, partial(self.hang_up, call))

    def hang_up(self, call: Call) -> None:
        """BYE, unless the other side was quicker."""
        if self.wire.is_open and call.is_talking:
            call.is_talking = False
            branch = self.branch()
            data = call.request("BYE", branch=branch)
            self.ask(data, branch, "BYE", partial(self._bye_answered, call))

    def _bye_answered(self, call: Call, response: Response | None) -> None:
        if response is None or response.status >= 200:
            call.ending = call.ending or ("hung up" if response is not None else "no answer to BYE")

    def _cancel(self, call: Call, invite: bytes, branch: str) -> None:
        """Cancel the call, if ringing (§9.1)."""
        if self.wire.is_open and call.is_ringing and not (call.is_talking or call.ending):
            call.is_cancelled = True
            self.ask(of_same_hop(invite, b"CANCEL"), branch, "CANCEL", lambda response: None)

    def _called(self, served: Served) -> None:
        call = called(self, served.request)
        self.calls.append(call)
        self._invites[served.request.call_id] = served
        for seconds, status in self.rings:
            self.wires.after(seconds, partial(self._pick_up, served, call, status))

    def _pick_up(self, served: Served, call: Call, status: int) -> None:
        if not self.wire.is_open or served.status >= 200:
            return
        call.is_ringing = status < 200
        if status >= 300:
            call.ending, call.status = "refused", status
        elif status >= 200:
            call.is_talking, call.status = True, status
        served.respond(status, self.dialog_headers(served.request))

    def _cancelled(self, cancel: Served) -> None:
        invite = self.served.get(cancel.request.via.branch + b"INVITE")
        cancel.respond(200 if invite is not None else 481)
        if invite is not None and invite.status < 200:
            invite.respond(487)
            for call in self.calls:
                if call.call_id == decoded(invite.request.call_id) and not call.is_caller:
                    call.is_ringing, call.ending, call.status = False, "cancelled", 487

    def _hung_up(self, bye: Served) -> None:
        found = [call for call in self.calls if call.call_id == decoded(bye.request.call_id)]
        bye.respond(200 if found else 481)
        for call in found:
            call.is_talking, call.ending = False, call.ending or "hung up"
