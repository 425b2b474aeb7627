"""Outbound proxy: deliveries of one domain go through a proxy (m_store(mode, next_hop), m_dump(next_hop)).

Messages to the branch office go through the office's border proxy, both new messages and messages delivered after a
REGISTER. Messages to other domains go straight to the phone. One proxy for all domains needs no policy, but only
[silo] next_hop.

>>> from msilod.routing import example
>>> route(example("MESSAGE", "sip:bob@branch.example.test", domains=DOMAINS))
Store(next_hop='sip:192.0.2.20:5060')
>>> route(example("MESSAGE", "sip:bob@example.test", domains=DOMAINS))
Store()
>>> route(example("REGISTER", "sip:branch.example.test", domains=DOMAINS))
Save(next_hop='sip:192.0.2.20:5060')
>>> route(example("REGISTER", "sip:example.test", domains=DOMAINS))
Save()
>>> failure_route(example("MESSAGE", "sip:bob@branch.example.test", domains=DOMAINS), 503)
Store(mode=1, next_hop='sip:192.0.2.20:5060')
"""

from msilod.routing import Action, RoutingRequest, Save, Store, default

DOMAINS = ("example.test", "branch.example.test")
HOPS = {"branch.example.test": "sip:192.0.2.20:5060"}


def route(request: RoutingRequest) -> Action:
    return by_hop(request, default.route(request))


def failure_route(request: RoutingRequest, status: int) -> Action:
    return by_hop(request, default.failure_route(request, status))


def by_hop(request: RoutingRequest, action: Action) -> Action:
    """The action of the default policy, with the next hop of the domain."""
    hop = HOPS.get(request.uri.host, "")
    if isinstance(action, Store):
        return Store(action.mode, next_hop=hop)
    if isinstance(action, Save):
        return Save(action.dump, next_hop=hop)
    return action
