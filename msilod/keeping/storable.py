"""StorableRequest: a request with what has been read of it, as storing needs it."""

from msilod.routing.myself import Named
from msilod.routing.request import RoutingRequest
from msilod.transaction.server_transaction import ServerTransaction


class StorableRequest(RoutingRequest):
    """`aor` is the AOR that the Request-URI names, "" for none; `author` the address that the sender writes as.

    `new_uri` is the Request-URI that the policy put in its place, b"" for none.
    """

    __slots__ = ("aor", "author", "new_uri", "transaction")

    transaction: ServerTransaction
    aor: str
    author: Named
    new_uri: bytes

    @property
    def named_to(self) -> Named:
        """The reading of To."""
        raise NotImplementedError
