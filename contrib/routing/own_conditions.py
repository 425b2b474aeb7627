"""Own conditions: stores only text and emergencies, never messages of some senders, and blocks a network.

All other decisions are those of the default policy.

>>> from msilod.routing import example
>>> bob = "sip:bob@example.test"
>>> route(example("MESSAGE", bob))
Store()
>>> route(example("MESSAGE", bob, content_type="application/vnd.gsma.rcs-ft-http+xml"))
Reply(status=480, phrase='Away, and only text is kept')
>>> route(example("MESSAGE", bob, content_type="TEXT/Plain; charset=UTF-8"))
Store()
>>> route(example("MESSAGE", bob, sender="sip:alarm@example.test"))
Reply(status=480)
>>> route(example("MESSAGE", bob, sender="sip:alarm@example.test", registered=["bob@example.test"]))
Relay()
>>> route(example("MESSAGE", bob, headers={"Priority": "emergency"}, content_type="image/png"))
Store()
>>> route(example("MESSAGE", bob, source="203.0.113.9"))
Reply(status=403, phrase='Not from there')
>>> failure_route(example("MESSAGE", bob, content_type="image/png"), 486)
Break()
"""

from msilod.routing import Action, Break, Relay, Reply, RoutingRequest, Store, default

# Senders of messages without value on the next day.
NEVER_KEPT = {"alarm@example.test", "clock@example.test"}
BLOCKED = ("203.0.113.",)
NOT_TEXT = Reply(480, "Away, and only text is kept")


def route(request: RoutingRequest) -> Action:
    action = default.route(request)
    if request.method != b"MESSAGE" or not request.is_myself:
        return action
    if request.source.startswith(BLOCKED):
        return Reply(403, "Not from there")
    if isinstance(action, Store) and not is_kept(request):
        return Reply(480) if request.sender in NEVER_KEPT else NOT_TEXT
    if isinstance(action, Relay) and not is_kept(request):
        # Without a failure route the sender gets the phone's answer.
        return Relay()
    return action


def failure_route(request: RoutingRequest, status: int) -> Action:
    return default.failure_route(request, status) if is_kept(request) else Break()


def is_kept(request: RoutingRequest) -> bool:
    """True for text and for emergencies, except from NEVER_KEPT."""
    if request.sender in NEVER_KEPT:
        return False
    return request.content_type == "text/plain" or request.header("Priority") == "emergency"
