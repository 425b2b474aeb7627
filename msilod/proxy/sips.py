"""sips: which contacts a request for sips: may go to (RFC 5630 §5.2, §5.3, checklist T17).

Rules: a request for sips: goes to contacts that registered as sips: and to no other; one for sip: goes to those too,
by TLS, under the scheme that it came with (sip/sips.py).
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.sips import is_sips

# RFC 5630 §6.2: the one who asked may try again with sip.
_NOT_ALLOWED: Final = (b"Warning", b'380 msilod "SIPS Not Allowed"')


def only_sips(bindings: Sequence[Binding]) -> list[Binding]:
    """Those that a request for sips: may go to. Raises RequestRefused 480 when it is none of several."""
    secure = [binding for binding in bindings if is_sips(binding.contact)]
    if bindings and not secure:
        raise RequestRefused(480, "Temporarily Unavailable", (_NOT_ALLOWED,))
    return secure
