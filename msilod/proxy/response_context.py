"""The response context: combines the responses of all branches of one request (RFC 3261 §16.7 to §16.10).

Rules: pure. Each method takes an event of a branch and returns the actions as a `Step`. `best_response` follows §16.7
steps 6 and 7. For a MESSAGE the table of the silo decides instead: the caller reads `finals` after a step with
`is_over`. A non-INVITE is never answered with 408 (RFC 4320 §4.2).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from msilod.proxy.redirection import redirection
from msilod.sip.message import Request, Response
from msilod.sip.status import preference, reason
from msilod.sip.uri import SipUri

Branch = TypeVar("Branch", bound=Hashable)
MayUse = Callable[[SipUri], bool]

NO_ANSWER: Final = 408
NO_TRANSPORT: Final = 503
MAX_TARGETS: Final = 10
# Challenges of other branches added to the best response. The bound keeps one phone from filling the datagram.
MAX_CHALLENGES: Final = 16

_CHALLENGES: Final = (b"www-authenticate", b"proxy-authenticate")


@dataclass(frozen=True, slots=True)
class BranchEnd(Generic[Branch]):
    """How a branch ended. `response` is None for a 408 or 503 made here (§16.7 step 1, §16.9)."""

    branch: Branch
    status: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class Step(Generic[Branch]):
    """The actions to take now, in this order. A step without any field set means: wait.

    `forward` a response upstream, or `answer` with a status of our own; send a CANCEL on the branches in `cancel`;
    begin branches to the URIs in `recurse`, or to the next group of targets (`begins_next`). `is_over`: no branch is
    left.
    """

    forward: Response | None = None
    answer: int = 0
    cancel: tuple[Branch, ...] = ()
    recurse: tuple[str, ...] = ()
    begins_next: bool = False
    is_over: bool = False


class ResponseContext(Generic[Branch]):
    """One forwarded request. The owner names a branch by any hashable object.

    `may_use` tells which contacts of a 3xx may be tried (§16.7 step 4); None means no recursion. `max_targets` bounds
    the branches including redirections. `later` is the number of groups of targets still to be tried, each after the
    failure of all branches before (§16.6: serial by q).
    """

    __slots__ = (
        "_finals", "_later", "_max_targets", "_may_use", "_pending", "_tried", "is_answered", "is_cancelled",
        "is_closed", "request",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        may_use: MayUse | None = None,
        max_targets: int = MAX_TARGETS,
        later: int = 0,
    ) -> None:
        self.request = request
        self._later = later
        self.is_answered = False
        self.is_cancelled = False
        self.is_closed = False
        self._may_use = may_use
        self._max_targets = max_targets
        self._tried: list[str] = []
        self._pending: dict[Branch, bool] = {}
        self._finals: dict[Branch, BranchEnd[Branch]] = {}

    # --- state ---------------------------------------------------------------------------------------

    @property
    def pending(self) -> list[Branch]:
        """The branches without a final answer."""
        return list(self._pending)

    @property
    def finals(self) -> list[BranchEnd[Branch]]:
        """The ends of the other branches, in order. A late response replaces a timeout."""
        return list(self._finals.values())

    @property
    def _is_invite(self) -> bool:
        return self.request.method == b"INVITE"

    # --- events --------------------------------------------------------------------------------------

    def add_branch(self, branch: Branch, uri: str) -> bool:
        """Add a branch about to be sent to `uri`; False when no more branches may be sent (step 5, step 10)."""
        if self.is_closed:
            return False
        self._pending[branch] = False
        self._tried.append(uri)
        return True

    def provisional(self, branch: Branch, response: Response) -> Step[Branch]:
        """A provisional response came. 101 to 199 to an INVITE are forwarded at once (step 5, RFC 4320 §4.1)."""
        if self._is_invite and branch in self._pending and response.status > 100:
            self._pending[branch] = True
            if not self.is_answered:
                return Step(forward=response)
        return Step()

    def final(self, branch: Branch, response: Response) -> Step[Branch]:
        """A final response came, perhaps after a timeout of the branch. Each 2xx to an INVITE is forwarded."""
        if response.status < 300:
            return self._succeeded(branch, response)
        if 300 <= response.status < 400:
            return self._redirected(branch, response)
        return self._failed(BranchEnd(branch, response.status, response))

    def timed_out(self, branch: Branch) -> Step[Branch]:
        """Timer B or F or the branch limit passed: counts as 408 (§16.7 step 1). The branch may still answer."""
        return self._failed(BranchEnd(branch, NO_ANSWER, None))

    def transport_failed(self, branch: Branch) -> Step[Branch]:
        """Sending failed: counts as 503 (§16.9)."""
        return self._failed(BranchEnd(branch, NO_TRANSPORT, None))

    def timer_c(self, branch: Branch) -> Step[Branch]:
        """Timer C fired (§16.8): a ringing branch is cancelled and ends with a 487; a silent branch counts as 408."""
        if branch not in self._pending:
            return Step()
        return Step(cancel=(branch,)) if self._pending[branch] else self.timed_out(branch)

    def cancelled(self) -> Step[Branch]:
        """A CANCEL came from upstream (§16.10)."""
        self.is_cancelled = self.is_closed = True
        if not self._pending and not self.is_answered:
            # The CANCEL came before the first branch.
            return self._decide()
        return Step(cancel=self._to_cancel())

    # --- §16.7 ---------------------------------------------------------------------------------------

    def _succeeded(self, branch: Branch, response: Response) -> Step[Branch]:
        self._end(BranchEnd(branch, response.status, response))
        forward = response if self._is_invite or not self.is_answered else None
        self.is_answered = self.is_closed = True
        return Step(forward=forward, cancel=self._to_cancel(), is_over=not self._pending)

    def _redirected(self, branch: Branch, response: Response) -> Step[Branch]:
        recurse: tuple[str, ...] = ()
        left: Response | None = response
        if self._may_use is not None and not self.is_closed:
            room = self._max_targets - len(self._tried)
            recurse, left = redirection(self.request, response, self._tried, self._may_use, room)
        if not recurse:
            return self._failed(BranchEnd(branch, response.status, response))
        self._pending.pop(branch, None)
        self._finals.pop(branch, None)
        if left is not None:
            self._finals[branch] = BranchEnd(branch, left.status, left)
        return Step(recurse=recurse)

    def _failed(self, final: BranchEnd[Branch]) -> Step[Branch]:
        if not self._end(final):
            return Step()
        cancel: tuple[Branch, ...] = ()
        if final.status >= 600 and not self.is_closed:
            # A 6xx is an answer for all targets: no new branches. The response waits for the open branches.
            self.is_closed = True
            cancel = self._to_cancel()
        if self._pending or self.is_answered:
            return Step(cancel=cancel, is_over=not self._pending)
        if self._later and not self.is_closed:
            self._later -= 1
            return Step(begins_next=True)
        return self._decide()

    def _end(self, final: BranchEnd[Branch]) -> bool:
        """Record the end of a branch; False when the branch was unknown or had its final response already."""
        known = self._finals.get(final.branch)
        is_pending = self._pending.pop(final.branch, None) is not None
        if not is_pending and (known is None or known.response is not None or final.response is None):
            return False
        self._finals[final.branch] = final
        return True

    def _to_cancel(self) -> tuple[Branch, ...]:
        """Return the branches to cancel (step 10). Only an INVITE can be cancelled (§9.1)."""
        return tuple(self._pending) if self._is_invite else ()

    def _decide(self) -> Step[Branch]:
        """Choose the answer when no branch is left and none succeeded (step 6)."""
        self.is_answered = self.is_closed = True
        ends = [end for end in self._finals.values() if self._is_invite or end.status != NO_ANSWER]
        best = min(ends, key=lambda end: (*preference(end.status), end.response is None), default=None)
        if best is None:
            return Step(answer=self._timeout_status(), is_over=True)
        if best.response is None:
            return Step(answer=500 if best.status == NO_TRANSPORT else self._timeout_status(), is_over=True)
        answers = [end.response for end in ends if end.response is not None]
        return Step(forward=best_response(answers), is_over=True)

    def _timeout_status(self) -> int:
        if not self._is_invite:
            return 0
        return 487 if self.is_cancelled else NO_ANSWER


def best_response(finals: Sequence[Response]) -> Response:
    """Return the best of the final responses: a 6xx, else the lowest class, and in a class the most helpful one.

    A 401 or 407 gets the challenges of all branches (step 7), in the order of arrival (RFC 8760 §2.5). A single 503
    becomes 500 (step 6). A 430 becomes 480, since the device has no flow left (RFC 5626 §7). A 408 to a non-INVITE
    comes last: the client does not expect one (RFC 4320 §4.2). Raises ValueError without any response.
    """
    best = min(finals, key=lambda response: (_is_unexpected(response), *preference(response.status)))
    if best.status in (401, 407):
        return _merge_challenges(best, finals)
    if best.status == 503:
        best = best.copy()
        best.status, best.reason = 500, reason(500)
        best.headers.remove(b"retry-after")
    if best.status == 430:
        best = best.copy()
        best.status, best.reason = 480, reason(480)
    return best


def _is_unexpected(response: Response) -> bool:
    return response.status == NO_ANSWER and response.cseq_method != b"INVITE"


def _merge_challenges(best: Response, finals: Sequence[Response]) -> Response:
    others = [
        field
        for response in finals
        if response is not best and response.status in (401, 407)
        for field in response.headers.fields
        if field[0] in _CHALLENGES
    ]
    merged = best.copy()
    merged.headers.fields += others[:MAX_CHALLENGES]
    return merged
