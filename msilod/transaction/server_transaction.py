"""ServerTransaction: one request that came in, and the answers to it; who serves it (RFC 3261 §17.2)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response, build_response
from msilod.transaction.tables import IST, NIST, Input, Machine, State

# Raises TransportError.
Send = Callable[[bytes, Flow], None]
# (printed name, value) of each.
Fields = Iterable[tuple[bytes, bytes]]
Headers = tuple[tuple[bytes, bytes], ...]


class ServerSide(ABC):
    """The table that server transactions live in (server_side.py); each method is described where it is offered."""

    @abstractmethod
    def respond(
        self, transaction: "ServerTransaction", status: int, now: float, to_tag: bytes, headers: Fields
    ) -> None:
        """See ServerTransaction.respond."""

    @abstractmethod
    def refuse(self, transaction: "ServerTransaction", status: int, headers: Fields, phrase: bytes) -> None:
        """See ServerTransaction.refuse."""

    @abstractmethod
    def forward(self, transaction: "ServerTransaction", response: Response, now: float) -> None:
        """See ServerTransaction.forward."""

    @abstractmethod
    def drop(self, transaction: "ServerTransaction") -> None:
        """See ServerTransaction.drop."""

    @abstractmethod
    def stateless_tag(self, request: Request) -> bytes:
        """See TransactionLayer.stateless_tag."""

    @abstractmethod
    def takes_room_of_strangers(self, transaction: "ServerTransaction", now: float) -> bool:
        """See ServerTransaction.takes_room_of_strangers."""


class ServerTransaction:
    """A request other than INVITE. `last` is the response that a copy of the request is answered with."""

    __slots__ = ("_home", "flow", "key", "last", "request", "state")

    machine: ClassVar[Machine] = NIST

    def __init__(self, home: "ServerSide", request: Request, flow: Flow, key: bytes) -> None:
        self._home = home
        self.request = request
        self.flow = flow
        self.key = key
        self.state = self.machine.initial
        self.last = b""

    @property
    def is_answered(self) -> bool:
        """True from the final response on, and when it is too late for one: further answers are dropped."""
        return self.state > State.PROCEEDING

    def respond(
        self, status: int, now: float, to_tag: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """An answer of our own; `headers` are (printed name, value).

        Without `to_tag` it gets the stateless one, the same for each copy (RFC 3261 §8.2.6.2, §8.2.7).
        Dropped: what RFC 4320 forbids to a non-INVITE (1xx but 100, an early 100, 408), and what comes after
        a final response. Raises ValueError for a value with CR, LF or NUL.
        """
        self._home.respond(self, status, now, to_tag, headers)

    def refuse(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), phrase: bytes = b"") -> None:
        """An answer that is not remembered: a copy of the request is a new one, and gets it again (§8.2.7).

        For answers that any stranger can ask for: it costs no memory, and its To tag absorbs the ACK of an INVITE.
        `phrase` is b"" for the RFC's. Raises ValueError for a header with CR, LF or NUL; the request is not answered
        then.
        """
        self._home.refuse(self, status, headers, phrase)

    def respond_in_words(self, status: int, phrase: bytes, headers: Headers, now: float) -> None:
        """An answer with another phrase than the RFC's; a copy of a request that is not INVITE gets the RFC's.

        Raises ValueError for a value with CR, LF or NUL.
        """
        tag = self._home.stateless_tag(self.request)
        self.forward(build_response(self.request, status, phrase, tag, headers), now)

    def takes_room_of_strangers(self, now: float) -> bool:
        """Count it among those of senders without a password; False when these have no room left."""
        return self._home.takes_room_of_strangers(self, now)

    def forward(self, response: Response, now: float) -> None:
        """A response from downstream; its top Via is the request's own (§16.7 step 9). Dropped: as above.

        Of an answered INVITE every further 2xx goes out as well (RFC 6026 §7.1).
        """
        self._home.forward(self, response, now)

    def drop(self) -> None:
        """Never answer it, not even with a 100; it takes no room from here on, and each copy is a new request."""
        self._home.drop(self)

    def __repr__(self) -> str:
        return f"<{self.machine!r} {self.request.method!r} {self.state.name} {self.flow!r}>"


class InviteServerTransaction(ServerTransaction):
    """`tag` is the To tag of the final response, which an ACK without the magic cookie is matched by.

    `resend_at` and `ends_at` are the deadlines of Timer G, and of Timer H, I or L; `interval` is Timer G's. `thread`
    is the `thread_key` of an INVITE that came with the branch of another request, b"" for nearly all.
    """

    __slots__ = ("ends_at", "interval", "resend_at", "tag", "thread")

    machine: ClassVar[Machine] = IST

    def __init__(self, home: "ServerSide", request: Request, flow: Flow, key: bytes) -> None:
        super().__init__(home, request, flow, key)
        self.tag = b""
        self.interval = 0.0
        self.resend_at = 0.0
        self.ends_at = 0.0
        self.thread = b""


def input_of(transaction: ServerTransaction, status: int) -> Input:
    """The input that an answer is to the machine of the transaction."""
    if status < 200:
        return Input.PROVISIONAL
    if transaction.machine is NIST:
        return Input.FINAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


def may_answer(transaction: ServerTransaction, status: int) -> bool:
    """False for an answer that RFC 4320 forbids: to a non-INVITE a 1xx other than 100, and on UDP an early 100.

    Not for final answers to a non-INVITE, which the caller checks.
    """
    if transaction.machine is not NIST:
        return True
    state = transaction.state
    if state is not State.TRYING and state is not State.PROCEEDING:
        return False
    return status == 100 and (state is State.PROCEEDING or transaction.flow.is_reliable)


class TransactionUser(Protocol):
    """Who serves requests."""

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request, never an ACK or a CANCEL. An INVITE that gets no answer in here gets a 100."""

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL for this INVITE, not finally answered yet, came and has had its 200 (§9.2)."""

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx, or for nothing known: to be routed, never answered (§13.2.2.4, §16.11)."""

    def on_refused(self, flow: Flow, now: float) -> None:
        """A request from there was refused in the layer, and nothing is kept of it: a CANCEL of nothing, or no room."""

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """An answer could not be sent on `flow`; there may be another way (§18.2.2)."""
