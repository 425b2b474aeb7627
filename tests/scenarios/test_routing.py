"""The operator's routing policy: each action has the documented effect, and a broken policy changes nothing."""

import signal
from collections.abc import Callable, Iterator

import pytest

from msilod.control.protocol import ControlClient
from msilod.errors import MsilodError
from msilod.serving.failure_route import MAX_RELAYS
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

StartDaemon = Callable[..., Daemon]

POLICY = '''"""Each user of the scenarios is a branch.

>>> from msilod.routing import example
>>> route(example("MESSAGE", "sip:silent@example.test"))
Drop()
"""

from msilod.routing import Break, Drop, Dump, Relay, Reply, Save, Store, default


def route(request):
    user = request.uri.user
    if request.method == b"INVITE" and user == "silent":
        return Drop()
    if request.method == b"INVITE":
        return Relay(on_failure=True)
    if request.method != b"MESSAGE":
        return default.route(request)
    if user == "closed":
        return Reply(480, "Closed till Monday", (("Retry-After", "60"),))
    if user == "silent":
        return Drop()
    if user == "broken":
        return Break()
    if user == "trap" and request.header("X-Trap"):
        return Reply(200 // int(request.header("X-Trap")))
    if user == "team":
        return Relay(on_failure=True, uri="sip:bob@example.test")
    if user == "other":
        return Store(0, uri="sip:bob@example.test")
    if user == "to-only":
        return Store(2)
    if user == "dump":
        return Dump(uri=f"sip:{request.sender}")
    if user == "round":
        return Relay(on_failure=True)
    if user == "nobody":
        return Relay(on_failure=True, uri="sip:nobody@example.test")
    if user == "second":
        return Relay(on_failure=True) if request.is_registered else Reply(404)
    return default.route(request)


def failure_route(request, status):
    if request.method == b"INVITE" and status == 404:
        return Reply(480, "Nobody home")
    if request.uri.user in ("round", "nobody"):
        return Relay(on_failure=True, uri=str(request.uri))
    if request.uri.user == "second":
        return Relay(uri="sip:bob@example.test")
    if request.to.user == "team":
        return Store(0) if status != 486 else Reply(486, "The team is busy")
    return default.failure_route(request, status)
'''


@pytest.fixture
def daemon(start_daemon: StartDaemon, tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    policy = tmp_path_factory.mktemp("policy") / "policy.py"
    policy.write_text(POLICY)
    return start_daemon(f'routing = "{policy}"\n')


@pytest.fixture
def alice(daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", daemon.address) as alice:
        yield alice


def test_reply_in_the_operators_words(daemon: Daemon, alice: Phone) -> None:
    answer = alice.text("closed")
    assert (answer.status, answer.reason) == (480, b"Closed till Monday")
    assert answer.headers.get(b"retry-after") == b"60"
    assert daemon.rows() == []


@pytest.mark.parametrize("user", ["silent", "broken"])
def test_drop_and_break_in_route_answer_nothing(alice: Phone, user: str) -> None:
    message = alice.message(user)
    alice.send(message)
    alice.send(message)
    assert alice.is_silent()
    assert alice.text("closed").status == 480, "and the daemon serves on"


def test_an_exception_is_500_for_that_request_and_one_line_in_the_log(daemon: Daemon, alice: Phone) -> None:
    for _ in range(3):
        assert alice.text("trap", extra="X-Trap: 0\r\n").status == 500
    assert alice.text("trap", extra="X-Trap: 1\r\n").status == 200
    assert alice.text("trap").status == 202
    log = (daemon.folder / "log").read_text()
    assert log.count("ZeroDivisionError") == 1
    line = POLICY.split("\n").index('        return Reply(200 // int(request.header("X-Trap")))') + 1
    assert f"line {line}: ZeroDivisionError" in log


def test_relay_to_another_uri_and_its_failure_route(daemon: Daemon, alice: Phone) -> None:
    assert alice.text("team", "nobody there").status == 202
    with Phone("bob", daemon.address) as bob:
        bob.register()
        assert bob.take().body == b"nobody there"
        assert daemon.rows() == []
        alice.send(alice.message("team", "here"))
        assert bob.take().body == b"here"
        assert alice.response().status == 200
        alice.send(alice.message("team", "busy"))
        bob.take(486)
        answer = alice.response()
        assert (answer.status, answer.reason) == (486, b"The team is busy")
        alice.send(alice.message("team", "kept"))
        bob.take(405)
        assert alice.response().status == 202
    assert [(row["aor"], row["body"]) for row in daemon.rows()] == [("sip:bob@example.test", "kept")]


def test_the_failure_route_may_send_on(daemon: Daemon, alice: Phone) -> None:
    with Phone("second", daemon.address) as second, Phone("bob", daemon.address) as bob:
        second.register()
        bob.register()
        alice.send(alice.message("second", "on"))
        second.take(603)
        assert bob.take().body == b"on"
        assert alice.response().status == 200
    assert daemon.rows() == []


def _invite(phone: Phone, user: str) -> bytes:
    head = phone.head("INVITE", f"sip:{user}@example.test", f"sip:{user}@example.test", f"call-{user}@a", 1)
    return f"{head}Contact: <{phone.contact}>\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_call_has_its_failure_route_as_well(daemon: Daemon, alice: Phone) -> None:
    with Phone("second", daemon.address) as second, Phone("bob", daemon.address) as bob:
        second.register()
        bob.register()
        alice.send(_invite(alice, "second"))
        second.answer(second.request(b"INVITE"), 486)
        second.request(b"ACK")
        bob.answer(bob.request(b"INVITE"), 200, ((b"Contact", bob.contact.encode()),))
        assert [alice.response().status for _ in range(2)] == [100, 200]


def test_a_calls_failure_route_may_answer_in_its_own_words(alice: Phone) -> None:
    alice.send(_invite(alice, "nobody"))
    answer = alice.response()
    answer = alice.response() if answer.status == 100 else answer
    assert (answer.status, answer.reason) == (480, b"Nobody home")


def test_a_policy_that_sends_it_round_and_round_is_stopped(daemon: Daemon, alice: Phone) -> None:
    assert alice.text("nobody").status == 404
    with Phone("round", daemon.address) as phone:
        phone.register()
        alice.send(alice.message("round"))
        for _ in range(MAX_RELAYS):
            phone.take(486)
        assert alice.response().status == 486
        assert phone.is_silent()


def test_a_dropped_call_leaves_nothing_behind(daemon: Daemon, alice: Phone) -> None:
    alice.send(_invite(alice, "silent"))
    assert alice.is_silent()
    with ControlClient(daemon.folder / "control.sock") as client:
        assert client.call("status")["open_transactions"] == 0


def test_store_under_another_uri_and_by_to_only(daemon: Daemon, alice: Phone) -> None:
    assert alice.text("other", "new uri").status == 202
    alice.send(alice.message("carol", "to", uri="sip:to-only@example.test"))
    assert alice.response().status == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test", "sip:carol@example.test"]


def test_dump_delivers_now(daemon: Daemon, alice: Phone) -> None:
    with Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "later").status == 202
        bob.register()
        bob.take(480)
        assert bob.text("dump").status == 200
        assert bob.take().body == b"later"
    assert daemon.rows() == []


def test_a_broken_policy_is_told_and_the_old_one_stays(daemon: Daemon, alice: Phone) -> None:
    assert daemon.process is not None
    policy = daemon.config.read_text().split('"')[1]
    with open(policy, "w") as file:
        file.write(POLICY.replace("    if user ==", "    if user = ", 1))
    with ControlClient(daemon.folder / "control.sock") as client:
        with pytest.raises(MsilodError, match=r"policy\.py: line \d+: SyntaxError"):
            client.call("reload")
        daemon.process.send_signal(signal.SIGHUP)
        while (daemon.folder / "log").read_text().count("SyntaxError") < 2:
            assert alice.text("closed").reason == b"Closed till Monday"
        with open(policy, "w") as file:
            file.write(POLICY.replace("Closed till Monday", "Closed"))
        client.call("reload")
    assert alice.text("closed").reason == b"Closed"


@pytest.mark.parametrize("verb", ["check", "start"])
def test_a_broken_policy_ends_a_start_with_78_and_one_line(daemon: Daemon, verb: str) -> None:
    broken = daemon.folder / "broken.py"
    broken.write_text(POLICY.replace('Drop()\n"""', 'Store()\n"""'))
    config = daemon.folder / "broken.toml"
    config.write_text('routing = "broken.py"\n')
    done = daemon.msilod(verb, "--config", str(config))
    assert done.returncode == 78
    assert done.stderr == f"msilod: routing: {broken}: line 4: the example wants Store(), and got Drop()\n"
