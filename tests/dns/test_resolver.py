"""The resolver's bounds: time, concurrency, cache (row P15, and DNS of the hostile inputs)."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from msilod.dns.records import Answer
from msilod.dns.resolver import MAX_ASKED, Resolver
from msilod.errors import TransportError
from msilod.sip.hop import Hop
from msilod.sip.uri import SipUri
from tests.dns.zone import REACH, Zone, always, record

EXAMPLE = SipUri.parse("sip:alice@example.test")
WITH_PORT = SipUri.parse("sip:alice@example.test:5070")
SRV = """
_sip._udp.example.test SRV 0 0 5060 a.test
_sip._udp.example.test SRV 1 0 5060 b.test
a.test A 192.0.2.1
b.test A 192.0.2.2
"""
FIRST, SECOND = Hop("udp", "192.0.2.1", 5060), Hop("udp", "192.0.2.2", 5060)


def resolver(zone: Zone) -> Resolver:
    return Resolver(zone, REACH, always(0.0))


async def test_p15_answers_are_asked_once_within_their_ttl() -> None:
    zone = Zone(SRV, ttl=60)
    names = resolver(zone)
    assert await names.locate(EXAMPLE, 100.0) == [FIRST, SECOND]
    before = zone.asked.copy()
    assert set(before.values()) == {1}
    assert await names.locate(EXAMPLE, 129.9) == [FIRST, SECOND]
    assert zone.asked == before
    assert await names.locate(EXAMPLE, 159.9) == [FIRST, SECOND]
    # Only an empty answer is asked again after 30 s.
    assert {question for question, count in zone.asked.items() if count == 2} == {
        ("example.test", "NAPTR"),
        ("_sip._tcp.example.test", "SRV"),
        ("a.test", "AAAA"),
        ("b.test", "AAAA"),
    }
    await names.locate(EXAMPLE, 160.0)
    assert zone.asked["a.test", "A"] == 2


async def test_p15_a_hop_that_failed_lately_is_last() -> None:
    names = resolver(Zone(SRV))
    names.failed(FIRST, 100.0)
    assert await names.locate(EXAMPLE, 101.0) == [SECOND, FIRST]
    assert names.locate_now(EXAMPLE, 102.0) == [SECOND, FIRST]
    assert await names.locate(EXAMPLE, 131.0) == [FIRST, SECOND]


async def test_p15_a_cached_answer_needs_no_task() -> None:
    zone = Zone(SRV)
    names = resolver(zone)
    assert names.locate_now(SipUri.parse("sip:192.0.2.1"), 0.0) == [FIRST]
    assert names.locate_now(EXAMPLE, 0.0) is None
    assert not zone.asked
    await names.locate(EXAMPLE, 0.0)
    assert names.locate_now(EXAMPLE, 1.0) == [FIRST, SECOND]
    with pytest.raises(TransportError):
        names.locate_now(SipUri.parse("sip:x.invalid"), 0.0)


async def test_dns_a_failure_is_remembered_shortly() -> None:
    zone = Zone("example.test A 192.0.2.1")
    zone.failing = {("example.test", "A"), ("example.test", "AAAA")}
    names = resolver(zone)
    for now in (0.0, 4.9):
        with pytest.raises(TransportError, match=r"failed at example\.test A$"):
            await names.locate(WITH_PORT, now)
    assert zone.asked["example.test", "A"] == 1
    zone.failing = set()
    assert await names.locate(WITH_PORT, 5.0) == [Hop("udp", "192.0.2.1", 5070)]


async def test_dns_the_same_question_is_asked_once_at_a_time() -> None:
    zone = Zone("example.test A 192.0.2.1")
    zone.gate = trio.Event()
    names = resolver(zone)
    answers: list[list[Hop]] = []

    async def ask() -> None:
        answers.append(await names.locate(WITH_PORT, 0.0))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        zone.gate.set()
    assert answers == [[Hop("udp", "192.0.2.1", 5070)]] * 20
    assert zone.asked == {("example.test", "A"): 1, ("example.test", "AAAA"): 1}


async def test_dns_a_waiter_asks_when_the_asker_is_cancelled() -> None:
    zone = Zone("example.test A 192.0.2.1")
    zone.gate = trio.Event()
    names = resolver(zone)
    answers: list[list[Hop]] = []
    first = trio.CancelScope()

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            answers.append(await names.locate(WITH_PORT, 0.0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, trio.CancelScope())
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        zone.gate.set()
    assert answers == [[Hop("udp", "192.0.2.1", 5070)]]
    assert zone.asked["example.test", "A"] == 2


async def test_dns_at_most_256_names_are_asked_at_a_time() -> None:
    zone = Zone("\n".join(f"n{n}.test A 192.0.2.1" for n in range(MAX_ASKED + 1)))
    zone.gate = trio.Event()
    names = resolver(zone)
    uris = [SipUri.parse(f"sip:n{n}.test:5060") for n in range(MAX_ASKED + 1)]
    async with trio.open_nursery() as nursery:
        for uri in uris[:MAX_ASKED]:
            nursery.start_soon(names.locate, uri, 0.0)
        await wait_all_tasks_blocked()
        assert len(zone.asked) == 2 * MAX_ASKED == 512
        with pytest.raises(TransportError, match="256 names are already"):
            await names.locate(uris[-1], 0.0)
        zone.gate.set()
    # The refused question is not cached, and the name may be asked later.
    assert await names.locate(uris[-1], 0.0) == [FIRST]


async def test_p15_a_silent_naptr_leaves_time_for_the_rest(autojump_clock: MockClock) -> None:
    zone = Zone(SRV)
    zone.silent = {("example.test", "NAPTR")}
    assert await resolver(zone).locate(EXAMPLE, 0.0) == [FIRST, SECOND]
    assert autojump_clock.current_time() < 3.0 + trio.current_time() - autojump_clock.current_time()


async def test_p15_silence_ends_within_the_bound(autojump_clock: MockClock) -> None:
    zone = Zone()
    zone.gate = trio.Event()
    begun = trio.current_time()
    with pytest.raises(TransportError, match="no answer for"):
        await resolver(zone).locate(EXAMPLE, 0.0)
    assert trio.current_time() - begun <= 3.0


async def test_p15_the_whole_search_is_bounded(autojump_clock: MockClock) -> None:
    zone = Zone()

    async def slow(name: str, kind: str) -> Answer:
        await trio.sleep(1.1)
        return zone.answer(name, kind)

    begun = trio.current_time()
    with pytest.raises(TransportError, match=r"no answer for example\.test within 2 s"):
        await Resolver(slow, REACH, always(0.0), bound=2.0).locate(EXAMPLE, 0.0)
    assert trio.current_time() - begun == pytest.approx(2.0)


async def test_dns_an_alias_whose_target_is_missing_is_followed() -> None:
    zone = Zone("b.test A 192.0.2.1")
    zone.records.append(record("c.test A 192.0.2.66"))

    async def partial(name: str, kind: str) -> Answer:
        zone.asked[name, kind] += 1
        return Answer((record("a.test CNAME b.test"),), 60) if name == "a.test" else zone.answer(name, kind)

    names = Resolver(partial, {"udp": ("A",)}, always(0.0))
    assert await names.locate(SipUri.parse("sip:a.test:5060"), 0.0) == [FIRST]
    assert zone.asked == {("a.test", "A"): 1, ("b.test", "A"): 1}


@pytest.mark.parametrize(("count", "reason"), [(2, "are a loop"), (100, "more than 4 CNAMEs")])
async def test_dns_aliases_over_many_answers_end(count: int, reason: str) -> None:
    asked: list[str] = []

    async def chain(name: str, kind: str) -> Answer:
        asked.append(name)
        number = int(name.removeprefix("n").removesuffix(".test"))
        return Answer((record(f"{name} CNAME n{(number + 1) % count}.test"),), 60)

    names = Resolver(chain, {"udp": ("A",)}, always(0.0))
    with pytest.raises(TransportError, match=reason):
        await names.locate(SipUri.parse("sip:n0.test:5060"), 0.0)
    assert len(asked) <= 5


async def test_dns_an_answer_for_another_name_is_ignored() -> None:
    async def lie(name: str, kind: str) -> Answer:
        return Answer((record("example.test A 192.0.2.66"), record("b.test CNAME other.test")), 60)

    names = Resolver(lie, {"udp": ("A",)}, always(0.0))
    with pytest.raises(TransportError, match="no address of a host"):
        await names.locate(SipUri.parse("sip:other.test:5060"), 0.0)
    assert names.locate_now(WITH_PORT, 0.0) is None
