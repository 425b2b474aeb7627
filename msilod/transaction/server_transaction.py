"""ServerTransaction: one received request and the answers to the request (RFC 3261 §17.2)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response, build_response
from msilod.transaction.tables import IST, NIST, Input, Machine, State

# Sends bytes on a flow. Raises TransportError.
Send = Callable[[bytes, Flow], None]
# Header fields as (printed name, value).
Fields = Iterable[tuple[bytes, bytes]]
Headers = tuple[tuple[bytes, bytes], ...]


class ServerSide(ABC):
    """The interface from a server transaction to the table of all server transactions (server_side.py)."""

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
    """A request other than INVITE. `last` is the response for retransmissions of the request."""

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
        """True after the final response, and when a final response would be too late. Later answers are dropped."""
        return self.state > State.PROCEEDING

    def respond(
        self, status: int, now: float, to_tag: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Answer the request; `headers` are (printed name, value).

        Without `to_tag` the answer gets the stateless tag, equal for each retransmission (RFC 3261 §8.2.6.2, §8.2.7).
        Answers to a non-INVITE which RFC 4320 forbids (a 1xx other than 100, an early 100, a 408) and answers after a
        final response are dropped. Raises ValueError for a value with CR, LF or NUL.
        """
        self._home.respond(self, status, now, to_tag, headers)

    def refuse(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), phrase: bytes = b"") -> None:
        """Answer without remembering the answer: a retransmission is a new request with a new refusal (§8.2.7).

        Used for refusals of requests from any sender: a refusal takes no memory. The To tag identifies the ACK of a
        refused INVITE. An empty `phrase` means the registered phrase. Raises ValueError for a header with CR, LF or
        NUL; the request is not answered then.
        """
        self._home.refuse(self, status, headers, phrase)

    def respond_in_words(self, status: int, phrase: bytes, headers: Headers, now: float) -> None:
        """Answer with another phrase than the registered one. A retransmitted non-INVITE gets the registered phrase.

        Raises ValueError for a value with CR, LF or NUL.
        """
        tag = self._home.stateless_tag(self.request)
        self.forward(build_response(self.request, status, phrase, tag, headers), now)

    def takes_room_of_strangers(self, now: float) -> bool:
        """Count the transaction among those of senders without a password; False when these have no room left."""
        return self._home.takes_room_of_strangers(self, now)

    def forward(self, response: Response, now: float) -> None:
        """Forward a response from downstream, with the Via of the request on top (§16.7 step 9).

        A 100, and the answers dropped by `respond`, are dropped. After the first 2xx to an INVITE each further 2xx is
        sent as well (RFC 6026 §7.1).
        """
        self._home.forward(self, response, now)

    def drop(self) -> None:
        """Remove the transaction without any answer. A retransmission is a new request."""
        self._home.drop(self)

    def __repr__(self) -> str:
        return f"<{self.machine!r} {self.request.method!r} {self.state.name} {self.flow!r}>"


class InviteServerTransaction(ServerTransaction):
    """An INVITE. `tag` is the To tag of the final response, for the matching of an ACK without the magic cookie.

    `resend_at` is the deadline of Timer G, `ends_at` the deadline of Timer H, I or L. `interval` belongs to Timer G.
    `shared_key` (see key.py) is set for an INVITE with the branch of another request, b"" for nearly all.
    """

    __slots__ = ("ends_at", "interval", "resend_at", "shared_key", "tag")

    machine: ClassVar[Machine] = IST

    def __init__(self, home: "ServerSide", request: Request, flow: Flow, key: bytes) -> None:
        super().__init__(home, request, flow, key)
        self.tag = b""
        self.interval = 0.0
        self.resend_at = 0.0
        self.ends_at = 0.0
        self.shared_key = b""


def input_of(transaction: ServerTransaction, status: int) -> Input:
    """Return the input for an answer with this status to the state machine."""
    if status < 200:
        return Input.PROVISIONAL
    if transaction.machine is NIST:
        return Input.FINAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


def may_answer(transaction: ServerTransaction, status: int) -> bool:
    """False for a forbidden answer to a non-INVITE: a 1xx other than 100, and on UDP an early 100 (RFC 4320).

    Final answers to a non-INVITE are checked by the caller.
    """
    if transaction.machine is not NIST:
        return True
    state = transaction.state
    if state is not State.TRYING and state is not State.PROCEEDING:
        return False
    return status == 100 and (state is State.PROCEEDING or transaction.flow.is_reliable)


class TransactionUser(Protocol):
    """The receiver of requests."""

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request came, never an ACK or a CANCEL.

        The layer sends a 100 to an INVITE without an answer in this call.
        """

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL came for this INVITE, which has no final answer. The CANCEL has its 200 (§9.2)."""

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx or without a transaction came.

        The user routes the ACK and never answers (§13.2.2.4, §16.11).
        """

    def on_refused(self, flow: Flow, now: float) -> None:
        """The layer refused a request from `flow` without state: a CANCEL without a transaction, or a lack of room."""

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """An answer could not be sent on `flow`. The user may send the answer another way (§18.2.2)."""
