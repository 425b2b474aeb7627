"""The four transaction machines of RFC 3261 §17 (figures 5 to 8), with RFC 6026 and RFC 4320, as tables.

Rule 1: what a machine does stands here and nowhere else; the layer only carries out actions.
Rule 2: a (state, input) that is absent is ignored.
Timers are armed by entering a state: see ENTERING.
"""

from enum import Enum, auto
from typing import Final


class State(Enum):
    """The states of all four machines, in the RFC's words."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Input(Enum):
    """What can happen to a transaction."""

    REQUEST = auto()
    """A retransmission of the request (server)."""
    ACK = auto()
    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    TRANSPORT_ERROR = auto()
    RETRANSMIT = auto()
    """Timer A, E or G."""
    GIVE_UP = auto()
    """Timer B, F or H."""
    FORGET = auto()
    """Timer D, I, J, K, L or M."""


class Action(Enum):
    """What the layer does."""

    NOTHING = auto()
    SEND = auto()
    """Send what the user gave."""
    SEND_AGAIN = auto()
    """Send the last message again."""
    TELL = auto()
    """Pass the response to the owner."""
    TELL_AND_ACK = auto()
    """Pass it, and acknowledge a failure hop by hop (§17.1.1.3)."""
    ACK_AGAIN = auto()
    TIMED_OUT = auto()
    FAILED = auto()
    """Tell the owner that the transport failed."""
    PASS_ACK = auto()
    """The ACK is for a 2xx: the user's to route (RFC 6026 §7.1)."""


S, I, A = State, Input, Action  # noqa: E741 - the columns of the tables
Table = dict[tuple[State, Input], tuple[State, Action]]

INVITE_CLIENT: Final[Table] = {
    (S.CALLING, I.RETRANSMIT): (S.CALLING, A.SEND_AGAIN),
    (S.CALLING, I.GIVE_UP): (S.TERMINATED, A.TIMED_OUT),
    (S.CALLING, I.TRANSPORT_ERROR): (S.TERMINATED, A.FAILED),
    (S.CALLING, I.PROVISIONAL): (S.PROCEEDING, A.TELL),
    (S.CALLING, I.SUCCESS): (S.ACCEPTED, A.TELL),
    (S.CALLING, I.FAILURE): (S.COMPLETED, A.TELL_AND_ACK),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.TELL),
    (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, A.TELL),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.TELL_AND_ACK),
    (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.FAILED),
    (S.COMPLETED, I.FAILURE): (S.COMPLETED, A.ACK_AGAIN),
    (S.COMPLETED, I.FORGET): (S.TERMINATED, A.NOTHING),
    (S.COMPLETED, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
    (S.ACCEPTED, I.SUCCESS): (S.ACCEPTED, A.TELL),
    (S.ACCEPTED, I.FORGET): (S.TERMINATED, A.NOTHING),
}

NON_INVITE_CLIENT: Final[Table] = {
    (S.TRYING, I.RETRANSMIT): (S.TRYING, A.SEND_AGAIN),
    (S.TRYING, I.GIVE_UP): (S.TERMINATED, A.TIMED_OUT),
    (S.TRYING, I.TRANSPORT_ERROR): (S.TERMINATED, A.FAILED),
    (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, A.TELL),
    (S.TRYING, I.SUCCESS): (S.COMPLETED, A.TELL),
    (S.TRYING, I.FAILURE): (S.COMPLETED, A.TELL),
    (S.PROCEEDING, I.RETRANSMIT): (S.PROCEEDING, A.SEND_AGAIN),
    (S.PROCEEDING, I.GIVE_UP): (S.TERMINATED, A.TIMED_OUT),
    (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.FAILED),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.TELL),
    (S.PROCEEDING, I.SUCCESS): (S.COMPLETED, A.TELL),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.TELL),
    (S.COMPLETED, I.FORGET): (S.TERMINATED, A.NOTHING),
}

INVITE_SERVER: Final[Table] = {
    (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, A.SEND_AGAIN),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
    (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, A.SEND),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.SEND),
    (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
    (S.COMPLETED, I.REQUEST): (S.COMPLETED, A.SEND_AGAIN),
    (S.COMPLETED, I.RETRANSMIT): (S.COMPLETED, A.SEND_AGAIN),
    (S.COMPLETED, I.ACK): (S.CONFIRMED, A.NOTHING),
    (S.COMPLETED, I.GIVE_UP): (S.TERMINATED, A.NOTHING),
    (S.COMPLETED, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
    (S.CONFIRMED, I.FORGET): (S.TERMINATED, A.NOTHING),
    (S.ACCEPTED, I.ACK): (S.ACCEPTED, A.PASS_ACK),
    (S.ACCEPTED, I.SUCCESS): (S.ACCEPTED, A.SEND),
    (S.ACCEPTED, I.FORGET): (S.TERMINATED, A.NOTHING),
}

NON_INVITE_SERVER: Final[Table] = {
    (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
    (S.TRYING, I.SUCCESS): (S.COMPLETED, A.SEND),
    (S.TRYING, I.FAILURE): (S.COMPLETED, A.SEND),
    (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, A.SEND_AGAIN),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, A.SEND),
    (S.PROCEEDING, I.SUCCESS): (S.COMPLETED, A.SEND),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, A.SEND),
    (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
    (S.COMPLETED, I.REQUEST): (S.COMPLETED, A.SEND_AGAIN),
    (S.COMPLETED, I.TRANSPORT_ERROR): (S.TERMINATED, A.NOTHING),
    (S.COMPLETED, I.FORGET): (S.TERMINATED, A.NOTHING),
}
