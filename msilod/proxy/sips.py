"""sips: chooses the contacts for a sips: request (RFC 5630 §5.2, §5.3, checklist T17).

Rules: a sips: request goes only to contacts registered as sips:. A sip: request goes to these as well, by TLS and with
its own scheme (sip/sips.py).
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.sips import is_sips

# RFC 5630 §6.2: the client may try again with sip.
_NOT_ALLOWED: Final = (b"Warning", b'380 msilod "SIPS Not Allowed"')


def only_sips(bindings: Sequence[Binding]) -> list[Binding]:
    """Return the contacts for a sips: request.

    Raises RequestRefused (480) when there are contacts, but none with sips:.
    """
    secure = [binding for binding in bindings if is_sips(binding.contact)]
    if bindings and not secure:
        raise RequestRefused(480, "Temporarily Unavailable", (_NOT_ALLOWED,))
    return secure
