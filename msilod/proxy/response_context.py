"""The response context, RFC 3261 §16.7: which final response goes upstream.

Rule: `best_response` follows step 6 and 7 to the letter; who waits for which branch is daemon/forwarder.py's.
"""

from collections.abc import Sequence
from typing import Final

from msilod.sip.message import Response
from msilod.sip.status import reason

# Step 6: these tell the client how to make the request acceptable, so they come before their neighbours.
_TELLING: Final = (401, 407, 415, 420, 484)
_CHALLENGES: Final = (b"www-authenticate", b"proxy-authenticate")


def best_response(finals: Sequence[Response]) -> Response:
    """The best of the final responses: a 6xx, else the lowest class, in it the more telling one.

    All challenges are merged into a 401 or 407 (step 7), in the order they came (RFC 8760 §2.5); a lone 503
    becomes 500 (step 6). Raises ValueError when there is none.
    """
    best = min(finals, key=_rank)
    if best.status in (401, 407):
        return _merge_challenges(best, finals)
    if best.status == 503:
        best = best.copy()
        best.status, best.reason = 500, reason(500)
        best.headers.remove(b"retry-after")
    return best


def _rank(response: Response) -> tuple[bool, int, int, bool]:
    status = response.status
    telling = _TELLING.index(status) if status in _TELLING else len(_TELLING)
    return status < 600, status // 100, telling, status == 503


def _merge_challenges(best: Response, finals: Sequence[Response]) -> Response:
    merged = best.copy()
    for response in finals:
        if response is not best and response.status in (401, 407):
            merged.headers.fields += [field for field in response.headers.fields if field[0] in _CHALLENGES]
    return merged
