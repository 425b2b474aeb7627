"""Store on failure: stores a MESSAGE only when the phone does not support MESSAGE or the content type.

Other failures are answered to the sender, for example busy, or no answer in time.

>>> from msilod.routing import example
>>> sent = example("MESSAGE", "sip:bob@example.test", registered=["bob@example.test"])
>>> route(sent)
Relay(on_failure=True)
>>> failure_route(sent, 405)
Store(mode=1)
>>> failure_route(sent, 486)
Break()
>>> failure_route(sent, 408)
Reply(status=480, phrase='No answer, and not kept')
"""

from msilod.routing import Action, Break, Reply, RoutingRequest, Store
from msilod.routing.default import route

__all__ = ["failure_route", "route"]

# The phone does not support MESSAGE, or not this content type.
NO_MESSAGE = (405, 406, 415, 488, 501)


def failure_route(request: RoutingRequest, status: int) -> Action:
    if request.method != b"MESSAGE":
        return Break()
    if status in NO_MESSAGE:
        return Store(1)
    if status == 408:
        return Reply(480, "No answer, and not kept")
    return Break()
