"""is_removal(): whether a REGISTER only removes bindings (RFC 3261 §10.2.2)."""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.registrar.register_contact import MAX_EXPIRES, wished_expires
from msilod.sip.address import NameAddr
from msilod.sip.grammar import number
from msilod.sip.message import Request

# A sign-off names the contacts of one phone. A longer list does not count as a removal.
MAX_CONTACTS: Final = 16


def is_removal(request: Request) -> bool:
    """True when a REGISTER ends all named contacts: by `Expires: 0`, or by `expires=0` at each contact.

    False for a query, which has no contacts, and for an unreadable REGISTER.
    """
    try:
        values = request.headers.split(b"contact")
        if not 0 < len(values) <= MAX_CONTACTS:
            return False
        general = request.headers.get(b"expires")
        if b"*" in values:
            return len(values) == 1 and general is not None and number(general, MAX_EXPIRES) == 0
        for value in values:
            if wished_expires(NameAddr.parse(value), general) != 0:
                return False
    except MalformedMessage:
        return False
    return True
