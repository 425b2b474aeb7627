"""routing/: the policy, in the words of the seed's route block. Plain functions from what is known of a request
to an action; never a socket, a row or a clock.

What stands here is all that a policy of the operator's needs:

    from msilod.routing import Action, Break, Relay, Reply, RoutingRequest, Save, Store, example
"""

from msilod.routing.actions import Action, Break, Drop, Dump, Relay, Reply, Save, Store
from msilod.routing.example import example
from msilod.routing.request import RoutingRequest

__all__ = [
    "Action", "Break", "Drop", "Dump", "Relay", "Reply", "RoutingRequest", "Save", "Store", "example",
]  # fmt: skip
