"""Policy: what routes requests; routing/default.py is one, a file of the operator's another."""

from typing import Protocol

from msilod.routing.actions import Action
from msilod.routing.request import RoutingRequest


class Policy(Protocol):
    """A module with these two functions. They are asked for every request and must return at once."""

    def route(self, request: RoutingRequest) -> Action:
        """route{}: what to do with a request that came in. Never an ACK or a CANCEL."""

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        """failure_route[1]: what to do when no branch took it; `status` is the best answer, 408 for none."""


class PolicyInForce:
    """The policy that requests are routed by. A reload puts another one here."""

    __slots__ = ("policy",)

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
