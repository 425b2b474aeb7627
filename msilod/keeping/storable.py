"""StorableRequest: a request with the names in the request, for storing."""

from msilod.routing.myself import Named
from msilod.routing.request import RoutingRequest
from msilod.transaction.server_transaction import ServerTransaction


class StorableRequest(RoutingRequest):
    """The interface of an incoming request for Storing.

    `aor` is the AOR in the Request-URI, "" for none. `author` is the address of the sender. `new_uri` is the
    Request-URI set by the policy, b"" for none.
    """

    __slots__ = ("aor", "author", "new_uri", "transaction")

    transaction: ServerTransaction
    aor: str
    author: Named
    new_uri: bytes

    @property
    def named_to(self) -> Named:
        """The address in To."""
        raise NotImplementedError
