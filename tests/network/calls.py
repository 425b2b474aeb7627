"""Calls: a dialog of a phone on the virtual network, with the state of the call (RFC 3261 §12, §13, §15).

`ending` says how a call has ended, and is "" until then. The route set is taken from Record-Route and the target from
Contact, so ACK and BYE take the way chosen by the proxy.
"""

from msilod.sip.message import Request
from tests.agent.transactions import Agent
from tests.agent.user_agent import Dialog, of_callee


class Call(Dialog[Agent]):
    """One side of a call. A new call is the caller's side; the answer gives the target and the route set."""

    is_caller = True
    is_ringing = False
    is_talking = False
    is_cancelled = False
    ending = ""
    status = 0


def called(agent: Agent, invite: Request) -> Call:
    """The callee's side of a call (§12.1.1)."""
    side = of_callee(agent, invite, agent.tag)
    made = Call(agent, side.local, side.remote, side.call_id, side.target, side.routes, cseq=100)
    made.is_caller = False
    return made
