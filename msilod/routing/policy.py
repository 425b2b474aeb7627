"""Policy: the interface of a routing policy: routing/default.py, or a file of the operator."""

from typing import Protocol

from msilod.routing.actions import Action
from msilod.routing.request import RoutingRequest


class Policy(Protocol):
    """A module with these two functions. Both are called for requests, on the trio thread, and must return at once."""

    def route(self, request: RoutingRequest) -> Action:
        """route{}: return the action for a received request. Never called for an ACK or a CANCEL."""

    def failure_route(self, request: RoutingRequest, status: int) -> Action:
        """failure_route[1]: return the action when no branch succeeded; `status` is the best answer, 408 for none."""


class PolicyInForce:
    """The policy in use. A reload replaces the policy here."""

    __slots__ = ("policy",)

    def __init__(self, policy: Policy) -> None:
        self.configure(policy)

    def configure(self, policy: Policy) -> None:
        """Use `policy` for requests from now on."""
        self.policy = policy
