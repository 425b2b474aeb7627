"""Actions: the actions that a policy can return, as plain data, so a policy is tested without a server.

Rules: an action is a word of the seed's route block with its arguments, and the daemon carries the action out. Actions
that no daemon could carry out raise ValueError here, so the error points to the line of the policy.
"""

from dataclasses import dataclass, fields
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.uri import SipUri

_MODES: Final = (0, 1, 2)


class _Word:
    """Base class of actions: `repr` shows only the fields that differ from their defaults."""

    __slots__ = ()

    def __repr__(self) -> str:
        said = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)  # type: ignore[arg-type] # every word is a dataclass
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, slots=True, repr=False)
class Reply(_Word):
    """t_reply("status", "phrase"); an empty phrase means the phrase of the RFC. `headers` are (name, value).

    `status` is final, 200 to 699.
    """

    status: int
    phrase: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        if not 200 <= self.status <= 699:
            raise ValueError(f"{self.status} is no final status; write 200 to 699")
        for text in (self.phrase, *(part for field in self.headers for part in field)):
            if not text.isprintable():
                raise ValueError(f"{text!r} cannot stand in an answer")


@dataclass(frozen=True, slots=True, repr=False)
class Save(_Word):
    """save("location"), for a REGISTER; with `dump`, m_dump(next_hop) after the 200."""

    dump: bool = True
    next_hop: str = ""

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        _check_hop(self.next_hop)


@dataclass(frozen=True, slots=True, repr=False)
class Relay(_Word):
    """t_relay(); with `on_failure`, t_on_failure() to failure_route.

    `uri` is a new Request-URI (rewriteuri): an AOR of this server, or another host. Without `uri` the Request-URI
    stays. When no contact is registered, the status is 404, or failure_route is called with 404.
    """

    on_failure: bool = False
    uri: str = ""

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Store(_Word):
    """m_store(mode, next_hop), for a MESSAGE: 202 when the message is durable, else the status of the refusal.

    `uri` is the new Request-URI for mode 0; without `uri`, the `uri` of an earlier Relay counts. `next_hop` is the
    outbound proxy for the deliveries of this message.
    """

    mode: int = 0
    next_hop: str = ""
    uri: str = ""

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        if self.mode not in _MODES:
            raise ValueError(f"m_store has no mode {self.mode!r}; write 0, 1 or 2")
        _check_hop(self.next_hop)
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Dump(_Word):
    """m_dump(next_hop) alone: deliver the stored messages now, and answer 200.

    The recipient is To, or `uri`. The messages go to the registered contacts, or without contacts to the AOR by the
    next hop.
    """

    next_hop: str = ""
    uri: str = ""

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        _check_hop(self.next_hop)
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Drop(_Word):
    """drop(): no answer at all."""


@dataclass(frozen=True, slots=True, repr=False)
class Break(_Word):
    """break: end the route.

    In failure_route the best answer of the branches goes to the sender unchanged, with its headers, since a 401 is
    useless without its challenge. When no branch answered, no answer is sent (RFC 4320 §4.2). In route, before any
    answer, Break means drop(), as in SER.
    """


Action = Reply | Save | Relay | Store | Dump | Drop | Break


def _check_hop(next_hop: str) -> None:
    if next_hop and _parsed(next_hop).user is not None:
        raise ValueError(f"{next_hop!r} names a user; a next hop is sip:host:port")


def _check_uri(uri: str) -> None:
    if uri:
        _parsed(uri)


def _parsed(uri: str) -> SipUri:
    try:
        return SipUri.parse(uri)
    except MalformedMessage as error:
        raise ValueError(f"{uri!r} is no SIP URI: {error.phrase.lower()}") from error
