"""Storing: stores a MESSAGE and answers 202 after the commit (msilo's m_store).

Laws kept here: 202 only after the commit (law 1); a user registered meanwhile is served at once (law 7); at a bound the
sender gets a clear status (law 8); a copy gets the same answer as the first request and is stored once (law 9).
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from msilod.auth.members import Members
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.errors import RequestRefused
from msilod.keeping.storable import StorableRequest
from msilod.log import get_log
from msilod.proxy.forwarding import is_delivery
from msilod.routing.myself import Myself
from msilod.silo.intake.acceptance import (
    TO_ONLY,
    SiloPolicy,
    accept,
    copy_hash,
    guard_registrar,
    names_a_mailbox,
)
from msilod.silo.stored_message import StoredMessage
from msilod.sip.message import Request
from msilod.sip.warning import warning
from msilod.store.jobs import Limit
from msilod.store.writer.contract import Added, AddResult, Duplicate, Failed, Job, OverQuota, StoreWriter
from msilod.transaction.server_transaction import ServerTransaction
from msilod.transaction.timers import PATIENCE

# Seconds. A row not taken by the writer within this time is withdrawn, and the sender gets 503 (law 1). Shorter than
# Timer F of the sender (32 s), longer than any successful commit.
COMMIT_DEADLINE: Final = 10.0
# Bound of the memory for rows waiting for the commit: the octets of the requests, and ROW_BYTES per row. A blocked disk
# keeps rows for COMMIT_DEADLINE. Beyond the bound a sender gets 503 (law 8). Enough for 20,000 rows of 700 octets, or
# for 1,000 rows of 64 kB. Waiting refusals have the same bound.
MAX_WAITING_BYTES: Final = 64_000_000
ROW_BYTES: Final = 2_500
# Seconds after the arrival of a request. Timer F of the sender ends the request at 32 s.
ANSWERED_BY: Final = 29.0
# Seconds between two lines in the log about a full disk.
FULL_TOLD_EVERY: Final = 60.0
RETRY_AFTER: Final = (b"Retry-After", b"5")
WITHDRAWN: Final = Failed("the writer has not taken the row in time")
# 480 for limits of the recipient or the sender, 503 for limits of the server (RFC 3261 §21.4.18, §21.5.4).
_FULL: Final = {Limit.RECIPIENT: 480, Limit.SHARE: 480, Limit.SENDER: 480, Limit.TOTAL: 503, Limit.DISK: 503}


def _why_full(result: OverQuota) -> list[tuple[bytes, bytes]]:
    """Retry-After, and a Warning with a text for a person (RFC 3261 §20.43)."""
    return [(b"Retry-After", b"%d" % result.retry_after), warning(str(result.limit).encode())]


def answer_by(age: float, now: float) -> float:
    """The time of the latest answer to a request of `age` seconds ago."""
    return now + min(max(ANSWERED_BY - age, 0.0), ANSWERED_BY)


Observer = Callable[[ServerTransaction, StoredMessage, float], None]


class Origin(Protocol):
    """The fork to registered contacts before the request is stored.

    `arrived` is the arrival of the request, UTC seconds. The life of the message counts from the arrival (RFC 3428 §7).
    """

    arrived: float

    def storing(self, row: StoredMessage) -> None:
        """Called before the row is given to the writer."""

    def stored(self, row: StoredMessage, now: float) -> None:
        """Called after the commit and the 202."""

    def not_stored(self, refuse: Callable[[float], None]) -> bool:
        """Called when the row is refused. Returns True if a branch may still end with 2xx.

        After True the fork calls `refuse(now)` after all branches have ended without a 2xx.
        """


class _Waiting:
    """A request during the commit of the row. The writer calls `added` with the result."""

    __slots__ = ("deadline", "is_open", "job", "message", "origin", "service", "transaction", "weight")

    def __init__(
        self,
        service: "Storing",
        transaction: ServerTransaction,
        message: StoredMessage,
        origin: Origin | None,
        deadline: float,
    ) -> None:
        self.service = service
        self.transaction = transaction
        self.message = message
        self.origin = origin
        self.deadline = deadline
        # The octets to subtract in close().
        self.weight = transaction.request.size + ROW_BYTES
        self.is_open = True
        self.job: Job | None = None

    def added(self, result: AddResult) -> None:
        """Handle the result of `StoreWriter.add`. Ignored for a withdrawn row: the sender has an answer."""
        if not self.is_open:
            return
        service = self.service
        service.close(self)
        now = service.clock.now()
        if result.__class__ is not Added:
            self.refused(result, now)
            return
        service.counters.stored_messages += 1
        self.transaction.respond(202, now)
        message = self.message
        if message.due_at is not None:
            # A scheduled message is neither delivered nor reported before the due time.
            return
        if self.origin is None:
            service.on_stored(message, now)
        else:
            self.origin.stored(message, now)
        if service.on_wrapped is not None and message.content_type[:5] != b"text/":
            service.on_wrapped(message)
        for observer in service.observers:
            observer(self.transaction, message, now)

    def refused(self, result: AddResult, now: float) -> None:
        """Answer a refused row, but not while a contact may still accept the message.

        The 2xx of the contact would be the answer.
        """
        service = self.service
        refuse = partial(service.refuse, self.transaction, result)
        is_copy = result.__class__ is Duplicate
        if not is_copy and self.origin is not None and service.may_wait and self.origin.not_stored(refuse):
            deadline = answer_by(service.clock.wall() - self.origin.arrived, now)
            service.refuse_later(refuse, deadline, self.transaction.request.size)
        else:
            refuse(now)


class Storing:
    """Accepts MESSAGEs into the silo.

    `on_stored(row, now)` is called for each new row without an Origin, each observer for all new rows, and
    `on_wrapped(row)` for rows of a type other than text, possibly with a wish for a receipt. Scheduled rows are not
    reported before the due time.
    """

    def __init__(
        self,
        policy: SiloPolicy,
        writer: StoreWriter,
        myself: Myself,
        members: Members,
        clock: Clock,
        counters: Counters,
        on_stored: Callable[[StoredMessage, float], None],
    ) -> None:
        self.policy = policy
        self.writer = writer
        self.myself = myself
        self.members = members
        self.clock = clock
        self.counters = counters
        self.on_stored = on_stored
        self.observers: list[Observer] = []
        self.on_wrapped: Callable[[StoredMessage], None] | None = None
        # Refused messages by the limit that they were over.
        self.refused_by: dict[Limit, int] = dict.fromkeys(Limit, 0)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        # Refusals waiting for a live branch, nearly in the order of the deadlines.
        self._late: deque[tuple[float, Callable[[float], None], int]] = deque()
        self._late_bytes = 0
        self._full_told_at = -FULL_TOLD_EVERY
        # Empty except after a start. Relaying checks for an empty set before calling `is_former`.
        self.former: frozenset[bytes] = frozenset()
        self._former_until = 0.0

    def store(
        self,
        incoming: StorableRequest,
        mode: int,
        next_hop: str,
        now: float,
        origin: Origin | None = None,
    ) -> None:
        """m_store(mode[, next_hop]): store the request, and answer 202 after the commit.

        Raises RequestRefused with the status for the sender.
        """
        if self._waiting_bytes >= MAX_WAITING_BYTES:
            raise RequestRefused(503, "Service Unavailable", [RETRY_AFTER])
        transaction = incoming.transaction
        request, aor = transaction.request, incoming.aor
        if not request.has_one_via and is_delivery(request, self.myself.is_own_via):
            # Law 6: the message is in the silo already, and a 202 would end the stored row (fault W7 of msilo).
            raise RequestRefused(480, "Temporarily Unavailable")
        if not aor or incoming.new_uri or mode >= TO_ONLY:
            aor = self._recipient(incoming, mode)
        sender, policy = incoming.author.name, self.policy
        if policy.registrar_aor:
            guard_registrar(policy.registrar_aor, aor, sender, incoming.named_to.name)
        wall = self.clock.wall() if origin is None else origin.arrived
        # True: the gate has removed asserted identities of untrusted sources.
        message = accept(request, aor, sender, policy, wall, True, None, self.clock.ahead)
        message.next_hop = next_hop
        if origin is not None:
            origin.storing(message)
        waiting = _Waiting(self, transaction, message, origin, now + COMMIT_DEADLINE)
        self._waiting_bytes += waiting.weight
        self._waiting.append(waiting)
        waiting.job = self.writer.add(message, waiting.added)

    def configure(self, policy: SiloPolicy) -> None:
        """Use `policy` from now on."""
        self.policy = policy

    def observe(self, observer: Observer, is_on: bool) -> None:
        """Add or remove an observer. Switched-off features then cost nothing per message."""
        if is_on and observer not in self.observers:
            self.observers.append(observer)
        elif not is_on and observer in self.observers:
            self.observers.remove(observer)

    # --- copies of messages of an earlier process -----------------------------------------------

    def remember_former(self, hashes: frozenset[bytes], now: float) -> None:
        """Remember the duplicate keys of rows in the silo at the start. The senders may send again."""
        self.former, self._former_until = hashes, now + PATIENCE

    def is_former(self, request: Request, aor: str, sender: str) -> bool:
        """True for a MESSAGE stored by an earlier process. The MESSAGE must not be relayed as well (law 9).

        The earlier process was killed before the 202. Copies of requests to this process are found by their
        transactions.
        """
        if not self.former or request.method != b"MESSAGE":
            return False
        return copy_hash(request, aor, sender) in self.former

    def forget_former(self, now: float) -> None:
        """Forget the keys after Timer F of requests from before the start has ended (RFC 3261 §17.1.2.2)."""
        if self.former and now >= self._former_until:
            self.former = frozenset()

    def _recipient(self, incoming: StorableRequest, mode: int) -> str:
        """The AOR of the mailbox for the MESSAGE, by the mode of m_store.

        The first URI with the name of a mailbox is used. Mode 0: the Request-URI set by the policy, the Request-URI,
        To. Mode 1: the Request-URI, To. Mode 2: To. URIs without user are skipped, and foreign IP literals are skipped
        as contacts of a phone. Raises RequestRefused: 404 if no URI names a mailbox here, 481 within a dialog.
        """
        request, identify = incoming.message, self.myself.identify
        if request.to.tag and not identify(request.uri).aor:
            # A request within a dialog is for the other party of the dialog (RFC 3261 §12.2.2), and the party is not
            # here.
            raise RequestRefused(481, "Call/Transaction Does Not Exist")
        uris = [incoming.new_uri] if mode == 0 and incoming.new_uri else []
        if mode < TO_ONLY:
            uris.append(request.uri)
        found = incoming.named_to
        for uri in uris:
            named = identify(uri)
            if named.aor or names_a_mailbox(named.uri):
                found = named
                break
        if not found.aor or not self.members.is_known(found.aor):
            raise RequestRefused(404, "Not Found")
        return found.aor

    # --- results of the writer --------------------------------------------------------------------------

    def close(self, waiting: _Waiting) -> None:
        """Stop waiting for this row."""
        waiting.is_open = False
        # The job refers to the waiting request by `done`. Without the reference back there is no reference cycle.
        waiting.job = None
        self._waiting_bytes -= waiting.weight
        queue = self._waiting
        while queue and not queue[0].is_open:
            queue.popleft()

    def refuse(self, transaction: ServerTransaction, result: AddResult, now: float) -> None:
        """Answer the request of a refused row. A copy is answered like the first request."""
        if transaction.is_answered:
            return
        if result.__class__ is Duplicate:
            self.counters.duplicate_messages += 1
            transaction.respond(202, now)
        elif isinstance(result, OverQuota):
            self.counters.refused_messages += 1
            self.refused_by[result.limit] += 1
            transaction.respond(_FULL[result.limit], now, headers=_why_full(result))
            if result.limit is Limit.DISK:
                self._tell_full(now)
        else:
            self._fail(transaction, now)
            if self.writer.failure is None:
                # After a failure of the writer the daemon ends, and logs the failure itself.
                get_log().error("store failed", reason=str(getattr(result, "reason", result)))

    @property
    def may_wait(self) -> bool:
        """True while more refusals may wait. The memory for waiting refusals is bounded."""
        return self._late_bytes < MAX_WAITING_BYTES

    def refuse_later(self, refuse: Callable[[float], None], deadline: float, size: int) -> None:
        """Call `refuse` at the deadline. A sender with an earlier answer gets no second answer."""
        weight = size + ROW_BYTES
        self._late_bytes += weight
        self._late.append((deadline, refuse, weight))

    def _tell_full(self, now: float) -> None:
        """Log that the disk is full, once in FULL_TOLD_EVERY seconds."""
        if now >= self._full_told_at + FULL_TOLD_EVERY:
            self._full_told_at = now
            get_log().warning("the disk of the silo is full: new messages get 503 (see silo.min_free_bytes)")

    def _fail(self, transaction: ServerTransaction, now: float) -> None:
        self.counters.failed_stores += 1
        transaction.respond(503, now, headers=[RETRY_AFTER])

    def withdraw_late(self, now: float) -> None:
        """Answer 503 for rows beyond the deadline, if the writer has not taken the rows.

        A row taken by the writer stays open: no answer is sent while a commit is in progress (law 1).
        """
        late: Sequence[_Waiting] = [waiting for waiting in self._waiting if waiting.deadline <= now]
        for waiting in late:
            if waiting.is_open and waiting.job is not None and self.writer.withdraw(waiting.job):
                self.close(waiting)
                waiting.refused(WITHDRAWN, now)
        while self._late and self._late[0][0] <= now:
            _, refuse, weight = self._late.popleft()
            self._late_bytes -= weight
            refuse(now)

    @property
    def waiting_rows(self) -> int:
        """The number of rows given to the writer and not yet answered."""
        return sum(waiting.is_open for waiting in self._waiting)
