"""JsSIP in headless Chromium against the real daemon, over WebSocket and secure WebSocket (RFC 7118).

The page is contrib/chat, as a user would serve it; the other end is a phone on UDP, or another browser.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.chromium import Chromium, Tab, chromium
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

pytestmark = pytest.mark.peer

StartDaemon = Callable[..., Daemon]
TALK = 'Žluťoučký kůň 🐎\n<b>not bold</b> & "quoted"'


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as made:
        yield made


@pytest.fixture(params=["ws", "wss"])
def server(request: pytest.FixtureRequest, start_daemon: StartDaemon, tmp_path: Path) -> tuple[Daemon, str]:
    """A daemon, and what a user types into the page's first field."""
    scheme = str(request.param)
    Authority(tmp_path).issue("127.0.0.1")
    pem = '[tls]\ncertificate = "server.pem"\nprivate_key = "server.key"\n'
    daemon = start_daemon(pem, (f"{scheme}:127.0.0.1",))
    return daemon, f"{scheme}://127.0.0.1:{daemon.ports[f'{scheme}:127.0.0.1']}"


def until(holds: Callable[[], bool]) -> None:
    """Ask again for at most twenty questions; each is a process, so nothing sleeps and nothing spins."""
    assert any(holds() for _ in range(20))


def signed_in(browser: Chromium, server: str, name: str, tab: str = "", password: str = "") -> Tab:
    """A browser whose user is registered."""
    made = browser.open(tab or name)
    made.sign_in(server, f"{name}@example.test", password)
    made.wait_for_state("signed in")
    return made


def test_a_browser_texts_an_absent_user_and_gets_what_waited(
    browser: Chromium, server: tuple[Daemon, str]
) -> None:
    daemon, url = server
    alice = signed_in(browser, url, "alice")
    alice.send("bob@example.test", TALK)
    alice.wait_for_note("kept until they are back")
    bob = signed_in(browser, url, "bob")
    assert bob.wait_for_lines(1) == [TALK]
    until(lambda: not daemon.rows())
    bob.send("alice@example.test", "got it")
    bob.wait_for_note("delivered")
    assert alice.wait_for_lines(2)[-1] == "got it"
    alice.die()
    bob.die()


def test_eight_messages_in_order_and_four_kilobytes(browser: Chromium, server: tuple[Daemon, str]) -> None:
    daemon, url = server
    texts = [f"{n}: " + "ě" * 2000 for n in range(8)]
    with Phone("alice", daemon.address) as alice:
        for text in texts:
            assert alice.text("bob", text).status == 202
        bob = signed_in(browser, url, "bob")
        assert bob.wait_for_lines(8) == texts
        bob.die()


def test_between_a_browser_and_a_phone_on_udp(browser: Chromium, server: tuple[Daemon, str]) -> None:
    daemon, url = server
    with Phone("alice", daemon.address) as alice:
        alice.register()
        bob = signed_in(browser, url, "bob")
        bob.send("alice@example.test", TALK)
        assert alice.take().body.decode() == TALK
        bob.wait_for_note("delivered")
        alice.send(alice.message("bob", "to the browser", content_type="text/plain;charset=utf-8"))
        assert alice.response().status == 200
        assert bob.wait_for_lines(2)[-1] == "to the browser"
        bob.die()


def test_a_browser_that_dies_or_signs_out_is_away_at_once(
    browser: Chromium, server: tuple[Daemon, str]
) -> None:
    daemon, url = server
    with Phone("alice", daemon.address) as alice:
        bob = signed_in(browser, url, "bob")
        bob.die()
        until(lambda: daemon.msilo("bindings").stdout == "")
        assert alice.text("bob", "are you there?").status == 202
        again = signed_in(browser, url, "bob", "bob again")
        assert again.wait_for_lines(1) == ["are you there?"]
        again.sign_out()
        again.wait_for_state("not connected")
        until(lambda: daemon.msilo("bindings").stdout == "")
        assert alice.text("bob", "and now?").status == 202
        again.die()


def test_two_browsers_of_one_user_both_ring_and_one_answer_ends_it(
    browser: Chromium, server: tuple[Daemon, str]
) -> None:
    daemon, url = server
    one, two = signed_in(browser, url, "bob", "one"), signed_in(browser, url, "bob", "two")
    with Phone("alice", daemon.address) as alice:
        alice.send(alice.message("bob", "both of you"))
        assert alice.response().status == 200
        assert one.wait_for_lines(1) == two.wait_for_lines(1) == ["both of you"]
        assert daemon.rows() == []
    one.die()
    two.die()


def test_t14_a_page_of_another_origin_is_not_let_in(browser: Chromium, start_daemon: StartDaemon) -> None:
    daemon = start_daemon('[listen]\nws_origins = ["https://chat.example.test"]\n', ("ws:127.0.0.1",))
    page = browser.open("stranger")
    page.sign_in(f"ws://127.0.0.1:{daemon.ports['ws:127.0.0.1']}", "bob@example.test")
    page.wait_for_state("not connected")
    assert daemon.msilo("bindings").stdout == ""
    page.die()


def test_a2_a_browser_with_a_password_and_with_a_wrong_one(
    browser: Chromium, server: tuple[Daemon, str]
) -> None:
    daemon, url = server
    for user in ("alice", "bob"):
        added = daemon.msilo("user", "add", f"{user}@example.test", "-", stdin=f"{user}'s secret\n")
        assert added.returncode == 0, added.stderr
    guest = browser.open("guest")
    guest.sign_in(url, "bob@example.test", "alice's secret")
    guest.wait_for_state("refused: 401")
    assert daemon.msilo("bindings").stdout == ""
    alice = signed_in(browser, url, "alice", password="alice's secret")
    alice.send("bob@example.test", TALK)
    alice.wait_for_note("kept until they are back")
    guest.sign_in(url, "bob@example.test", "bob's secret")
    guest.wait_for_state("signed in")
    assert guest.wait_for_lines(1) == [TALK]
    guest.send("alice@example.test", "with a password")
    guest.wait_for_note("delivered")
    guest.die()
    alice.die()
