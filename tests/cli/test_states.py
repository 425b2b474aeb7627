"""hold, release, requeue, pause, resume, and the history in `show`, with and without a daemon."""

import contextlib
import json
from collections.abc import Callable

import pytest

from msilod.sip.message import Request
from tests.scenarios.conftest import Daemon, daemon, phone, start_daemon
from tests.scenarios.phone import PATIENCE, Phone

__all__ = ["daemon", "phone", "start_daemon"]

MakePhone = Callable[[str], Phone]


@pytest.fixture
def silo(start_daemon: Callable[..., Daemon]) -> Daemon:
    """Three messages, and no daemon."""
    one = start_daemon()
    one.stop()
    for recipient, text in (("alice", "one"), ("alice", "two"), ("bob", "three")):
        assert one.msilo("inject", f"{recipient}@example.test", text).returncode == 0
    return one


def states(one: Daemon) -> dict[int, str]:
    return {row["id"]: row["state"] for row in one.rows()}


def history(one: Daemon, id: int) -> list[str]:
    record = json.loads(one.msilo("show", str(id), "--json").stdout)
    return [entry["event"] for entry in record["history"]]


def test_hold_and_release_by_selection_without_a_daemon(silo: Daemon) -> None:
    dry = silo.msilo("hold", "alice@example.test", "--dry-run", "--ids")
    assert dry.stdout.split() == ["1", "2"]
    assert states(silo) == {1: "waiting", 2: "waiting", 3: "waiting"}
    done = silo.msilo("hold", "alice@example.test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 held\n")
    assert states(silo) == {1: "held", 2: "held", 3: "waiting"}
    assert silo.msilo("list", "--state", "held", "--ids").stdout.split() == ["1", "2"]
    assert silo.msilo("-q", "release", "-", stdin="2\n").stderr == ""
    assert states(silo) == {1: "held", 2: "waiting", 3: "waiting"}
    assert silo.msilo("release", "--all").stderr == "1 released\n"
    assert history(silo, 1) == ["held", "released"]


@pytest.mark.parametrize("verb", ["hold", "release", "requeue"])
def test_usage_and_unknown_ids(silo: Daemon, verb: str) -> None:
    assert silo.msilo(verb).returncode == 2
    assert silo.msilo(verb, "x y").returncode == 2
    assert silo.msilo(verb, "99").returncode == 66
    assert silo.msilo(verb, "1", "99").returncode == 1
    assert silo.msilo(verb, "-", stdin="").returncode == 0
    assert silo.msilo(verb, "nobody@example.test").returncode == 0


def test_a_held_message_is_not_delivered_and_goes_when_it_is_released(
    daemon: Daemon, phone: MakePhone
) -> None:
    alice, bob = phone("alice"), phone("bob")
    for text in ("first", "second"):
        assert alice.text("bob", text).status == 202
    assert daemon.msilo("hold", "1").returncode == 0
    bob.register()
    assert bob.take().body == b"second"
    assert bob.is_silent(0.2)
    assert states(daemon) == {1: "held"}
    assert daemon.msilo("release", "1").returncode == 0
    assert bob.take().body == b"first"
    assert daemon.rows() == []
    assert history(daemon, 1) == ["held", "released", "delivered"]


def test_a_release_that_nobody_is_told_of_is_found(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob", "quietly").status == 202
    daemon.msilo("hold", "1")
    bob.register()
    assert bob.is_silent(0.2)
    daemon.environment["MSILO_SOCKET"] = str(daemon.folder / "nowhere")
    assert daemon.msilo("release", "1").returncode == 0
    assert bob.take().body == b"quietly"


@pytest.fixture
def stuck(daemon: Daemon, phone: MakePhone) -> Phone:
    """bob's phone with the first of three messages on the wire, unanswered."""
    alice, bob = phone("alice"), phone("bob")
    for text in ("one", "two", "three"):
        assert alice.text("bob", text).status == 202
    bob.register()
    return bob


def next_after(stuck: Phone, first: Request, patience: float = 0.3) -> Request | None:
    """The next new request, or None. Retransmissions of the first request are skipped."""
    with contextlib.suppress(TimeoutError):
        while True:
            found = stuck.receive(patience)
            if isinstance(found, Request) and found.call_id != first.call_id:
                return found
    return None


def test_hold_and_purge_ask_the_daemon_for_what_it_has_in_hand(daemon: Daemon, stuck: Phone) -> None:
    first = stuck.request()
    assert states(daemon) == {1: "sending", 2: "waiting", 3: "waiting"}
    assert daemon.msilo("list", "--state", "sending", "--ids").stdout == "1\n"
    done = daemon.msilo("hold", "1", "2")
    assert done.returncode == 0
    assert "2 held" in done.stderr
    assert "1 of them are on the wire" in done.stderr
    done = daemon.msilo("purge", "3", "--yes")
    assert done.stderr.startswith("1 deleted"), done.stderr
    stuck.answer(first, 200)
    assert next_after(stuck, first) is None
    assert states(daemon) == {2: "held"}
    assert history(daemon, 1) == ["held", "delivered"]
    assert history(daemon, 3) == ["purged"]


def test_purge_leaves_what_is_on_the_wire_and_says_so(daemon: Daemon, stuck: Phone) -> None:
    first = stuck.request()
    done = daemon.msilo("purge", "--all", "--yes")
    assert done.returncode == 0
    assert "2 deleted" in done.stderr
    assert "1 left" in done.stderr
    stuck.answer(first, 200)
    assert next_after(stuck, first) is None
    assert daemon.rows() == []


def test_requeue_tries_a_refused_message_again(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob", "hello").status == 202
    bob.register()
    bob.take(603)
    assert bob.is_silent(0.2)
    assert daemon.rows("--error")[0]["last_reason"] == "Decline"
    assert states(daemon) == {1: "rejected"}
    bob.register()
    assert bob.is_silent(0.2)
    assert daemon.msilo("requeue", "bob@example.test", "--state", "rejected").stderr == "1 requeued\n"
    assert bob.take().body == b"hello"
    assert history(daemon, 1) == ["failed", "rejected", "requeued", "delivered"]


def test_show_tells_who_did_what_and_66_only_when_nothing_is_known(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob", "hello").status == 202
    bob.register()
    bob.take(486)
    while not daemon.rows("--error"):
        pass
    shown = daemon.msilo("show", "1").stdout
    assert "failed     486 Busy Here" in shown
    assert bob.contact in shown
    row = daemon.rows()[0]
    assert (row["attempts"], row["last_status"], row["last_reason"]) == (1, 486, "Busy Here")
    assert row["next_attempt_at"].endswith("Z")
    cells = daemon.msilo("list").stdout.rstrip("\n").split("\t")
    assert cells[-3:] == [row["next_attempt_at"], "486", "Busy Here"]
    assert daemon.msilo("dump", "bob@example.test").returncode == 0
    bob.take()
    while daemon.rows():
        pass
    record = json.loads(daemon.msilo("show", "1", "--json").stdout)
    assert (record["id"], record["state"], record["aor"]) == (1, "delivered", "sip:bob@example.test")
    assert [(e["event"], e["status"], e["contact"]) for e in record["history"]] == [
        ("failed", 486, bob.contact), ("delivered", 200, bob.contact),
    ]  # fmt: skip
    assert "Message 1 · delivered" in daemon.msilo("show", "1").stdout
    assert daemon.msilo("show", "2").returncode == 66


def test_a_pause_keeps_everything_until_it_is_resumed(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    assert daemon.msilo("pause", "Example.test").stderr == "paused: example.test\n"
    assert json.loads(daemon.msilo("status", "--json").stdout)["paused"] == ["example.test"]
    assert "paused     example.test" in daemon.msilo("status").stdout
    assert alice.text("bob", "one").status == 202
    bob.register()
    assert bob.is_silent(0.2)
    done = daemon.msilo("dump", "bob@example.test", "--wait")
    assert "paused" in done.stdout + done.stderr
    daemon.kill()
    daemon.start()
    bob.register()
    assert alice.text("bob", "two").status == 202
    assert bob.is_silent(0.2)
    assert daemon.msilo("resume").stderr == "nothing is paused\n"
    assert [bob.take().body, bob.take().body] == [b"one", b"two"]


def test_a_pause_stops_a_run_under_way_and_nobody_needs_to_be_told(daemon: Daemon, stuck: Phone) -> None:
    first = stuck.request()
    assert daemon.msilo("pause").stderr == "paused: all domains\n"
    stuck.answer(first, 200)
    assert next_after(stuck, first) is None
    daemon.environment["MSILO_SOCKET"] = str(daemon.folder / "nowhere")
    assert daemon.msilo("resume").returncode == 0
    second = next_after(stuck, first, PATIENCE)
    assert second is not None
    assert second.body == b"two"
    stuck.answer(second, 200)
    third = next_after(stuck, second, PATIENCE)
    assert third is not None
    assert third.body == b"three"


def test_quotas_by_sip_have_their_statuses(start_daemon: Callable[..., Daemon]) -> None:
    one = start_daemon("[silo]\nmax_total_bytes = 20\nmax_per_hour = 3\nmax_messages = 2\n")
    with Phone("alice", one.address) as alice, Phone("carl", one.address) as carl:
        assert alice.text("bob", "12345").status == 202
        assert alice.text("bob", "12345").status == 202
        full = alice.text("bob", "12345")
        assert (full.status, full.headers.get(b"warning")) == (480, b'399 msilod "mailbox full"')
        assert full.headers.get(b"retry-after") == b"3600"
        assert alice.text("dave", "12345").status == 202
        often = alice.text("dave", "12345")
        assert (often.status, often.headers.get(b"warning")) == (
            480,
            b'399 msilod "too many messages from this sender"',
        )
        assert 0 < int(often.headers.get(b"retry-after") or b"0") <= 3600
        silo_full = carl.text("dave", "123456")
        assert (silo_full.status, silo_full.headers.get(b"warning")) == (503, b'399 msilod "silo full"')
        assert silo_full.headers.get(b"retry-after") == b"60"
        assert carl.text("dave", "12345").status == 202
        done = one.msilo("inject", "erin@example.test", "x")
        assert (done.returncode, done.stdout) == (1, "")
        assert "silo full" in done.stderr
