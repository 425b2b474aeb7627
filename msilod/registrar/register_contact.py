"""RegisterContact: reads and checks one Contact value of a REGISTER (RFC 3261 §10.3 steps 6 and 7, §20.10).

Rules: contacts that cannot be repeated in a 200, or cannot be sent to, are refused. A contact that is not a SIP URI
gets 400. A contact that names this server gets 403: requests to these contacts would come back, multiplied by the
number (RFC 5393 §3). Multicast and broadcast addresses are refused because no phone has one.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.policy import RegistrarPolicy
from msilod.sip.address import NameAddr
from msilod.sip.grammar import CONTROLS, is_token, number
from msilod.sip.hop import bare, is_group
from msilod.sip.message import Request
from msilod.sip.uri import SipUri
from msilod.sip.via import DEFAULT_PORT

IsMyself = Callable[[SipUri], bool]

MAX_CONTACT: Final = 2048
# RFC 3261 §19.1.2.
DEFAULT_TLS_PORT: Final = 5061
# There are a few dozen methods in all. The limit bounds the memory of one REGISTER.
MAX_METHODS: Final = 64
# RFC 3261 §20.19: seconds of Expires and of expires.
MAX_EXPIRES: Final = 2**32 - 1
# RFC 5626 §4.2.1.
MAX_REG_ID: Final = 2**31 - 1
# RFC 3261 §10.3 step 7: a registrar may refuse an interval only if it is below an hour.
_HOUR: Final = 3600
# Only the registrar assigns GRUUs (RFC 5627 §5.1), so GRUUs sent by a phone are dropped.
_OWN_PARAMETERS: Final = frozenset((b"q", b"expires", b"pub-gruu", b"temp-gruu"))


class RegisterContact:
    """One contact. `uri_text` is the URI as sent; `expires` is the lifetime of the binding in seconds, 0 to remove.

    `reg_id` is 0 without an instance, because a reg-id has no meaning alone (RFC 5626 §4.2.1). `params` are the other
    parameters as sent; `methods` is the value of `methods=`.
    """

    __slots__ = ("expires", "instance", "methods", "params", "q", "reg_id", "uri", "uri_text")

    def __init__(self, address: NameAddr, uri: SipUri, expires: int, q: float) -> None:
        self.uri = uri
        self.uri_text = address.uri.decode("ascii")
        self.expires = expires
        self.q = q
        self.instance = text(address.get(b"+sip.instance") or b"")
        self.reg_id = (number(address.get(b"reg-id") or b"", MAX_REG_ID) or 0) if self.instance else 0
        self.methods = method_set((address.get(b"methods") or b"").strip(b'"'))
        self.params = text(
            b"".join(
                b";" + name if value is None else b";%b=%b" % (name, value)
                for name, value in address.params
                if name.lower() not in _OWN_PARAMETERS
            )
        )

    @property
    def flow_id(self) -> tuple[str, int]:
        """Instance and reg-id, the name of a flow of a device (RFC 5626 §4.2). With reg-id 0 there is no flow."""
        return self.instance, self.reg_id

    def is_same(self, other: "RegisterContact") -> bool:
        """True when both contacts name one binding: by instance and reg-id when both have them, else by URI."""
        if self.reg_id or other.reg_id:
            return (self.reg_id, self.instance) == (other.reg_id, other.instance)
        return self.uri.equals(other.uri)

    def names(self, binding: Binding) -> bool:
        """True when this contact names `binding` (RFC 3261 §10.3 step 7). Flows: without the URI (RFC 5626 §6)."""
        if self.reg_id:
            return self.reg_id == binding.reg_id and self.instance == binding.instance
        return binding.contact == self.uri_text or SipUri.parse(binding.contact).equals(self.uri)


def read_contact(
    request: Request, aor: str, value: bytes, policy: RegistrarPolicy, is_myself: IsMyself | None = None
) -> RegisterContact:
    """Read one value of the Contact list. Raises MalformedMessage (400) and RequestRefused (400, 403, 423)."""
    refuse_controls(value)
    address = _name_addr(value)
    if len(address.uri) > MAX_CONTACT:
        raise RequestRefused(403, "Contact Too Long")
    uri = _sip_uri(address)
    if uri.is_ip_literal and is_group(bare(uri.host)):
        raise RequestRefused(403, "Contact Is No Host's Address")
    if _names_the_registrar(uri, aor, is_myself):
        raise RequestRefused(403, "Contact Is the Address of Record")
    return RegisterContact(address, uri, _expires(request, address, policy), _q(address))


def refuse_controls(value: bytes) -> None:
    """Raise MalformedMessage (400) for control characters, which a quoted string may hold but no sent line (F13).

    TAB is allowed: TAB is white space in a header (RFC 3261 §25.1).
    """
    if value.translate(None, _UNSAYABLE) != value:
        raise MalformedMessage("Control Character in Contact or Path")


_UNSAYABLE: Final = CONTROLS.replace(b"\t", b"")


def text(value: bytes) -> str:
    """Return header bytes as the text of a Binding. Bytes outside UTF-8 become escapes."""
    return value.decode("utf-8", "backslashreplace")


def _name_addr(value: bytes) -> NameAddr:
    try:
        return NameAddr.parse(value)
    except MalformedMessage as error:
        raise MalformedMessage(f"Bad Contact: {error.phrase}", error.status) from error


def _sip_uri(address: NameAddr) -> SipUri:
    try:
        return SipUri.parse(address.uri)
    except MalformedMessage as error:
        # The 416 for another scheme is about Request-URIs (RFC 3261 §21.4.14).
        raise RequestRefused(400, f"Contact Is No SIP URI: {error.phrase}") from error


def _names_the_registrar(uri: SipUri, aor: str, is_myself: IsMyself | None) -> bool:
    if uri.headers and not uri.is_ip_literal:
        # A URI with a port differs from a URI without (§19.1.4), and a name is reached by its flow alone (RFC 4475
        # §3.3.14).
        return False
    if uri.is_ip_literal and uri.port is None and is_myself is not None:
        # An address is reached at its port, or at the default port (RFC 3263 §4.2). A phone on the host of this server
        # has the default port when this server listens on another port.
        port = DEFAULT_TLS_PORT if uri.scheme == "sips" or uri.transport == "tls" else DEFAULT_PORT
        return is_myself(SipUri(uri.scheme, uri.user, uri.host, port))
    if is_myself is not None and is_myself(uri):
        return True
    return uri.user is not None and uri.port is None and uri.aor() == aor


def _expires(request: Request, address: NameAddr, policy: RegistrarPolicy) -> int:
    """Return the parameter of the contact, else the Expires field, else the default. Garbage is the default (F9)."""
    seconds = wished_expires(address, request.headers.get(b"expires"))
    if seconds is None:
        seconds = policy.default_expires
    elif 0 < seconds < min(policy.min_expires, _HOUR):
        raise RequestRefused(423, "Interval Too Brief", [(b"Min-Expires", b"%d" % policy.min_expires)])
    return min(seconds, policy.max_expires)


def wished_expires(address: NameAddr, general: bytes | None) -> int | None:
    """Return the seconds that a contact asks for: its parameter, else `general` (Expires). None when unreadable.

    The value of the parameter is delta-seconds without quotes (RFC 3261 §25.1, c-p-expires), and a malformed value
    SHOULD count as 3600 (§20.10). Digits in quotes are read as digits all the same: their meaning is clear, and
    registrars in use (Kamailio, OpenSIPS) read them. Otherwise a phone that signs off with `expires="0"` would stay
    registered for an hour, at an address that another user may have by then. Other text in quotes, as the date of RFC
    2543 (§6.13), is malformed.
    """
    own = address.get(b"expires")
    if own is None:
        return None if general is None else number(general, MAX_EXPIRES)
    return number(own[1:-1] if own[:1] == b'"' else own, MAX_EXPIRES)


def _q(address: NameAddr) -> float:
    """qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )."""
    value = address.get(b"q")
    if value is None:
        return 1.0
    whole, _, part = value.partition(b".")
    thousandths = number((part + b"000")[:3], 999) if len(part) <= 3 else None
    if whole not in (b"0", b"1") or thousandths is None or (whole == b"1" and thousandths):
        raise MalformedMessage("Bad q of a Contact")
    return int(whole) + thousandths / 1000


# Phones of one make send the same value, so they share one set. 512 keys of at most 16 kB.
@lru_cache(512)
def method_set(value: bytes) -> frozenset[str] | None:
    """Return `INVITE, MESSAGE` as a set; None for an empty list. Raises MalformedMessage (400) past MAX_METHODS."""
    names = [name.strip(b" \t") for name in value.split(b",", MAX_METHODS)]
    if len(names) > MAX_METHODS:
        raise MalformedMessage("Too Many Methods in Contact or Allow")
    return frozenset(name.decode("ascii").upper() for name in names if is_token(name)) or None
