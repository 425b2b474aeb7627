"""Seed: the route block and failure route of SER's msilo example, line by line, as a first policy file.

The built-in policy (msilod/routing/default.py) decides in the same way. The built-in policy also uses `[silo] mode`,
and answers OPTIONS, SUBSCRIBE and PUBLISH to the server's own address.

>>> from msilod.routing import example
>>> bob, here = "sip:bob@example.test", ["bob@example.test"]
>>> route(example("REGISTER", "sip:example.test"))
Save()
>>> route(example("MESSAGE", bob))
Store()
>>> route(example("MESSAGE", bob, is_known=False))
Reply(status=404, phrase='Not Found')
>>> route(example("INVITE", bob))
Reply(status=404, phrase='Not Found')
>>> route(example("MESSAGE", bob, registered=here))
Relay(on_failure=True)
>>> route(example("MESSAGE", "sip:carol@far.test"))
Relay()
>>> failure_route(example("MESSAGE", bob, registered=here), 405)
Store(mode=1)
>>> failure_route(example("INFO", bob, registered=here), 405)
Break()
"""

from msilod.routing import Action, Break, Relay, Reply, RoutingRequest, Save, Store


def route(request: RoutingRequest) -> Action:
    if request.is_myself:
        if request.method == b"REGISTER":
            return Save(dump=True)
        if not request.is_known:
            # With users in the silo, no message is stored for an unknown name.
            return Reply(404, "Not Found")
        if not request.is_registered:
            if request.method != b"MESSAGE":
                return Reply(404, "Not Found")
            return Store(0)
        if request.method == b"MESSAGE" and request.has_due_rows:
            # Older messages are being delivered, and the new message must not overtake (law 7).
            return Store(0)
        return Relay(on_failure=True)
    return Relay()


def failure_route(request: RoutingRequest, status: int) -> Action:
    if request.method != b"MESSAGE":
        return Break()
    return Store(1)
