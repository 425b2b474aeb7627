"""tel URIs: the number that one names (RFC 3966 §3).

    telephone-uri        = "tel:" telephone-subscriber
    telephone-subscriber = global-number / local-number
    global-number        = global-number-digits *par
    local-number         = local-number-digits *par context *par
    global-number-digits = "+" *phonedigit DIGIT *phonedigit
    local-number-digits  = *phonedigit-hex (HEXDIG / "*" / "#") *phonedigit-hex
    visual-separator     = "-" / "." / "(" / ")"
    context              = ";phone-context=" descriptor
    descriptor           = domainname / global-number-digits

Rules: two spellings of one number are one number (§5.1.1, visual separators mean nothing). A local number
without its context is taken: callers send it.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import DIGIT, only
from msilod.sip.limits import MAX_URI

TEL: Final = b"tel:"
# E.164 has 15 digits; a local number with its extension dialled behind it may be longer.
MAX_DIGITS: Final = 64
_SEPARATORS: Final = b"-.()"
_GLOBAL: Final = only(DIGIT)
_LOCAL: Final = only(DIGIT + b"abcdef*#")


def is_tel(raw: bytes) -> bool:
    """True for a URI of this scheme."""
    return raw[:4].lower() == TEL


def parse_tel(raw: bytes) -> tuple[str, str]:
    """The number as the user part of a SIP URI, and its phone-context in lower case, "" for none.

    +420 777-123-456 is `+420777123456`; `#` is escaped (RFC 3261 §19.1.6). Raises MalformedMessage (400).
    """
    if len(raw) > MAX_URI or not is_tel(raw):
        raise MalformedMessage("Bad Telephone URI")
    subscriber, *params = raw[4:].split(b";")
    digits = subscriber.translate(None, _SEPARATORS).lower()
    plain = digits[1:] if digits[:1] == b"+" else digits
    allowed = _GLOBAL if digits[:1] == b"+" else _LOCAL
    if not plain or len(plain) > MAX_DIGITS or plain.translate(allowed) != plain:
        raise MalformedMessage("Bad Telephone Number")
    return digits.replace(b"#", b"%23").decode("ascii"), _context(params)


def _context(params: list[bytes]) -> str:
    for param in params:
        name, _, value = param.partition(b"=")
        if name.lower() == b"phone-context":
            return value.lower().decode("ascii", "replace")
    return ""
