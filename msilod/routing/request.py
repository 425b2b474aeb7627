"""RoutingRequest: what a policy may know of a request.

Rule: read only, and nothing in it costs a query; `uri` is the Request-URI behind the top Route.
"""

from msilod.sip.uri import SipUri


class RoutingRequest:
    """`is_myself` is the seed's uri==myself, `is_registered` its lookup("location").

    `has_due_rows`: messages of the recipient are being delivered, so that a new one goes behind them (law 7).
    `mode` is the configured m_store mode.
    """

    __slots__ = ("has_due_rows", "is_myself", "is_registered", "method", "mode", "uri")

    def __init__(
        self,
        method: bytes,
        uri: SipUri,
        is_myself: bool = True,
        is_registered: bool = False,
        has_due_rows: bool = False,
        mode: int = 0,
    ) -> None:
        self.method = method
        self.uri = uri
        self.is_myself = is_myself
        self.is_registered = is_registered
        self.has_due_rows = has_due_rows
        self.mode = mode

    @property
    def is_for_server(self) -> bool:
        """True when the URI names the server itself, not a user of it."""
        return self.is_myself and self.uri.user is None
