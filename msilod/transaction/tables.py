"""Tables: the four transaction machines of RFC 3261 §17, figures 5 to 8, with RFC 6026 and RFC 4320.

    ICT   INVITE client       figure 5, RFC 6026 §8.4      CALLING    until Timer B, D or M
    NICT  non-INVITE client   figure 6                     TRYING     until Timer F or K
    IST   INVITE server       figure 7, RFC 6026 §8.5      PROCEEDING until Timer H, I or L
    NIST  non-INVITE server   figure 8, RFC 4320 §4        TRYING     until Timer J

A transaction has a state. Inputs are messages, answers of the user, timers and transport errors. The table gives the
next state and the action for each state and input. Entering a state starts its timers.

Rule 1: only these tables define the machines; the layer carries out the actions. The layer has two short cuts, and
tests/transaction/test_walks.py compares these with the tables. Rule 2: an absent (state, input) is ignored. Rule 3: a
comment gives the reason for each difference from the figure of the RFC.

The enums are IntEnum because a plain Enum hashes in Python: 0.1 us instead of 0.4 for each look-up.
"""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final


class State(IntEnum):
    """The states of all four machines. In the states up to PROCEEDING there is no final answer."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class Input(IntEnum):
    """The inputs of all four machines."""

    REQUEST = auto()
    """A retransmission of the request comes in (server)."""
    ACK = auto()
    PROVISIONAL = auto()
    """100 to 199, from the wire (client) or the user (server). So are the next three."""
    SUCCESS = auto()
    """200 to 299 of an INVITE."""
    FAILURE = auto()
    """300 to 699 of an INVITE."""
    FINAL = auto()
    """200 to 699 of any other method."""
    TRANSPORT_ERROR = auto()
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TRYING_DUE = auto()
    """The peer's Timer E has reached T2 (RFC 4320 §4.1)."""
    PEER_GAVE_UP = auto()
    """The peer's Timer F has fired: it hears no answer any more (RFC 4320 §4.2)."""
    CANCEL_EXPIRED = auto()
    """64*T1 after our CANCEL, and still no final answer (RFC 3261 §9.1)."""


class Action(IntEnum):
    """The actions of all four machines."""

    NOTHING = auto()
    SEND = auto()
    """Send what the user gave."""
    SEND_AGAIN = auto()
    """Send the last message again."""
    SEND_TRYING = auto()
    """Send a 100 of our own."""
    TELL_RESPONSE = auto()
    """Pass the response to the owner."""
    ACK_AND_TELL = auto()
    """Acknowledge a failure hop by hop, then pass it (RFC 3261 §17.1.1.3)."""
    ACK_AGAIN = auto()
    """Acknowledge a retransmitted failure, which is not passed."""
    TELL_TIMEOUT = auto()
    TELL_TRANSPORT_ERROR = auto()
    COUNT_ERROR = auto()
    """An answer could not be sent: it is counted, and the user may know another way."""
    PASS_ACK = auto()
    """An ACK for a 2xx: the user routes it (RFC 6026 §7.1)."""


S, I, A = State, Input, Action  # noqa: E741 - the columns of the tables
Table = Mapping[tuple[State, Input], tuple[State, Action]]


class Machine:
    """One machine: table, initial state, and the timers to start on entering a state.

    `resend` is Timer A, E or G; `give_up` is Timer B or F.
    """

    __slots__ = ("give_up", "initial", "name", "resend", "table", "timers")

    def __init__(
        self,
        name: str,
        initial: State,
        table: Table,
        timers: Mapping[State, tuple[Input, ...]],
        resend: Input | None = None,
        give_up: Input | None = None,
    ) -> None:
        self.name = name
        self.initial = initial
        self.table = table
        self.timers = timers
        self.resend = resend
        self.give_up = give_up

    def __repr__(self) -> str:
        return self.name


ICT: Final = Machine(
    "ICT",
    S.CALLING,
    {
        (S.CALLING, I.TIMER_A): (S.CALLING, A.SEND_AGAIN),
        (S.CALLING, I.TIMER_B): (S.TERMINATED, A.TELL_TIMEOUT),
        (S.CALLING, I.TRANSPORT_ERROR): (S.TERMINATED, A.TELL_TRANSPORT_ERROR),
        (S.CALLING, I.PROVISIONAL): (S.PROCEEDING, A.TELL_RESPONSE),
        (S.CALLING, I.SUCCESS): (S.ACCEPTED, A.TELL_RESPONSE),
        (S.CALLING, I.FAILURE): (S.COMPLETED, A.ACK_AND_TELL),
        (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.TELL_RESPONSE),
        (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, A.TELL_RESPONSE),
        (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.ACK_AND_TELL),
        # Not in figure 5: when a connection closes, the phone would otherwise ring without end (§16.9).
        (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.TELL_TRANSPORT_ERROR),
        # Not in figure 5: "the client SHOULD then consider the original transaction cancelled" (§9.1).
        (S.PROCEEDING, I.CANCEL_EXPIRED): (S.TERMINATED, A.TELL_TIMEOUT),
        (S.COMPLETED, I.FAILURE): (S.COMPLETED, A.ACK_AGAIN),
        # Figure 5 informs the user. Here the owner has the final answer already, and the peer will retransmit.
        (S.COMPLETED, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
        (S.COMPLETED, I.TIMER_D): (S.TERMINATED, A.NOTHING),
        (S.ACCEPTED, I.SUCCESS): (S.ACCEPTED, A.TELL_RESPONSE),
        (S.ACCEPTED, I.TIMER_M): (S.TERMINATED, A.NOTHING),
    },
    {
        S.CALLING: (I.TIMER_A, I.TIMER_B),
        S.COMPLETED: (I.TIMER_D,),
        S.ACCEPTED: (I.TIMER_M,),
    },
    I.TIMER_A,
    I.TIMER_B,
)

NICT: Final = Machine(
    "NICT",
    S.TRYING,
    {
        (S.TRYING, I.TIMER_E): (S.TRYING, A.SEND_AGAIN),
        (S.TRYING, I.TIMER_F): (S.TERMINATED, A.TELL_TIMEOUT),
        (S.TRYING, I.TRANSPORT_ERROR): (S.TERMINATED, A.TELL_TRANSPORT_ERROR),
        (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, A.TELL_RESPONSE),
        (S.TRYING, I.FINAL): (S.COMPLETED, A.TELL_RESPONSE),
        (S.PROCEEDING, I.TIMER_E): (S.PROCEEDING, A.SEND_AGAIN),
        (S.PROCEEDING, I.TIMER_F): (S.TERMINATED, A.TELL_TIMEOUT),
        (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.TELL_TRANSPORT_ERROR),
        (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.TELL_RESPONSE),
        (S.PROCEEDING, I.FINAL): (S.COMPLETED, A.TELL_RESPONSE),
        (S.COMPLETED, I.TIMER_K): (S.TERMINATED, A.NOTHING),
    },
    {S.TRYING: (I.TIMER_E, I.TIMER_F), S.COMPLETED: (I.TIMER_K,)},
    I.TIMER_E,
    I.TIMER_F,
)

IST: Final = Machine(
    "IST",
    S.PROCEEDING,
    {
        (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, A.SEND_AGAIN),
        (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
        (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, A.SEND),
        (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.SEND),
        # RFC 6026 §7.1: an error no longer ends the transaction. A later retransmission may succeed.
        (S.PROCEEDING, I.TRANSPORT_ERROR): (S.PROCEEDING, A.COUNT_ERROR),
        (S.COMPLETED, I.REQUEST): (S.COMPLETED, A.SEND_AGAIN),
        (S.COMPLETED, I.TIMER_G): (S.COMPLETED, A.SEND_AGAIN),
        (S.COMPLETED, I.TIMER_H): (S.TERMINATED, A.NOTHING),
        (S.COMPLETED, I.ACK): (S.CONFIRMED, A.NOTHING),
        (S.COMPLETED, I.TRANSPORT_ERROR): (S.COMPLETED, A.COUNT_ERROR),
        (S.CONFIRMED, I.TIMER_I): (S.TERMINATED, A.NOTHING),
        (S.ACCEPTED, I.ACK): (S.ACCEPTED, A.PASS_ACK),
        (S.ACCEPTED, I.SUCCESS): (S.ACCEPTED, A.SEND),
        (S.ACCEPTED, I.TRANSPORT_ERROR): (S.ACCEPTED, A.COUNT_ERROR),
        (S.ACCEPTED, I.TIMER_L): (S.TERMINATED, A.NOTHING),
    },
    {
        S.COMPLETED: (I.TIMER_G, I.TIMER_H),
        S.CONFIRMED: (I.TIMER_I,),
        S.ACCEPTED: (I.TIMER_L,),
    },
    I.TIMER_G,
)

NIST: Final = Machine(
    "NIST",
    S.TRYING,
    {
        (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
        (S.TRYING, I.FINAL): (S.COMPLETED, A.SEND),
        # RFC 4320 §4.1 and §4.2, later than figure 8: one late 100, and no 408.
        (S.TRYING, I.TRYING_DUE): (S.PROCEEDING, A.SEND_TRYING),
        (S.TRYING, I.PEER_GAVE_UP): (S.TERMINATED, A.NOTHING),
        (S.PROCEEDING, I.PEER_GAVE_UP): (S.TERMINATED, A.NOTHING),
        (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, A.SEND_AGAIN),
        (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
        (S.PROCEEDING, I.FINAL): (S.COMPLETED, A.SEND),
        # Figure 8 ends the transaction at a transport error. A retransmission would then be a new request and be
        # relayed a second time. So the transaction goes on, as an INVITE does by RFC 6026.
        (S.PROCEEDING, I.TRANSPORT_ERROR): (S.PROCEEDING, A.COUNT_ERROR),
        (S.COMPLETED, I.REQUEST): (S.COMPLETED, A.SEND_AGAIN),
        (S.COMPLETED, I.TRANSPORT_ERROR): (S.COMPLETED, A.COUNT_ERROR),
        (S.COMPLETED, I.TIMER_J): (S.TERMINATED, A.NOTHING),
    },
    {S.TRYING: (I.TRYING_DUE, I.PEER_GAVE_UP), S.COMPLETED: (I.TIMER_J,)},
)
