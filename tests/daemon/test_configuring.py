"""A reload reaches each room: after `Daemon.reload` every room uses the new configuration."""

from pathlib import Path

import msgspec
import pytest
import trio

from msilod.config import (
    AuthConfig,
    Config,
    ListenConfig,
    ProxyConfig,
    RegistrarConfig,
    SiloConfig,
)
from msilod.daemon.listeners import stream_limits
from msilod.daemon.policies import proxy_policy
from msilod.routing import default
from msilod.silo.policy import EACH_DEVICE
from msilod.store.limits import Limits
from msilod.transport.transports import Transports
from tests.network.world import DOMAIN, World, configured, play

NEW = Config(
    domains=[DOMAIN, "other.test"],
    aliases={r"\+1.*": "alice@example.test"},
    trusted=["192.0.2.7"],
    auth=AuthConfig(mode="required", algorithms=["SHA-256"], qop="required", edges=["192.0.2.8"]),
    proxy=ProxyConfig(
        fr_timer=7, fr_inv_timer=70, max_forwards=20, relay="anybody", nameservers=["192.0.2.53"]
    ),
    registrar=RegistrarConfig(max_expires=900, max_contacts=2, ping=40),
    silo=SiloConfig(
        check_time=30,
        clean_period=4,
        expire_time=600,
        registrar="sip:registrar@example.test",
        notice_period=77,
        imdn=False,
        devices="each",
        device_memory=3,
    ),
)


class Another:
    """A routing policy of the operator."""

    route = staticmethod(default.route)
    failure_route = staticmethod(default.failure_route)


async def reload(world: World, config: Config) -> None:
    world.daemon.reload(config, Another)
    await trio.sleep(0.001)


def test_each_room_serves_with_the_new_configuration(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        parts, limits = world.parts, []
        parts.store.configure = lambda *said: limits.append(said)  # type: ignore[method-assign]
        await reload(world, NEW)
        assert parts.config is NEW
        assert parts.policy.policy is Another
        assert parts.myself.mailbox("bob@other.test") == "bob@other.test"
        assert parts.myself.mailbox("+12@example.test") == "alice@example.test"
        assert parts.trust.includes("192.0.2.7")
        assert parts.members.is_closed
        assert parts.members.own_aor == "registrar@example.test"
        assert parts.shedding.is_active
        assert parts.transports.streams.are_strangers_limited
        judge = parts.authentication.judge
        assert (judge.algorithms, judge.needs_qop) == ((b"SHA-256",), True)
        assert [host for host, _ in parts.ask._nameservers] == ["192.0.2.53"]
        assert (parts.sender.fr_timer, parts.sender.fr_inv_timer) == (7.0, 70.0)
        assert parts.sender.max_forwards == 20
        assert parts.targets._relay == "anybody"
        assert (parts.registrar.policy.max_expires, parts.registrar.policy.max_contacts) == (900, 2)
        assert parts.pings._period == 40
        assert parts.cleaning.seconds == 120
        for room in (parts.storing, parts.deliverer, parts.notices, parts.receipts):
            assert room.policy.expire_time == 600, room
        assert parts.notices.memory.period == 77.0
        assert parts.notices.stored in parts.storing.observers
        assert parts.storing.on_wrapped is None
        assert limits[-1] == (Limits.of(NEW.silo, False), NEW.silo.history, 3)
        # And back again.
        await reload(world, world.config)
        assert parts.myself.mailbox("+12@example.test") != "alice@example.test"
        assert not parts.trust.includes("192.0.2.7")
        assert parts.storing.on_wrapped == parts.receipts.stored
        assert parts.notices.stored not in parts.storing.observers
        assert parts.members.own_aor == ""
        assert not parts.members.is_closed
        assert not parts.shedding.is_active

    play(tmp_path, story)


def test_the_memory_of_devices_is_kept_only_where_each_device_gets_a_message(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        memories = []
        world.parts.store.configure = (  # type: ignore[method-assign]
            lambda limits, history, device_memory=0: memories.append(device_memory)
        )
        for devices in ("each", "first"):
            silo = msgspec.structs.replace(world.config.silo, devices=devices, device_memory=9)
            await reload(world, msgspec.structs.replace(world.config, silo=silo))
        assert memories[-2:] == [9, 0]
        assert EACH_DEVICE == "each"

    play(tmp_path, story)


def test_bindings_made_without_a_password_end_when_passwords_are_required(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(1)
        assert len(world.parts.location) == 1
        await reload(world, world.config)
        assert len(world.parts.location) == 1, "no password is asked for"
        closed = msgspec.structs.replace(world.config, auth=AuthConfig(mode="required"))
        await reload(world, closed)
        assert len(world.parts.location) == 0
        await trio.sleep(0.1)
        assert world.silo.load_bindings() == []

    play(tmp_path, story)


@pytest.mark.parametrize("mode", ["off", "required"])
def test_another_realm_has_the_users_read_again(tmp_path: Path, mode: str) -> None:
    async def story(world: World) -> None:
        reads = []

        async def read_again() -> None:
            reads.append(world.parts.config.auth.realm)

        world.parts.user_watch.read_again = read_again  # type: ignore[method-assign]
        await reload(world, world.config)
        assert reads == []
        auth = msgspec.structs.replace(world.config.auth, realm="other.test")
        await reload(world, msgspec.structs.replace(world.config, auth=auth))
        assert reads == ["other.test"], "and only after the rooms have the new realm"

    play(tmp_path, story, config=configured(auth={"mode": mode}))


def test_the_timers_of_proxy_are_not_confused() -> None:
    policy = proxy_policy(NEW)
    assert (policy.fr_timer, policy.fr_inv_timer, policy.max_forwards) == (7.0, 70.0, 20)


def test_the_transports_take_over_limits_and_origins() -> None:
    transports = Transports([])
    try:
        listen = ListenConfig(max_connections=5, max_per_address=2, idle_timeout=99)
        transports.configure(None, ["HTTPS://Example.test/"], stream_limits(Config(listen=listen)))
        assert transports.origins == {"https://example.test"}
        limits = transports.streams.limits
        assert (limits.connections, limits.per_address, limits.idle) == (5, 2, 99)
    finally:
        transports.close()
