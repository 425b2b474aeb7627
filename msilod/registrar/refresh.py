"""Refresh: the fast path for a REGISTER with the same lines as the REGISTER before (RFC 3261 §10.2.4).

Most REGISTERs are refreshes. Rules: the lines are compared as received and are not parsed again, since equal lines have
the same meaning, apart from the end of the binding. In all doubtful cases the result is None, and `process` reads the
REGISTER.
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.policy import RegistrarPolicy
from msilod.sip.flow import Flow
from msilod.sip.message import Request

# All fields of a REGISTER that the binding depends on.
_SAYING: Final = (b"contact", b"expires", b"call-id", b"allow", b"path", b"user-agent", b"supported")

Words = tuple[bytes | None, ...]


def words_of(request: Request, policy: RegistrarPolicy) -> Words:
    """Return the lines on which a binding depends; only the values when no field name occurs twice.

    The mark of the policy is included, so another policy makes another result.
    """
    received, get = request.received, request.received.get
    if len(received) == len(request.headers.fields):
        # A tuple written out takes half the time of a loop over _SAYING, and this is most of the cost of a refresh.
        return (
            policy.mark, get(b"contact"), get(b"expires"), get(b"call-id"), get(b"allow"), get(b"path"),
            get(b"user-agent"), get(b"supported"),
        )  # fmt: skip
    return (policy.mark, *[line for name, line in request.headers.fields if name in _SAYING])


def said_again(
    request: Request, bindings: Sequence[Binding], policy: RegistrarPolicy, flow: Flow
) -> Binding | None:
    """Return the binding refreshed by the same lines, from `bindings`, the unexpired bindings of the AOR.

    Returns None for a repetition of the REGISTER that made the binding, which `process` recognises. Raises
    RequestRefused 500 when the CSeq is lower; the Call-ID is among the lines (§10.3 step 7).
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
    """§10.3 step 7: under the same Call-ID the CSeq must grow, else no binding is changed."""
    return RequestRefused(500, "CSeq Is Lower Than That of the Binding or Repeated")
