"""The seed's route block and failure route, line by line, as a policy file to begin with.

It does what msilod does without a policy file, in as few words as SER's example; the built-in one also knows
messages that have to go behind others, and the configured mode.

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
            # Once there are users, nothing is kept for a name that is nobody's.
            return Reply(404, "Not Found")
        if not request.is_registered:
            if request.method != b"MESSAGE":
                return Reply(404, "Not Found")
            return Store(0)
        if request.method == b"MESSAGE" and request.has_due_rows:
            # Older messages are on their way: this one goes behind them.
            return Store(0)
        return Relay(on_failure=True)
    return Relay()


def failure_route(request: RoutingRequest, status: int) -> Action:
    if request.method != b"MESSAGE":
        return Break()
    return Store(1)
