"""RoutingRequest: what a policy may know of a request.

Rules: read only, and nothing in it costs a query. What costs more than an attribute is worked out when it is
asked for, since the default policy asks for none of it.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow
from msilod.sip.headers import Headers, canonical
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

NO_MESSAGE: Final = Request(b"", b"", Headers())


class RoutingRequest:
    """What a policy reads. The daemon passes an `Incoming` (serving/incoming.py); this class is for examples and tests.

    `method` as bytes, b"MESSAGE"; `uri` is the Request-URI behind the top Route.

    `is_myself` is the seed's uri==myself, `is_registered` its lookup("location"). `has_due_rows`: messages of
    the recipient are being delivered, so that a new one goes behind them (law 7). `mode` is the configured
    m_store mode. `is_known`: the name is a user's, or there are no users yet. `user` is the AOR of who has proved
    to have sent it, None when nobody has.
    """

    __slots__ = (
        "_flow",
        "_has_due_rows",
        "_is_known",
        "_mode",
        "is_myself",
        "is_registered",
        "message",
        "method",
        "uri",
        "user",
    )

    def __init__(
        self,
        method: bytes,
        uri: SipUri,
        is_myself: bool = True,
        is_registered: bool = False,
        has_due_rows: bool = False,
        mode: int = 0,
        message: Request = NO_MESSAGE,
        flow: Flow | None = None,
        is_known: bool = True,
    ) -> None:
        self.method = method
        self.uri = uri
        self.is_myself = is_myself
        self.is_registered = is_registered
        self._has_due_rows = has_due_rows
        self._mode = mode
        self.message = message
        self._flow = flow
        self._is_known = is_known
        self.user: str | None = None

    # Properties, since an `Incoming` answers them from what the daemon knows: no policy asks for all of them.

    @property
    def has_due_rows(self) -> bool:
        """See above."""
        return self._has_due_rows

    @property
    def is_known(self) -> bool:
        """See above."""
        return self._is_known

    @property
    def mode(self) -> int:
        """See above."""
        return self._mode

    @property
    def flow(self) -> Flow | None:
        """Where the request came from; None when it did not come by the network."""
        return self._flow

    @property
    def is_for_server(self) -> bool:
        """True when the URI names the server itself, not a user of it."""
        return self.is_myself and self.uri.user is None

    def lookup(self, uri: str) -> bool:
        """lookup("location") for another URI: True when somebody is registered under it. Raises MalformedMessage."""
        return False

    # --- from the header fields ----------------------------------------------------------------------

    def header(self, name: str) -> str:
        """The first field of that name, "" when there is none; compact forms and case do not matter."""
        value = self.message.headers.get(canonical(name.encode("ascii", "replace")))
        return "" if value is None else value.decode("utf-8", "replace")

    @property
    def from_(self) -> SipUri | None:
        """The URI in From; None when it is no SIP URI."""
        return _sip_uri(self.message.from_.uri)

    @property
    def to(self) -> SipUri | None:
        """The URI in To; None when it is no SIP URI."""
        return _sip_uri(self.message.to.uri)

    @property
    def sender(self) -> str:
        """From as `user@host`, "" when it names nobody. What the sender claims: see `user`."""
        uri = self.from_
        return "" if uri is None or uri.user is None else uri.aor()

    @property
    def content_type(self) -> str:
        """`text/plain`: in lower case, without parameters; "" when there is none."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """As it came."""
        return self.message.body

    # --- where it came from --------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The address it came from, 192.0.2.7 or 2001:db8::7; "" when it did not come by the network."""
        flow = self.flow
        return flow.host if flow is not None else ""

    @property
    def transport(self) -> str:
        """What it came by: udp, tcp ...; "" as above."""
        flow = self.flow
        return flow.transport if flow is not None else ""


def _sip_uri(raw: bytes) -> SipUri | None:
    try:
        return SipUri.parse(raw)
    except MalformedMessage:
        return None
