"""Actions: what a policy can say, as plain data, so that a policy is tested without a server.

Rules: an action names a word of the seed's route block and its arguments; the daemon knows how to do it. What
no daemon could do is refused here, with ValueError, where the policy's own line is to blame.
"""

from dataclasses import dataclass, fields
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.uri import SipUri

_MODES: Final = (0, 1, 2)


class _Word:
    """An action is shown by what is said, not by what is left to its default."""

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
    """t_reply("status", "phrase"); an empty phrase is the RFC's. `headers` are (name, value).

    A final status, 200 to 699.
    """

    status: int
    phrase: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check."""
        if not 200 <= self.status <= 699:
            raise ValueError(f"{self.status} is no final status; write 200 to 699")
        for text in (self.phrase, *(part for field in self.headers for part in field)):
            if not text.isprintable():
                raise ValueError(f"{text!r} cannot stand in an answer")


@dataclass(frozen=True, slots=True, repr=False)
class Save(_Word):
    """save("location"); with `dump`, m_dump(next_hop) behind its 200. For a REGISTER."""

    dump: bool = True
    next_hop: str = ""

    def __post_init__(self) -> None:
        """Check."""
        _check_hop(self.next_hop)


@dataclass(frozen=True, slots=True, repr=False)
class Relay(_Word):
    """t_relay(); with `on_failure`, t_on_failure() to failure_route.

    `uri` is a new Request-URI (rewriteuri): whoever is registered under it, or another host. Without it the
    request's own. Nobody there is 404, or failure_route with that status.
    """

    on_failure: bool = False
    uri: str = ""

    def __post_init__(self) -> None:
        """Check."""
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Store(_Word):
    """m_store(mode, next_hop): 202 when it is durable, else the refusal's status. For a MESSAGE.

    `uri` is the new Request-URI that mode 0 looks at first; without it that of a Relay before. `next_hop` is the
    outbound proxy for this message's deliveries.
    """

    mode: int = 0
    next_hop: str = ""
    uri: str = ""

    def __post_init__(self) -> None:
        """Check."""
        if self.mode not in _MODES:
            raise ValueError(f"m_store has no mode {self.mode!r}; write 0, 1 or 2")
        _check_hop(self.next_hop)
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Dump(_Word):
    """m_dump(next_hop) by itself: deliver now what waits, and answer 200.

    For the recipient in To, or for `uri`; to his registered contacts, or when none is registered here to his
    address of record by way of the next hop.
    """

    next_hop: str = ""
    uri: str = ""

    def __post_init__(self) -> None:
        """Check."""
        _check_hop(self.next_hop)
        _check_uri(self.uri)


@dataclass(frozen=True, slots=True, repr=False)
class Drop(_Word):
    """drop(): no answer at all."""


@dataclass(frozen=True, slots=True, repr=False)
class Break(_Word):
    """break: no more is said.

    In failure_route the best answer of the branches goes to the sender as it came: with its headers, since a
    401 is worth nothing without its challenge; silence stays silence (RFC 4320 §4.2). In route nothing has been
    answered yet, and it is what it is in SER: as drop().
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
