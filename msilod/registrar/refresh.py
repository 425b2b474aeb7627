"""A refresh in the very words of the REGISTER before it (RFC 3261 §10.2.4), which is what phones do all day.

Rules: the words are compared as they came, and nothing of them is parsed again: they mean what they meant before,
but for the end of the binding. Whoever is not sure says so, and `process` reads the REGISTER.
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.policy import RegistrarPolicy
from msilod.sip.flow import Flow
from msilod.sip.message import Request

# All of a REGISTER that its binding depends on.
_SAYING: Final = (b"contact", b"expires", b"call-id", b"allow", b"path", b"user-agent", b"supported")

Words = tuple[bytes | None, ...]


def words_of(request: Request, policy: RegistrarPolicy) -> Words:
    """The lines that a binding depends on, or all that stands behind their colons where no name comes twice.

    What was decided under another policy is other words.
    """
    received, get = request.received, request.received.get
    if len(received) == len(request.headers.fields):
        # Spelt out it takes half of what a loop over _SAYING does, and a refresh does little else.
        return (
            policy.mark, get(b"contact"), get(b"expires"), get(b"call-id"), get(b"allow"), get(b"path"),
            get(b"user-agent"), get(b"supported"),
        )  # fmt: skip
    return (policy.mark, *[line for name, line in request.headers.fields if name in _SAYING])


def said_again(
    request: Request, bindings: Sequence[Binding], policy: RegistrarPolicy, flow: Flow
) -> Binding | None:
    """Which of `bindings`, those of its AOR (unexpired), `request` refreshes in the words that made it.

    None for the very REGISTER that made it, which `process` knows again. Raises RequestRefused 500 when its CSeq is
    lower; the Call-ID is among the words (§10.3 step 7).
    """
    words = words_of(request, policy)
    for binding in bindings:
        if binding.said == words and binding.flow == flow:
            if request.cseq <= binding.cseq:
                if request.cseq == binding.cseq:
                    return None
                raise old_cseq()
            return binding
    return None


def old_cseq() -> RequestRefused:
    """§10.3 step 7: under the same Call-ID the CSeq must grow, or nothing is changed."""
    return RequestRefused(500, "CSeq Is Lower Than That of the Binding or Repeated")
