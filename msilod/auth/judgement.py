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
    """`user` is the AOR that was named, "" for none; `wait` seconds of TOO_SOON.

    `reason` says in plain words why the credentials were refused, "" when there were none. `is_mendable`: the operator
    can change that, by the configuration or a new password. `algorithm` and `nonce` are those of the credentials, b""
    when there were none; `nonce` is b"" also when it is only old because it was given to another address.
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
        """True when `aor` is registered from there: then a guess is never too soon."""

    def place(self) -> str:
        """Address, port and transport."""

    def is_removal(self) -> bool:
        """True for a REGISTER that only removes bindings."""

    def accepts(self, uri: bytes) -> bool:
        """True when `uri`, that of the digest, may stand for another Request-URI."""

    def domain_of(self, host: str) -> str:
        """The domain of this server that `host` names; "" for a foreign host."""


class Asked:
    """The question: does the request show a password of `aor` in `realm`? `uri` is its Request-URI."""

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
