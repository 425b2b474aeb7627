"""routing/: decides what to do with a request: the policy, in the words of the seed's route block.

What comes in: a `RoutingRequest`, the properties of a request for a policy. What goes out: an `Action` (Relay,
Store, Reply ...), which serving/ carries out. A policy is a module with two functions, route() and failure_route(): the
built-in default.py, or a file of the operator. A policy file needs only these names:

    from msilod.routing import Action, Break, Relay, Reply, RoutingRequest, Save, Store, example

The room also decides which URIs are ours, and which address of record a URI names (domains.py, aliases.py, myself.py).
The functions are pure: no sockets, no database, no clock. Only policy_file.py reads a file, when a policy is loaded.

Start with default.py, then request.py and actions.py. The tests are in tests/routing; the examples in the docstrings of
the policies are tests, too.
"""

from msilod.routing.actions import Action, Break, Drop, Dump, Relay, Reply, Save, Store
from msilod.routing.example import example
from msilod.routing.request import RoutingRequest

__all__ = [
    "Action", "Break", "Drop", "Dump", "Relay", "Reply", "RoutingRequest", "Save", "Store", "example",
]  # fmt: skip
