"""devices = "each": each device gets each message once, in order; with the default a row ends with the first 2xx."""

import json
from collections.abc import Callable
from typing import Any

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

EACH = '[silo]\ndevices = "each"\nretry = [2]\n'


def register(phone: Phone, instance: str, expires: int = 600) -> None:
    contact = f'<{phone.contact}>;+sip.instance="<urn:uuid:{instance}>"'
    assert phone.register(expires, contact=contact).status == 200


def devices(daemon: Daemon, id: int) -> dict[str, Any]:
    shown = json.loads(daemon.msilo("show", str(id), "--json").stdout)
    return {entry["device"].strip('"<>')[-4:]: entry["status"] for entry in shown.get("devices", [])}


def wait_for_rows(daemon: Daemon, count: int) -> None:
    while len(daemon.rows()) != count:
        pass


def test_each_device_gets_it_once_whenever_it_comes(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(EACH)
    with (
        Phone("alice", daemon.address) as alice,
        Phone("bob", daemon.address) as desk,
        Phone("bob", daemon.address) as mobile,
    ):
        register(desk, "desk")
        register(mobile, "cell")
        for text in ("one", "two"):
            assert alice.text("bob", text).status == 202
        assert [desk.take().body, desk.take().body] == [b"one", b"two"]
        assert mobile.take().body == b"one"
        second = mobile.request()
        assert second.body == b"two"
        assert devices(daemon, 2) == {"desk": 200, "cell": None}
        mobile.answer(second, 200)
        while not mobile.is_silent(0.1):
            # Skip copies sent in the meantime.
            pass
        wait_for_rows(daemon, 0)
        register(mobile, "cell", expires=0)
        assert alice.text("bob", "three").status == 202
        assert desk.take().body == b"three"
        register(desk, "desk")
        assert desk.is_silent(), "it has it"
        assert len(daemon.rows()) == 1, "the mobile is waited for"
        daemon.kill()
        daemon.start()
        register(desk, "desk")
        assert desk.is_silent(), "also after a restart"
        register(mobile, "cell")
        assert mobile.take().body == b"three"
        wait_for_rows(daemon, 0)
        events = [e["event"] for e in json.loads(daemon.msilo("show", "3", "--json").stdout)["history"]]
        assert events == ["taken", "delivered"]


def test_a_busy_device_holds_up_no_other_and_a_refusal_is_its_own(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon(EACH)
    with (
        Phone("alice", daemon.address) as alice,
        Phone("bob", daemon.address) as desk,
        Phone("bob", daemon.address) as mobile,
    ):
        register(desk, "desk")
        register(mobile, "cell")
        assert alice.text("bob", "one").status == 202
        mobile.take(486)
        assert desk.take().body == b"one"
        assert mobile.take().body == b"one", "tried again after its back-off"
        wait_for_rows(daemon, 0)
        assert alice.text("bob", "two").status == 202
        mobile.take(603)
        assert desk.take().body == b"two"
        wait_for_rows(daemon, 0)
        assert alice.text("bob", "three").status == 202
        mobile.take(603)
        desk.take(603)
        while daemon.rows()[0]["state"] != "rejected":
            pass
        assert daemon.msilo("requeue", "3").returncode == 0
        assert desk.take().body == b"three"
        assert mobile.take().body == b"three"
        wait_for_rows(daemon, 0)


def test_a_device_without_an_instance_is_waited_for_only_while_it_is_bound(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon(EACH)
    with (
        Phone("alice", daemon.address) as alice,
        Phone("bob", daemon.address) as desk,
        Phone("bob", daemon.address) as other,
    ):
        desk.register()
        other.register()
        other.register(expires=0)
        assert alice.text("bob", "one").status == 202
        assert desk.take().body == b"one"
        wait_for_rows(daemon, 0)
        assert alice.text("nobody", "two").status == 202
        done = daemon.msilo("purge", "2", "--yes")
        assert done.returncode == 0
