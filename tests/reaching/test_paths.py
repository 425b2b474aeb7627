"""The slow path of Paths: bounded, with a report in every case (law 8; rows P15, T2)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from msilod.auth.trust import Trust
from msilod.dns.resolver import Resolver
from msilod.proxy.target_set import Target
from msilod.reaching import paths as room
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.reaching.reachable import Reachable, reach_of
from msilod.registrar.binding import Binding
from msilod.routing.myself import Myself
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.parser import parse
from msilod.tasks import Tasks
from msilod.transport.listen import ListenSpec
from msilod.transport.transports import Transports
from tests.dns.zone import Zone, always


@asynccontextmanager
async def opened(zone: Zone) -> AsyncIterator[Paths]:
    """Paths of a daemon on a loopback port."""
    transports = Transports([ListenSpec("udp", "127.0.0.1", 0)])
    listening = transports.listening()
    myself = Myself(["example.test"], listening, transports.local_addresses())
    async with trio.open_nursery() as nursery:
        resolver = Resolver(zone, reach_of(listening), always(0.0))
        tasks = Tasks(nursery)
        tasks.after = lambda: None
        yield Paths(
            transports,
            tasks,
            resolver,
            Reachable(myself, Trust(), listening),
            Places(Trust()),
        )
        nursery.cancel_scope.cancel()
    transports.close()


@pytest.mark.interpreted
async def test_p15_too_many_waiting_requests_are_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(room, "MAX_DIALS", 2)
    zone = Zone("a.test A 127.0.0.1")
    zone.gate = trio.Event()
    told: list[Flow | None] = []
    async with opened(zone) as paths:
        for _ in range(3):
            paths.dial(Target("sip:x@a.test:5062"), lambda flow, now: told.append(flow))
        assert (told, paths.dials) == ([None], 2)
        zone.gate.set()
        await trio.sleep(1)
        assert [flow is None for flow in told] == [True, False, False]
        assert paths.dials == 0


@pytest.mark.interpreted
async def test_the_contacts_of_one_aor_take_a_share_of_the_dials(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Contacts without an answer of one user must not take all dials from the other users."""
    monkeypatch.setattr(room, "MAX_DIALS_OF_PARTY", 2)
    zone = Zone("a.test A 127.0.0.1")
    zone.gate = trio.Event()
    told: list[str] = []

    def contact(user: str) -> Target:
        uri = f"sip:{user}@a.test:5062"
        return Target(uri, binding=Binding(f"{user}@example.test", uri, "c", 1, 9e9, 0.0))

    def tell(user: str, flow: Flow | None, now: float) -> None:
        told.append(f"{user} {flow is not None}")

    async with opened(zone) as paths:
        for user in ("mallory", "mallory", "mallory", "bob"):
            paths.dial(contact(user), partial(tell, user))
        assert (told, paths.dials) == (["mallory False"], 3)
        zone.gate.set()
        await trio.sleep(1)
        paths.dial(contact("mallory"), lambda flow, now: told.append("again"))
        await trio.sleep(1)
        assert sorted(told[1:]) == ["again", "bob True", "mallory True", "mallory True"]
        assert paths.dials == 0


@pytest.mark.interpreted
async def test_p15_a_failed_hop_has_no_successor_when_too_many_wait(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    zone = Zone("a.test A 127.0.0.1\na.test A 127.0.0.2")
    async with opened(zone) as paths:
        told: list[Flow | None] = []
        target = Target("sip:x@a.test:5062")
        paths.dial(target, lambda flow, now: told.append(flow))
        await trio.sleep(1)
        assert [hop.host for hop in target.hops] == ["127.0.0.1", "127.0.0.2"]
        monkeypatch.setattr(room, "MAX_DIALS", 0)
        assert not paths.fails_over(target, lambda flow, now: told.append(flow), 0, trio.current_time())
        assert len(told) == 1
        assert paths.resolver.has_failed(target.hops[0], trio.current_time()) is False


async def test_t2_a_large_request_goes_by_udp_without_tcp(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(Zone()) as paths:
        flow = paths.flow_to(Target("sip:x@127.0.0.1:5062"), size=5000)
        assert flow is not None
        assert (flow.transport, flow.port) == ("udp", 5062)


@pytest.mark.parametrize(
    ("line", "seconds"), [("", 30), ("Retry-After: 5\r\n", 30), ("Retry-After: 100\r\n", 100)]
)
async def test_a_hop_with_a_503_is_tried_last_for_its_retry_after(
    autojump_clock: trio.testing.MockClock, line: str, seconds: int
) -> None:
    """RFC 3261 §21.5.4; at least 30 s, as for a hop without an answer."""
    answer = parse(
        f"SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
        f"From: <sip:x@a.test>;tag=1\r\nTo: <sip:x@a.test>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
        f"{line}Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(answer, Response)
    async with opened(Zone("a.test A 127.0.0.1\na.test A 127.0.0.2")) as paths:
        told: list[Flow | None] = []
        target = Target("sip:x@a.test:5062")
        paths.dial(target, lambda flow, now: told.append(flow))
        await trio.sleep(1)
        hop, now = target.hops[0], trio.current_time()
        assert paths.fails_over(target, lambda flow, now: told.append(flow), 0, now, answer)
        await trio.sleep(1)
        assert [flow.host for flow in told if flow is not None] == ["127.0.0.1", "127.0.0.2"]
        assert paths.resolver.has_failed(hop, now + seconds - 1)
        assert not paths.resolver.has_failed(hop, now + seconds + 1)
