"""The response context, RFC 3261 §16.7 to §16.10: what the branches of one request come to.

Rules: pure; it is told what happened to a branch and says what to do as a `Step`. `best_response` follows
§16.7 steps 6 and 7 to the letter. A MESSAGE is decided by the silo's table instead: its caller looks at
`finals` when a step says `is_over`. Never a 408 to a non-INVITE (RFC 4320 §4.2).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from msilod.proxy.redirection import redirection
from msilod.sip.message import Request, Response
from msilod.sip.status import reason
from msilod.sip.uri import SipUri

Branch = TypeVar("Branch", bound=Hashable)
MayUse = Callable[[SipUri], bool]

NO_ANSWER: Final = 408
NO_TRANSPORT: Final = 503
MAX_TARGETS: Final = 10
# Challenges that other branches add to the best answer: one of ten phones must not fill the datagram.
MAX_CHALLENGES: Final = 16

# Step 6: these tell the client how to make the request acceptable, so they come before their neighbours.
_TELLING: Final = (401, 407, 415, 420, 484)
_CHALLENGES: Final = (b"www-authenticate", b"proxy-authenticate")


@dataclass(frozen=True, slots=True)
class BranchEnd(Generic[Branch]):
    """How a branch ended; `response` None for a 408 or 503 that nobody sent (§16.7 step 1, §16.9)."""

    branch: Branch
    status: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class Step(Generic[Branch]):
    """What to do now, in this order: `forward` upstream, or answer with a status of our own; CANCEL branches;
    begin branches to the URIs of `recurse`, or those of the next group. `is_over`: no branch is left. No field
    set: wait.
    """

    forward: Response | None = None
    answer: int = 0
    cancel: tuple[Branch, ...] = ()
    recurse: tuple[str, ...] = ()
    begins_next: bool = False
    is_over: bool = False


class ResponseContext(Generic[Branch]):
    """One forwarded request. A branch is named by whatever hashable its owner likes.

    `may_use` tells which contacts of a 3xx may be tried here (§16.7 step 4); None: no recursion.
    `max_targets` bounds the branches that redirections may add up to; `later` is how many groups of targets
    wait for all branches before them to fail (§16.6: serial by q).
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

    # --- what is known -------------------------------------------------------------------------------

    @property
    def pending(self) -> list[Branch]:
        """The branches without a final answer."""
        return list(self._pending)

    @property
    def finals(self) -> list[BranchEnd[Branch]]:
        """How the others ended, in order; a late answer stands in place of its silence."""
        return list(self._finals.values())

    @property
    def _is_invite(self) -> bool:
        return self.request.method == b"INVITE"

    # --- what happened -------------------------------------------------------------------------------

    def add_branch(self, branch: Branch, uri: str) -> bool:
        """A request is about to be sent to `uri`; False when none may be sent any more (step 5, step 10)."""
        if self.is_closed:
            return False
        self._pending[branch] = False
        self._tried.append(uri)
        return True

    def provisional(self, branch: Branch, response: Response) -> Step[Branch]:
        """101 to 199 go back at once, of an INVITE only (step 5, RFC 4320 §4.1)."""
        if self._is_invite and branch in self._pending and response.status > 100:
            self._pending[branch] = True
            if not self.is_answered:
                return Step(forward=response)
        return Step()

    def final(self, branch: Branch, response: Response) -> Step[Branch]:
        """A final answer, perhaps of a branch that counted as silent; each 2xx of an INVITE goes back."""
        if response.status < 300:
            return self._succeeded(branch, response)
        if 300 <= response.status < 400:
            return self._redirected(branch, response)
        return self._failed(BranchEnd(branch, response.status, response))

    def timed_out(self, branch: Branch) -> Step[Branch]:
        """Timer B or F, or the owner's limit: counts as 408 (§16.7 step 1); the branch may still live."""
        return self._failed(BranchEnd(branch, NO_ANSWER, None))

    def transport_failed(self, branch: Branch) -> Step[Branch]:
        """Nothing could be sent: counts as 503 (§16.9)."""
        return self._failed(BranchEnd(branch, NO_TRANSPORT, None))

    def timer_c(self, branch: Branch) -> Step[Branch]:
        """§16.8: a branch that rings is cancelled, and its 487 ends it; a silent one counts as 408."""
        if branch not in self._pending:
            return Step()
        return Step(cancel=(branch,)) if self._pending[branch] else self.timed_out(branch)

    def cancelled(self) -> Step[Branch]:
        """A CANCEL came from upstream (§16.10)."""
        self.is_cancelled = self.is_closed = True
        if not self._pending and not self.is_answered:
            # It came before the first branch could be begun.
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
            # Nobody else will take it: no new branches, and the answer waits for those that are under way.
            self.is_closed = True
            cancel = self._to_cancel()
        if self._pending or self.is_answered:
            return Step(cancel=cancel, is_over=not self._pending)
        if self._later and not self.is_closed:
            self._later -= 1
            return Step(begins_next=True)
        return self._decide()

    def _end(self, final: BranchEnd[Branch]) -> bool:
        """False for what ends nothing: a branch that was never begun, or has ended for good."""
        known = self._finals.get(final.branch)
        is_pending = self._pending.pop(final.branch, None) is not None
        if not is_pending and (known is None or known.response is not None or final.response is None):
            return False
        self._finals[final.branch] = final
        return True

    def _to_cancel(self) -> tuple[Branch, ...]:
        """Step 10; a CANCEL is for an INVITE only (§9.1)."""
        return tuple(self._pending) if self._is_invite else ()

    def _decide(self) -> Step[Branch]:
        """Step 6: no branch is left, and none has succeeded."""
        self.is_answered = self.is_closed = True
        ends = [end for end in self._finals.values() if self._is_invite or end.status != NO_ANSWER]
        best = min(ends, key=lambda end: (*_rank(end.status), end.response is None), default=None)
        if best is None:
            return Step(answer=self._silence(), is_over=True)
        if best.response is None:
            return Step(answer=500 if best.status == NO_TRANSPORT else self._silence(), is_over=True)
        answers = [end.response for end in ends if end.response is not None]
        return Step(forward=best_response(answers), is_over=True)

    def _silence(self) -> int:
        if not self._is_invite:
            return 0
        return 487 if self.is_cancelled else NO_ANSWER


def best_response(finals: Sequence[Response]) -> Response:
    """The best of the final responses: a 6xx, else the lowest class, in it the more telling one.

    All challenges are merged into a 401 or 407 (step 7), in the order they came (RFC 8760 §2.5); a lone 503
    becomes 500 (step 6), and where no flow was left the device is away: 480 (RFC 5626 §7). A 408 to a non-INVITE
    comes last: nobody waits for it (RFC 4320 §4.2). Raises ValueError when there is none.
    """
    best = min(finals, key=lambda response: (_is_vain(response), *_rank(response.status)))
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


def _is_vain(response: Response) -> bool:
    return response.status == NO_ANSWER and response.cseq_method != b"INVITE"


def _rank(status: int) -> tuple[bool, int, int, bool]:
    telling = _TELLING.index(status) if status in _TELLING else len(_TELLING)
    return status < 600, status // 100, telling, status == 503


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
