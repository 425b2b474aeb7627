"""Storing: the seed's m_store, from a request in hand to a durable row and its 202.

Laws kept here: 202 only after the commit (1); a user who registered meanwhile is served at once (7); at a
bound the sender gets a clear status (8); a copy is answered like the first and stored once (9).
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

# A row that the writer has not taken by then is withdrawn and the sender told to come again (law 1):
# well before his Timer F at 32 s, well after any commit that is going to succeed.
COMMIT_DEADLINE: Final = 10.0
# What rows on their way to the disk may take of memory: the octets of their requests, and ROW_BYTES for each row. A
# disk that stands still keeps them for COMMIT_DEADLINE. Beyond it a sender gets 503 (law 8). 20,000 rows of 700
# octets, or 1,000 rows of 64 kB. Refusals that wait have the same bound.
MAX_WAITING_BYTES: Final = 64_000_000
ROW_BYTES: Final = 2_500
# Seconds after a request's arrival: its sender's Timer F ends it at 32 s.
ANSWERED_BY: Final = 29.0
RETRY_AFTER: Final = (b"Retry-After", b"5")
WITHDRAWN: Final = Failed("the writer has not taken it in time")
# The recipient's and the sender's own limits say nothing of the server (RFC 3261 §21.4.18, §21.5.4).
_FULL: Final = {Limit.RECIPIENT: 480, Limit.SHARE: 480, Limit.SENDER: 480, Limit.TOTAL: 503, Limit.DISK: 503}


def _why_full(result: OverQuota) -> list[tuple[bytes, bytes]]:
    """When to come again, and why, in the words that may be shown to a person (RFC 3261 §20.43)."""
    return [(b"Retry-After", b"%d" % result.retry_after), warning(str(result.limit).encode())]


def answer_by(age: float, now: float) -> float:
    """When a request that came `age` seconds ago is answered at last."""
    return now + min(max(ANSWERED_BY - age, 0.0), ANSWERED_BY)


Observer = Callable[[ServerTransaction, StoredMessage, float], None]


class Origin(Protocol):
    """What was tried for a request before it came here: a fork to registered contacts.

    `arrived` is when the request came, UTC seconds: its life counts from there (RFC 3428 §7).
    """

    arrived: float

    def storing(self, row: StoredMessage) -> None:
        """The row is about to be handed to the writer."""

    def stored(self, row: StoredMessage, now: float) -> None:
        """The row is durable and answered 202."""

    def not_stored(self, refuse: Callable[[float], None]) -> bool:
        """The row is refused. True: a branch may still end with 2xx, and `refuse(now)` is called when none has."""


class _Waiting:
    """A request whose row is on its way to the disk; hears from the writer what became of that."""

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
        # What close() gives back.
        self.weight = transaction.request.size + ROW_BYTES
        self.is_open = True
        self.job: Job | None = None

    def added(self, result: AddResult) -> None:
        """What `StoreWriter.add` tells; who was withdrawn and answered does not care any more."""
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
            # Nothing to deliver and nothing to tell of before it is due.
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
        """Answer it; not while a contact may still take it: its 2xx is then the answer (checklist, section 3.4)."""
        service = self.service
        refuse = partial(service.refuse, self.transaction, result)
        is_copy = result.__class__ is Duplicate
        if not is_copy and self.origin is not None and service.may_wait and self.origin.not_stored(refuse):
            deadline = answer_by(service.clock.wall() - self.origin.arrived, now)
            service.refuse_later(refuse, deadline, self.transaction.request.size)
        else:
            refuse(now)


class Storing:
    """Accepts MESSAGEs into the silo. `on_stored` is told of each new row without an origin of its own, `observers`
    of every one, `on_wrapped` of what is no text, which may ask for a receipt; all but of what is not yet due.
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
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        # Refusals that wait for a live branch, nearly in the order of their deadlines.
        self._late: deque[tuple[float, Callable[[float], None], int]] = deque()
        self._late_bytes = 0
        # Empty for nearly all of a daemon's life: whoever relays looks here before he asks.
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
        """m_store(mode[, next_hop]): keep the request and answer 202 when it is durable.

        Raises RequestRefused with the status for the sender when it is not to be kept.
        """
        if self._waiting_bytes >= MAX_WAITING_BYTES:
            raise RequestRefused(503, "Service Unavailable", [RETRY_AFTER])
        transaction = incoming.transaction
        request, aor = transaction.request, incoming.aor
        if not request.has_one_via and is_delivery(request, self.myself.is_own_via):
            # Law 6: it is in the silo already, and a 202 would end that row (msilo's W7).
            raise RequestRefused(480, "Temporarily Unavailable")
        if not aor or incoming.new_uri or mode >= TO_ONLY:
            aor = self._recipient(incoming, mode)
        sender, policy = incoming.author.name, self.policy
        if policy.registrar_aor:
            guard_registrar(policy.registrar_aor, aor, sender, incoming.named_to.name)
        wall = self.clock.wall() if origin is None else origin.arrived
        # What the gate has let stand of an asserted identity is believed.
        message = accept(request, aor, sender, policy, wall, True, None, self.clock.ahead)
        message.next_hop = next_hop
        if origin is not None:
            origin.storing(message)
        waiting = _Waiting(self, transaction, message, origin, now + COMMIT_DEADLINE)
        self._waiting_bytes += waiting.weight
        self._waiting.append(waiting)
        waiting.job = self.writer.add(message, waiting.added)

    def observe(self, observer: Observer, is_on: bool) -> None:
        """Tell `observer` from now on, or no more: what is switched off costs a message nothing."""
        if is_on and observer not in self.observers:
            self.observers.append(observer)
        elif not is_on and observer in self.observers:
            self.observers.remove(observer)

    # --- copies of what the process before this one had ------------------------------------------------

    def remember_former(self, hashes: frozenset[bytes], now: float) -> None:
        """The keys of what the silo had when this daemon started: of these a sender without an answer repeats."""
        self.former, self._former_until = hashes, now + PATIENCE

    def is_former(self, request: Request, aor: str, sender: str) -> bool:
        """True for a MESSAGE that the silo has had from an earlier process: it must not be relayed as well (law 9).

        Whoever sent it was killed out of his 202; while this process lives its transactions know their copies.
        """
        if not self.former or request.method != b"MESSAGE":
            return False
        return copy_hash(request, aor, sender) in self.former

    def forget_former(self, now: float) -> None:
        """Timer F has ended whatever was begun before the start (RFC 3261 §17.1.2.2)."""
        if self.former and now >= self._former_until:
            self.former = frozenset()

    def _recipient(self, incoming: StorableRequest, mode: int) -> str:
        """The AOR of the mailbox that the MESSAGE goes to, by m_store's mode.

        The first of these that names a mailbox, in mode 0: the URI that the policy has put in the Request-URI's place,
        the Request-URI, To; in mode 1: the Request-URI, To; in mode 2: To. A URI without user is passed over, and so is
        a foreign IP literal: it is the contact of some phone. Raises RequestRefused: 404 when none of them names a
        mailbox here, 481 within a dialog.
        """
        request, identify = incoming.message, self.myself.identify
        if request.to.tag and not identify(request.uri).aor:
            # A request within a dialog is for its other party (RFC 3261 §12.2.2), and that party is not here.
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

    # --- what the writer has said ----------------------------------------------------------------------

    def close(self, waiting: _Waiting) -> None:
        """Nobody waits for this one any more."""
        waiting.is_open = False
        # The job knows us by its `done`: a ring that only the collector would find.
        waiting.job = None
        self._waiting_bytes -= waiting.weight
        queue = self._waiting
        while queue and not queue[0].is_open:
            queue.popleft()

    def refuse(self, transaction: ServerTransaction, result: AddResult, now: float) -> None:
        """It was not added: a copy is answered as the first, all else with why."""
        if transaction.is_answered:
            return
        if result.__class__ is Duplicate:
            self.counters.duplicate_messages += 1
            transaction.respond(202, now)
        elif isinstance(result, OverQuota):
            self.counters.refused_messages += 1
            transaction.respond(_FULL[result.limit], now, headers=_why_full(result))
        else:
            self._fail(transaction, now)
            if self.writer.failure is None:
                # With a failure of the writer the daemon ends, and logs a line about that.
                get_log().error("store failed", reason=str(getattr(result, "reason", result)))

    @property
    def may_wait(self) -> bool:
        """Refusals that wait are bounded as well."""
        return self._late_bytes < MAX_WAITING_BYTES

    def refuse_later(self, refuse: Callable[[float], None], deadline: float, size: int) -> None:
        """Refuse a request of `size` octets at the deadline; a sender with an answer by then gets no second one."""
        weight = size + ROW_BYTES
        self._late_bytes += weight
        self._late.append((deadline, refuse, weight))

    def _fail(self, transaction: ServerTransaction, now: float) -> None:
        self.counters.failed_messages += 1
        transaction.respond(503, now, headers=[RETRY_AFTER])

    def withdraw_late(self, now: float) -> None:
        """Answer 503 for rows whose deadline has passed and that the writer can still give back.

        A row that the writer has taken stays open: nothing is answered while a commit is under way (law 1).
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
        """Rows handed over and not yet answered."""
        return sum(waiting.is_open for waiting in self._waiting)
