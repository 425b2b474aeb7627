"""Actions: what a policy can say, as plain data, so that a policy is tested without a server.

Rule: an action names a word of the seed's route block and its arguments; the daemon knows how to do it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """t_reply("status", "phrase")."""

    status: int
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Save:
    """save("location"); with `dump`, m_dump(next_hop) behind its 200."""

    dump: bool = True
    next_hop: str = ""


@dataclass(frozen=True, slots=True)
class Relay:
    """t_relay(); with `on_failure`, t_on_failure() to failure_route."""

    on_failure: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """m_store(mode, next_hop): 202 when it is durable, else the refusal's status."""

    mode: int = 0
    next_hop: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """drop(): no answer at all."""


@dataclass(frozen=True, slots=True)
class Break:
    """break, in failure_route: the best answer of the branches goes to the sender as it came.

    With its headers, since a 401 is worth nothing without its challenge; silence stays silence (RFC 4320 §4.2).
    """


Action = Reply | Save | Relay | Store | Drop | Break
