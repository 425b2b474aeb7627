"""tel URIs: reads the number of a tel URI (RFC 3966 §3).

    telephone-uri        = "tel:" telephone-subscriber
    telephone-subscriber = global-number / local-number
    global-number        = global-number-digits *par
    local-number         = local-number-digits *par context *par
    global-number-digits = "+" *phonedigit DIGIT *phonedigit
    local-number-digits  = *phonedigit-hex (HEXDIG / "*" / "#") *phonedigit-hex
    visual-separator     = "-" / "." / "(" / ")"
    context              = ";phone-context=" descriptor
    descriptor           = domainname / global-number-digits

Rules: visual separators mean nothing (§5.1.1), so two spellings of one number are equal. A local number without the
required context is read, since clients send such numbers.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.grammar import DIGIT, only
from msilod.sip.limits import MAX_URI

TEL: Final = b"tel:"
# E.164 numbers have 15 digits. A local number with a dialled extension may be longer.
MAX_DIGITS: Final = 64
_SEPARATORS: Final = b"-.()"
_GLOBAL: Final = only(DIGIT)
_LOCAL: Final = only(DIGIT + b"abcdef*#")


def is_tel(raw: bytes) -> bool:
    """True for a tel URI."""
    return raw[:4].lower() == TEL


def parse_tel(raw: bytes) -> tuple[str, str]:
    """Return the number as user part of a SIP URI, and the phone-context in lower case, "" without one.

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
