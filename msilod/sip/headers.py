"""Headers: the header fields of a message as an ordered list of lines with canonical names (RFC 3261 §7.3, §20).

Rules: a line keeps the received bytes, unfolded. Names are compared in lower-case long form. Values are parsed by the
code which needs the value. A line made here has no CR, LF or NUL.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import CR, LF, WSP, is_token, split_outside

# RFC 3261 §20 and the IANA registry.
COMPACT: Final = {
    b"a": b"accept-contact", b"b": b"referred-by", b"c": b"content-type", b"d": b"request-disposition",
    b"e": b"content-encoding", b"f": b"from", b"i": b"call-id", b"j": b"reject-contact",
    b"k": b"supported", b"l": b"content-length", b"m": b"contact", b"n": b"identity-info", b"o": b"event",
    b"r": b"refer-to", b"s": b"subject", b"t": b"to", b"u": b"allow-events", b"v": b"via",
    b"x": b"session-expires", b"y": b"identity",
}  # fmt: skip
_SPELLINGS: Final = (
    b"Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events "
    b"Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding "
    b"Content-Language Content-Length Content-Type CSeq Date Error-Info Event Expires Flow-Timer From "
    b"History-Info Identity In-Reply-To Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE "
    b"Organization P-Asserted-Identity P-Preferred-Identity Path Priority Privacy Proxy-Authenticate "
    b"Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To Referred-By Reply-To Require "
    b"Retry-After Route RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject "
    b"Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate"
).split(b" ")


def _known() -> dict[bytes, bytes]:
    known = {}
    for spelling in _SPELLINGS:
        name = spelling.lower()
        known[spelling] = known[name] = known[spelling.upper()] = known[spelling.title()] = name
    for short, name in COMPACT.items():
        known[short] = known[short.upper()] = known.setdefault(name, name)
    return known


# All usual spellings of known names: one look-up finds nearly every name. Names from the wire are never added, since
# hostile messages could fill the memory.
KNOWN: Final = _known()


def canonical(name: bytes) -> bytes:
    """Return a field name in lower-case long form: b"v" becomes b"via" (RFC 3261 §7.3.3)."""
    return KNOWN.get(name) or KNOWN.get(lowered := name.lower()) or lowered


def line(name: bytes, value: bytes) -> bytes:
    """Return `Name: value`. Raises ValueError for a value with CR, LF or NUL, and for a name other than a token."""
    if CR in value or LF in value or 0 in value:
        raise ValueError("a header value with CR, LF or NUL")
    if name not in KNOWN and not is_token(name):
        raise ValueError("a header name that is no token")
    return b"%b: %b" % (name, value)


def value_of(text: bytes) -> bytes:
    """Return the text behind the colon of a line, trimmed."""
    return text.partition(b":")[2].strip(WSP)


def unfold(lines: list[bytes]) -> list[bytes]:
    """Join each continuation line to the line above with one space (RFC 3261 §7.3.1).

    `lines` are the lines of a head, start line first. Raises MalformedMessage when the first field line is a
    continuation.
    """
    groups: list[list[bytes]] = []
    for text in lines:
        if text[:1] not in (b" ", b"\t"):
            groups.append([text])
        elif len(groups) > 1:
            groups[-1].append(text.strip(WSP))
        else:
            raise MalformedMessage("Bad Header Field")
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _joined(group: list[bytes]) -> bytes:
    first, *rest = group
    return b" ".join([first.rstrip(WSP), *rest])


class Headers:
    """The header fields of one message, in order.

    `fields` holds (canonical name, whole line without CRLF). Methods take canonical names; but `add`, `prepend` and
    `replace` print the name as given and derive the canonical name.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: list[tuple[bytes, bytes]] | None = None) -> None:
        self.fields = [] if fields is None else fields

    def get(self, name: bytes) -> bytes | None:
        """Return the first value, trimmed; None when the field is absent."""
        for known, text in self.fields:
            if known == name:
                return text.partition(b":")[2].strip(WSP)
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the value of each line, in order, trimmed."""
        return [value_of(text) for known, text in self.fields if known == name]

    def split(self, name: bytes) -> list[bytes]:
        """Return the values of a comma list, over all lines of the field (RFC 3261 §7.3.1), without empty values."""
        if name not in self:
            return []
        return [piece for value in self.get_all(name) for piece in split_outside(value, b",") if piece]

    def __contains__(self, name: bytes) -> bool:
        # A loop, because `any` with a generator takes three times as long, and this runs for every request.
        for known, _ in self.fields:  # noqa: SIM110
            if known == name:
                return True
        return False

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field. Raises ValueError for a value or name not permitted in a line (see `line`)."""
        self.fields.append((canonical(name), line(name, value)))

    def add_received(self, name: bytes, value: bytes) -> None:
        """Append a field with a value from a received message, unchecked.

        A received quoted string may contain a NUL (RFC 3261 §25.1 quoted-pair); the NUL is forwarded. The parser admits
        no CR and no LF.
        """
        self.fields.append((canonical(name), b"%b: %b" % (name, value)))

    def prepend(self, name: bytes, value: bytes) -> None:
        """Put a field before all others. Raises ValueError for a value or name not permitted in a line (see `line`)."""
        self.fields.insert(0, (canonical(name), line(name, value)))

    def replace(self, name: bytes, value: bytes) -> None:
        """Set the value of the first field with this name and remove the others; append the field when absent.

        Raises ValueError for a value or name not permitted in a line (see `line`).
        """
        known = canonical(name)
        text = line(name, value)
        for position, field in enumerate(self.fields):
            if field[0] == known:
                rest = [other for other in self.fields[position + 1 :] if other[0] != known]
                self.fields[position:] = [(known, text), *rest]
                return
        self.fields.append((known, text))

    def remove(self, name: bytes) -> None:
        """Remove all fields with this name."""
        self.fields[:] = [field for field in self.fields if field[0] != name]

    def copy(self) -> "Headers":
        """Return a copy with its own list of lines."""
        return Headers(self.fields.copy())

    def __repr__(self) -> str:
        return f"<Headers {[text for _, text in self.fields]!r}>"
