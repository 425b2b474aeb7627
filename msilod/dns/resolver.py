"""Resolver: asks the questions of `location.search` within bounds, and keeps the answers.

Rules: one `locate` takes BOUND_S at most, one question QUESTION_S. A question is asked once; other tasks with the same
question wait for the answer. At most MAX_ASKED names are asked for at a time, and MAX_ASKED_OF_PARTY questions of one
party; further questions of the party wait. Each failure is a TransportError of one line, and the line contains no bytes
of an answer apart from checked names.
"""

from typing import Final, Protocol

import trio

from msilod.dns.cache import Cache, Heard, Unreachable
from msilod.dns.choice import Random
from msilod.dns.location import Reach, Search, search
from msilod.dns.records import Answer, Outcome, Question, lengthened, read_answer
from msilod.errors import TransportError
from msilod.sip.bounded import PartyShares
from msilod.sip.hop import Hop
from msilod.sip.uri import SipUri

BOUND_S: Final = 3.0
# When a middlebox drops the NAPTR question, the rest of the bound is for SRV and addresses.
QUESTION_S: Final = 1.2
MAX_ASKED: Final = 256
# Questions of one party at a time. A name takes up to three at once, a name with eight servers sixteen.
MAX_ASKED_OF_PARTY: Final = 32


class Ask(Protocol):
    """Sends one question. NXDOMAIN is an answer without records; SERVFAIL and silence raise TransportError."""

    async def __call__(self, name: str, kind: str) -> Answer: ...


class Resolver:
    """`reach` has the transports of this server, `random` returns 0 <= x < 1 (location.py); `bound` is in seconds."""

    def __init__(self, ask: Ask, reach: Reach, random: Random, bound: float = BOUND_S) -> None:
        self.reach = reach
        self._ask = ask
        self._random = random
        self._bound = bound
        self._cache = Cache()
        self._unreachable = Unreachable()
        # name → kind → event, set when the answer is in the cache or the asking task has ended.
        self._asking: dict[str, dict[str, trio.Event]] = {}
        self._shares = PartyShares(MAX_ASKED_OF_PARTY)
        # Party → event, set when a question of the party has ended. Only parties with waiting questions are here.
        self._has_room: dict[str, trio.Event] = {}

    async def locate(self, uri: SipUri, now: float, party: str = "") -> list[Hop]:
        """Return the hops for `uri`, best first, never empty (RFC 3263 §4). Raises TransportError.

        `party` is the user or the source that caused the look-up; "" for the operator. `now` is in seconds.
        """
        with trio.move_on_after(self._bound):
            hops = await self._walk(search(uri, self.reach, self._random), now, party)
            return self._unreachable.last(hops, now)
        raise TransportError(f"DNS: no answer for {uri.host[:253]} within {self._bound:g} s")

    def locate_now(self, uri: SipUri, now: float) -> list[Hop] | None:
        """Return as `locate` when all answers are known, else None: this saves a task. Raises TransportError."""
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
        """Record that `hop` did not answer or refused the connection: `hop` is tried last for 30 s (RFC 3263 §4.3).

        With a larger `seconds`, the Retry-After of a 503 (RFC 3261 §21.5.4), the time is `seconds`.
        """
        self._unreachable.add(hop, now, seconds)

    def has_failed(self, hop: Hop, now: float) -> bool:
        """True while `hop` is tried last after `failed`."""
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
        """Return the outcome of `question`, or the next question: an answer may end in the middle of its CNAMEs."""
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
        """Ask, or wait for another task with the same question, or wait until `party` may ask one more.

        Afterwards the answer may be in the cache. The answer is missing when the other task was cancelled, or after a
        wait for room. Then the caller calls again.
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
