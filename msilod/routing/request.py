"""RoutingRequest: the properties of a request that a policy may read.

Rules: read only, and no property costs a query of the database. Properties that cost more than an attribute are
computed on demand, because the default policy does not use them.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow
from msilod.sip.headers import Headers, canonical
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

NO_MESSAGE: Final = Request(b"", b"", Headers())


class RoutingRequest:
    """A request, as a policy sees it.

    The daemon passes an `Incoming` (serving/incoming.py). This class itself serves examples and tests.

    - `method`: bytes, b"MESSAGE". `uri`: the Request-URI after the top Route was removed.
    - `is_myself`: the seed's uri==myself. `is_registered`: the seed's lookup("location").
    - `has_due_rows`: messages of the recipient are being delivered, so a new message goes behind them (law 7).
    - `mode`: the configured mode of m_store.
    - `is_known`: the name belongs to a user, or there are no users yet.
    - `user`: the AOR of the authenticated sender, None without authentication.
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

    # These are properties because `Incoming` computes them on demand: no policy asks for all of them.

    @property
    def has_due_rows(self) -> bool:
        """True while messages of the recipient are being delivered."""
        return self._has_due_rows

    @property
    def is_known(self) -> bool:
        """True when the name belongs to a user, or there are no users yet."""
        return self._is_known

    @property
    def mode(self) -> int:
        """The configured mode of m_store."""
        return self._mode

    @property
    def flow(self) -> Flow | None:
        """The source flow of the request; None without a network."""
        return self._flow

    @property
    def is_for_server(self) -> bool:
        """True when the URI names the server itself, not a user of the server."""
        return self.is_myself and self.uri.user is None

    def lookup(self, uri: str) -> bool:
        """lookup("location") for another URI: True when a contact is registered. Raises MalformedMessage."""
        return False

    # --- from the header fields ----------------------------------------------------------------------

    def header(self, name: str) -> str:
        """Return the first field of this name, "" when there is none. Compact forms are known, case does not matter."""
        value = self.message.headers.get(canonical(name.encode("ascii", "replace")))
        return "" if value is None else value.decode("utf-8", "replace")

    @property
    def from_(self) -> SipUri | None:
        """The URI in From; None when From is not a SIP URI."""
        return _sip_uri(self.message.from_.uri)

    @property
    def to(self) -> SipUri | None:
        """The URI in To; None when To is not a SIP URI."""
        return _sip_uri(self.message.to.uri)

    @property
    def sender(self) -> str:
        """From as `user@host`, "" without a user. From is a claim of the sender; `user` is proved."""
        uri = self.from_
        return "" if uri is None or uri.user is None else uri.aor()

    @property
    def content_type(self) -> str:
        """`text/plain`: in lower case, without parameters; "" when there is none."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """The body as received."""
        return self.message.body

    # --- where it came from --------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The source address, 192.0.2.7 or 2001:db8::7; "" for a request without a network."""
        flow = self.flow
        return flow.host if flow is not None else ""

    @property
    def transport(self) -> str:
        """The transport of the request, udp, tcp ...; "" for a request without a network."""
        flow = self.flow
        return flow.transport if flow is not None else ""


def _sip_uri(raw: bytes) -> SipUri | None:
    try:
        return SipUri.parse(raw)
    except MalformedMessage:
        return None
