"""A small DNS in memory: zone-file lines in, answers out, and a list of the questions."""

from collections import Counter
from collections.abc import Mapping

import trio

from msilod.dns.choice import Random
from msilod.dns.location import search
from msilod.dns.records import Address, Alias, Answer, Naptr, Outcome, Question, Record, Srv, read_answer
from msilod.errors import TransportError
from msilod.sip.hop import Hop
from msilod.sip.uri import SipUri

REACH: Mapping[str, tuple[str, ...]] = {"udp": ("A", "AAAA"), "tcp": ("A", "AAAA")}


def record(line: str) -> Record:
    """`NAME KIND DATA...`; a SRV or NAPTR target of `.` is the root."""
    name, kind, *data = line.split()
    if kind == "SRV":
        return Srv(name, int(data[0]), int(data[1]), int(data[2]), data[3].removesuffix("."))
    if kind == "NAPTR":
        return Naptr(name, int(data[0]), int(data[1]), data[2], data[3], data[4].removesuffix("."))
    return Alias(name, data[0]) if kind == "CNAME" else Address(name, kind, data[0])


class Zone:
    """An `Ask`. `failing` has the (name, kind) of failing questions. While `gate` is not set, questions wait."""

    def __init__(self, text: str = "", ttl: int = 60) -> None:
        self.records = [record(line) for line in text.splitlines() if line.strip()]
        self.ttl = ttl
        self.asked: Counter[tuple[str, str]] = Counter()
        self.failing: set[tuple[str, str]] = set()
        self.silent: set[tuple[str, str]] = set()
        self.gate: trio.Event | None = None

    async def __call__(self, name: str, kind: str) -> Answer:
        self.asked[name, kind] += 1
        if self.gate is not None:
            await self.gate.wait()
        if (name, kind) in self.silent:
            await trio.sleep_forever()
        return self.answer(name, kind)

    def answer(self, name: str, kind: str) -> Answer:
        """The answer of a recursive server: the CNAMEs, then the records of the last target."""
        if (name, kind) in self.failing:
            raise TransportError(f"DNS: the nameservers failed at {name} {kind}")
        chain: list[Record] = []
        while aliases := [r for r in self.records if isinstance(r, Alias) and r.name == name]:
            if aliases[0] in chain:
                break
            chain.append(aliases[0])
            name = aliases[0].target
        found = [r for r in self.records if r.name == name and r.kind == kind]
        return Answer((*chain, *found), self.ttl)


def always(number: float) -> Random:
    """A fixed number in place of a random number."""
    return lambda: number


def located(
    uri: str,
    zone: Zone | None = None,
    reach: Mapping[str, tuple[str, ...]] = REACH,
    random: Random = always(0.0),  # noqa: B008 (a constant)
) -> list[Hop]:
    """The result of `search`; the zone counts the questions."""
    zone = zone or Zone()
    plan = search(SipUri.parse(uri), reach, random)
    try:
        questions = next(plan)
        while True:
            questions = plan.send([_outcome(zone, question) for question in questions])
    except StopIteration as end:
        hops: list[Hop] = end.value
        return hops


def _outcome(zone: Zone, question: Question) -> Outcome:
    zone.asked[question] += 1
    try:
        return read_answer(question, zone.answer(*question)).records
    except TransportError as error:
        return error
