"""The default policy: the seed's route{} and failure_route[1], in the same order and the same words.

    if (uri==myself) {
        if (method=="REGISTER") { save("location"); m_dump(); break; }
        if (!lookup("location")) {
            if (!method=="MESSAGE") { t_reply("404", "Not found"); break; }
            if (m_store("0")) t_reply("202", "Accepted"); else t_reply("503", "Service Unavailable");
            break;
        }
        t_on_failure("1"); t_relay(); break;
    }
    t_relay();

    failure_route[1] {
        if (!method=="MESSAGE") break;
        if (m_store("1")) t_reply("202", "Accepted"); else t_reply("503", "Service Unavailable");
    }

>>> from msilod.routing import example
>>> bob, here = "sip:bob@example.test", ["bob@example.test"]
>>> route(example("MESSAGE", bob))
Store()
>>> route(example("MESSAGE", bob, registered=here))
Relay(on_failure=True)
>>> route(example("INVITE", bob))
Reply(status=404, phrase='Not Found')
>>> route(example("MESSAGE", bob, is_known=False))
Reply(status=404, phrase='Not Found')
>>> failure_route(example("MESSAGE", bob, registered=here), 405)
Store(mode=1)
>>> failure_route(example("INFO", bob, registered=here), 401)
Break()
"""

from typing import Final

from msilod.routing.actions import Action, Break, Relay, Reply, Save, Store
from msilod.routing.request import RoutingRequest

# Made once, because each request asks the policy.
SAVE_AND_DUMP: Final = Save(dump=True)
RELAY: Final = Relay()
RELAY_OR_FAIL: Final = Relay(on_failure=True)
STORE: Final = (Store(0), Store(1), Store(2))
NOT_FOUND: Final = Reply(404, "Not Found")
OK: Final = Reply(200, "OK")
NOT_ALLOWED: Final = Reply(405, "Method Not Allowed")
# RFC 6665 §4.2.1, RFC 3903 §6: no event package is served here; requests for packages of users are relayed.
BAD_EVENT: Final = Reply(489, "Bad Event")
FOR_SERVER: Final = {b"OPTIONS": OK, b"SUBSCRIBE": BAD_EVENT, b"PUBLISH": BAD_EVENT}
BREAK: Final = Break()


def route(request: RoutingRequest) -> Action:
    """route{}: what to do with a request."""
    method = request.method
    if not request.is_myself:
        return RELAY
    if method == b"REGISTER":
        return SAVE_AND_DUMP
    if method != b"MESSAGE" and request.is_for_server:
        return FOR_SERVER.get(method, NOT_ALLOWED)
    if not request.is_known:
        return NOT_FOUND
    if method == b"MESSAGE" and (not request.is_registered or request.has_due_rows):
        return STORE[request.mode]
    if not request.is_registered:
        return NOT_FOUND
    return RELAY_OR_FAIL


def failure_route(request: RoutingRequest, status: int) -> Action:
    """failure_route[1]: no contact accepted the request; `status` is the best answer, 408 for none.

    The Request-URI is the URI of the contact by then, and mode 0 would store under this URI. So the mode is 1.
    """
    if request.method != b"MESSAGE":
        return BREAK
    return STORE[max(request.mode, 1)]
