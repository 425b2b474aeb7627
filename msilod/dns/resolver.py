"""The resolver: asks what `location.search` wants to know, within bounds, and remembers the answers.

Rules: one `locate` takes BOUND_S at most, one question QUESTION_S; the same question is asked once, whoever else
wants to know waits for it; at most MAX_ASKED names are being asked at a time, with MAX_ASKED_OF_PARTY questions of one
party, whose further questions wait; every failure is a TransportError of one line that holds no bytes of an answer but
checked names.
"""

from typing import Final, Protocol

import trio

from msilod.dns.cache import Cache, Heard, Unreachable
from msilod.dns.choice import Random
from msilod.dns.location import Reach, Search, search
from msilod.dns.records import Answer, Outcome, Question, lengthened, read_answer
from msilod.errors import TransportError
from msilod.sip.bounded import Shares
from msilod.sip.hop import Hop
from msilod.sip.uri import SipUri

BOUND_S: Final = 3.0
# A NAPTR question that a middlebox swallows leaves this much of the bound for SRV and addresses.
QUESTION_S: Final = 1.2
MAX_ASKED: Final = 256
# Questions that one party may have under way. A name takes up to three at once, a name with eight servers sixteen.
MAX_ASKED_OF_PARTY: Final = 32


class Ask(Protocol):
    """Sends one question. Without records is an answer, NXDOMAIN too; SERVFAIL and silence are TransportErrors."""

    async def __call__(self, name: str, kind: str) -> Answer: ...


class Resolver:
    """`reach` says where we listen, `random` gives 0 <= x < 1 (location.py); `bound` in seconds."""

    def __init__(self, ask: Ask, reach: Reach, random: Random, bound: float = BOUND_S) -> None:
        self.reach = reach
        self._ask = ask
        self._random = random
        self._bound = bound
        self._cache = Cache()
        self._unreachable = Unreachable()
        # name → kind → set when the answer is in the cache, or when nobody is asking any more.
        self._asking: dict[str, dict[str, trio.Event]] = {}
        self._shares = Shares(MAX_ASKED_OF_PARTY)
        # Party → set when one of its questions has ended; for parties with questions that wait.
        self._has_room: dict[str, trio.Event] = {}

    async def locate(self, uri: SipUri, now: float, party: str = "") -> list[Hop]:
        """The hops for `uri`, the best first and never empty (RFC 3263 §4). Raises TransportError.

        `party` is the user or the source that has caused the look-up; "" for the operator.
        """
        with trio.move_on_after(self._bound):
            hops = await self._walk(search(uri, self.reach, self._random), now, party)
            return self._unreachable.last(hops, now)
        raise TransportError(f"DNS: no answer for {uri.host[:253]} within {self._bound:g} s")

    def locate_now(self, uri: SipUri, now: float) -> list[Hop] | None:
        """As `locate` when nothing has to be asked, None otherwise: saves a task. Raises TransportError."""
        plan = search(uri, self.reach, self._random)
        try:
            questions = next(plan)
            while True:
                outcomes = [self._outcome(question, now) for question in questions]
                known = [outcome for outcome in outcomes if not isinstance(outcome, Question)]
                if len(known) < len(outcomes):
                    return None
                questions = plan.send(known)
        except StopIteration as end:
            return self._unreachable.last(end.value, now)

    def failed(self, hop: Hop, now: float, seconds: float = 0.0) -> None:
        """`hop` did not answer or refused the connection: for 30 s it stands last (RFC 3263 §4.3).

        Or for `seconds`, the Retry-After of its 503, when that is more (RFC 3261 §21.5.4).
        """
        self._unreachable.add(hop, now, seconds)

    def has_failed(self, hop: Hop, now: float) -> bool:
        """True for 30 s after `failed`."""
        return self._unreachable.has(hop, now)

    async def _walk(self, plan: Search, now: float, party: str) -> list[Hop]:
        try:
            questions = next(plan)
            while True:
                questions = plan.send(await self._settle_all(questions, now, party))
        except StopIteration as end:
            hops: list[Hop] = end.value
            return hops

    async def _settle_all(self, questions: tuple[Question, ...], now: float, party: str) -> list[Outcome]:
        settled: dict[Question, Outcome] = {}
        async with trio.open_nursery() as nursery:
            for question in questions:
                nursery.start_soon(self._settle, question, now, party, settled)
        return [settled[question] for question in questions]

    async def _settle(
        self, question: Question, now: float, party: str, settled: dict[Question, Outcome]
    ) -> None:
        outcome = self._outcome(question, now)
        while isinstance(outcome, Question):
            try:
                await self._hear(outcome, now, party)
            except TransportError as error:
                settled[question] = error
                return
            outcome = self._outcome(question, now)
        settled[question] = outcome

    def _outcome(self, question: Question, now: float) -> Outcome | Question:
        """What is known of `question`, or what has to be asked next: an answer may end amid its CNAMEs."""
        chain: tuple[str, ...] = ()
        asked = question
        while True:
            heard = self._cache.get(asked, now)
            if heard is None:
                return asked
            if isinstance(heard, str):
                return TransportError(heard)
            if heard.records or not heard.aliases:
                return heard.records
            try:
                chain = lengthened(question.name, chain, heard.aliases)
            except TransportError as error:
                return error
            asked = Question(chain[-1], question.kind)

    async def _hear(self, question: Question, now: float, party: str) -> None:
        """Ask, or wait for the task that asks the same, or until `party` may ask one more.

        Afterwards the answer may be in the cache. It is not when the other task was cancelled, or after a wait for
        room: the caller looks and comes again.
        """
        kinds = self._asking.get(question.name, {})
        if question.kind in kinds:
            await kinds[question.kind].wait()
            return
        if not self._shares.has_room(party):
            await self._has_room.setdefault(party, trio.Event()).wait()
            return
        if not kinds and len(self._asking) >= MAX_ASKED:
            raise TransportError(f"DNS: {question.name} is not asked for, {MAX_ASKED} names are already")
        self._asking[question.name] = kinds
        heard_of = kinds[question.kind] = trio.Event()
        self._shares.take(party)
        try:
            heard, ttl = await self._answer(question)
            self._cache.put(question, heard, ttl, now)
        finally:
            del kinds[question.kind]
            if not kinds:
                del self._asking[question.name]
            heard_of.set()
            self._shares.give_back(party)
            has_room = self._has_room.pop(party, None)
            if has_room is not None:
                has_room.set()

    async def _answer(self, question: Question) -> tuple[Heard, int]:
        with trio.move_on_after(QUESTION_S):
            try:
                answer = await self._ask(question.name, question.kind)
                return read_answer(question, answer), answer.ttl
            except TransportError as error:
                return str(error), 0
        return f"DNS: no answer for {question.name} {question.kind} within {QUESTION_S:g} s", 0
