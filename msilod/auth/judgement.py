"""Judgement: the question to the judge and the answer (judge.py)."""

from enum import Enum, auto
from typing import Protocol


class Verdict(Enum):
    """The worth of credentials; judge.py has the table."""

    NONE = auto()
    TOO_SOON = auto()
    WRONG = auto()
    STALE = auto()
    ELSEWHERE = auto()
    RIGHT = auto()


class Judgement:
    """The answer of the judge. `user` is the named AOR, "" for none; `wait` are the seconds of TOO_SOON.

    `reason` says in plain words why the credentials were refused, "" without credentials. `is_mendable`: the operator
    can fix the reason, by the configuration or a new password. `algorithm` and `nonce` are those of the credentials,
    b"" without credentials. `nonce` is also b"" when the nonce counts as old only because it was given to another
    address.
    """

    __slots__ = ("algorithm", "is_mendable", "nonce", "reason", "user", "verdict", "wait")

    def __init__(
        self, verdict: Verdict, user: str = "", wait: float = 0.0, reason: str = "", algorithm: bytes = b""
    ) -> None:
        self.verdict = verdict
        self.user = user
        self.wait = wait
        self.reason = reason
        self.algorithm = algorithm
        self.is_mendable = False
        self.nonce = b""


class Visitor(Protocol):
    """The request and its sender, for questions that the judge asks only when it needs to."""

    def is_bound(self, aor: str) -> bool:
        """True when `aor` is registered from the source of the request. Then a guess is never too soon."""

    def place(self) -> str:
        """Return address, port and transport of the sender."""

    def is_removal(self) -> bool:
        """True for a REGISTER that only removes bindings."""

    def accepts(self, uri: bytes) -> bool:
        """True when `uri`, the URI of the digest, may stand for another Request-URI."""

    def domain_of(self, host: str) -> str:
        """Return the domain of this server that `host` names; "" for a foreign host."""


class Asked:
    """The question: does the request show a password of `aor` in `realm`? `uri` is the Request-URI."""

    __slots__ = ("aor", "method", "realm", "source", "uri", "visitor")

    def __init__(
        self, aor: str, realm: str, method: bytes, uri: bytes, source: str, visitor: Visitor
    ) -> None:
        self.aor = aor
        self.realm = realm
        self.method = method
        self.uri = uri
        self.source = source
        self.visitor = visitor
