"""The decision table on the whole daemon: each class of answers, online and queued."""

from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]
# The back-off in seconds: short steps for a test, then a step longer than any test.
QUICK = "[silo]\nretry = [1, 1, 3600]\n"


def the_row(daemon: Daemon) -> tuple[str, int | None, int]:
    """State, last status and attempts of the only row."""
    (row,) = daemon.rows()
    return row["state"], row["last_status"], row["attempts"]


def queued(phone: MakePhone, *texts: str) -> Phone:
    """Bob's phone, registered again, with the given messages in the silo."""
    alice, bob = phone("alice"), phone("bob")
    for text in texts:
        assert alice.text("bob", text).status == 202
    assert bob.register().status == 200
    return bob


# --- queued ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [480, 486, 500, 503, 408, 491, 300, 482])
def test_queued_not_now_keeps_the_row_and_its_reason(daemon: Daemon, phone: MakePhone, status: int) -> None:
    queued(phone, "one").take(status)
    assert phone("carol").text("carol").status == 202, "the daemon has handled the answer"
    assert [
        (row["state"], row["last_status"], row["attempts"]) for row in daemon.rows("bob@example.test")
    ] == [("waiting", status, 1)]


@pytest.mark.parametrize("status", [400, 403, 484, 513, 415, 603])
def test_queued_a_refusal_is_final_and_the_next_one_comes(
    daemon: Daemon, phone: MakePhone, status: int
) -> None:
    bob = queued(phone, "one", "two", "three")
    bob.take(status)
    assert [bob.take().body, bob.take().body] == [b"two", b"three"]
    assert bob.is_silent()
    assert the_row(daemon)[:2] == ("rejected", status)


@pytest.mark.parametrize("status", [404, 405, 501, 401])
def test_queued_a_contact_that_takes_no_message_is_out_until_it_registers_anew(
    daemon: Daemon, phone: MakePhone, status: int
) -> None:
    bob = queued(phone, "one")
    bob.take(status)
    bob.register()
    assert bob.is_silent(), "a refresh is no change"
    assert the_row(daemon)[0] == "waiting"
    bob.call_id = f"another-{status}@bob"
    bob.register()
    assert bob.take().body == b"one"


def test_queued_a_copy_is_not_sent_again_within_64_t1(daemon: Daemon, phone: MakePhone) -> None:
    bob = queued(phone, "one")
    bob.take(482)
    bob.register()
    assert bob.is_silent()
    assert the_row(daemon) == ("waiting", 482, 1)


def test_queued_retry_after_holds_against_a_timer_and_ends_with_it(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[silo]\nretry = [3600]\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "one").status == 202
        bob.register()
        bob.answer(bob.request(), 503, ((b"Retry-After", b"1"),))
        assert bob.take().body == b"one"


def test_law_3_without_any_register_it_is_tried_again_step_by_step(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon(QUICK)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "one").status == 202
        bob.register()
        for _ in range(2):
            bob.take(486)
        assert bob.take().body == b"one"
        assert bob.is_silent()
        assert daemon.rows() == []


def test_attempts_that_were_answered_end_in_rejected(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nretry = [1]\nattempts = 2\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "one").status == 202
        bob.register()
        bob.take(486)
        bob.take(486)
        assert alice.text("alice").status == 202, "the daemon has handled the answer"
        rows = daemon.rows("bob@example.test")
        assert [(row["state"], row["last_status"], row["attempts"]) for row in rows] == [("rejected", 486, 2)]


def test_law_4_a_head_that_failed_three_times_steps_behind(daemon: Daemon, phone: MakePhone) -> None:
    bob = queued(phone, "one", "two")
    assert bob.take(486).body == b"one"
    for _ in range(2):
        bob.register()
        assert bob.take(486).body == b"one"
    bob.register()
    assert [bob.take().body, bob.take().body] == [b"two", b"one"]


# --- online ---------------------------------------------------------------------------------------


def test_online_not_now_is_the_first_step_of_the_back_off(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nretry = [1, 3600]\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        bob.register()
        alice.send(alice.message("bob", "one"))
        bob.take(486)
        assert alice.response().status == 202
        bob.take(486)
        assert bob.is_silent(1.5), "the second step is an hour"
        assert the_row(daemon) == ("waiting", 486, 2)


@pytest.mark.parametrize("status", [480, 503, 413])
def test_online_retry_after_says_when(start_daemon: Callable[..., Daemon], status: int) -> None:
    daemon = start_daemon("[silo]\nretry = [3600]\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        bob.register()
        alice.send(alice.message("bob", "one"))
        bob.answer(bob.request(), status, ((b"Retry-After", b"1"),))
        assert alice.response().status == 202
        assert bob.take().body == b"one", "without any REGISTER"


def test_online_a_longer_retry_after_holds_against_the_back_off(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nretry = [1]\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        bob.register()
        alice.send(alice.message("bob", "one"))
        bob.answer(bob.request(), 480, ((b"Retry-After", b"600"),))
        assert alice.response().status == 202
        assert bob.is_silent(2.5)


def test_online_a_contact_that_takes_no_message_is_not_asked_again(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", "one"))
    bob.take(405)
    assert alice.response().status == 202
    assert alice.text("bob", "two").status == 202
    bob.register()
    assert bob.is_silent()
    bob.register(extra="User-Agent: with messages\r\n")
    assert [bob.take().body, bob.take().body] == [b"one", b"two"]


def test_online_who_is_out_leaves_the_message_to_the_others(daemon: Daemon, phone: MakePhone) -> None:
    alice, desk, soft = phone("alice"), phone("bob"), phone("bob")
    desk.register()
    soft.register()
    alice.send(alice.message("bob", "one"))
    desk.take(405)
    soft.take()
    assert alice.response().status == 200
    alice.send(alice.message("bob", "two"))
    assert soft.take().body == b"two"
    assert desk.is_silent()
    assert alice.response().status == 200


def test_online_a_type_that_one_does_not_take_goes_to_another(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[proxy]\nfr_timer = 1\n")
    with (
        Phone("alice", daemon.address) as alice,
        Phone("bob", daemon.address) as old,
        Phone("bob", daemon.address) as new,
    ):
        old.register()
        alice.send(alice.message("bob", "<p/>", content_type="text/html"))
        old.take(415)
        assert alice.response().status == 202
        assert alice.text("bob", "plain").status != 415
        new.register()
        assert new.take().body == b"<p/>"
        assert daemon.rows("bob@example.test") == [] or old.take().body == b"plain"


def test_combined_a_6xx_is_the_answer_for_all(daemon: Daemon, phone: MakePhone) -> None:
    alice, desk, soft = phone("alice"), phone("bob"), phone("bob")
    desk.register()
    soft.register()
    alice.send(alice.message("bob"))
    desk.take(486)
    soft.take(603)
    assert alice.response().status == 603
    assert daemon.rows() == []


def test_combined_kept_by_one_is_stored_and_who_refused_never_gets_it(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[silo]\nretry = [1]\n")
    with (
        Phone("alice", daemon.address) as alice,
        Phone("bob", daemon.address) as desk,
        Phone("bob", daemon.address) as soft,
    ):
        desk.register()
        soft.register()
        alice.send(alice.message("bob", "one"))
        desk.take(403)
        soft.take(486)
        assert alice.response().status == 202
        assert soft.take().body == b"one"
        assert desk.is_silent()
        assert daemon.rows() == []


def test_combined_401_goes_to_the_sender_with_its_challenge(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob"))
    bob.answer(bob.request(), 401, ((b"WWW-Authenticate", b'Digest realm="bob", nonce="1"'),))
    response = alice.response()
    assert response.status == 401
    assert response.headers.get(b"www-authenticate") == b'Digest realm="bob", nonce="1"'
    assert daemon.rows() == []


@pytest.mark.parametrize(("tag", "expected"), [(";tag=dialog", 481), ("", 202)])
def test_481_inside_a_dialog_is_for_the_sender(
    daemon: Daemon, phone: MakePhone, tag: str, expected: int
) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    sent = alice.message("bob")
    alice.send(sent.replace(b"To: <sip:bob@example.test>", b"To: <sip:bob@example.test>" + tag.encode()))
    bob.take(481)
    assert alice.response().status == expected


def test_3xx_to_a_user_of_ours_is_followed(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob, carol = phone("alice"), phone("bob"), phone("carol")
    bob.register()
    carol.register()
    alice.send(alice.message("bob", "moved"))
    bob.answer(bob.request(), 302, ((b"Contact", b"<sip:carol@example.test>"),))
    assert carol.take().body == b"moved"
    assert alice.response().status == 200
    assert daemon.rows() == []


@pytest.mark.parametrize(
    "contact", [b"<sip:bob@foreign.test>", b"<sip:carol@example.test>", b"<sip:bob@example.test>"]
)
def test_3xx_that_leads_nowhere_from_here_is_stored_for_its_recipient(
    daemon: Daemon, phone: MakePhone, contact: bytes
) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", "moved"))
    bob.answer(bob.request(), 302, ((b"Contact", contact),))
    assert alice.response().status == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test"]


def test_who_is_out_stays_out_when_another_contact_leaves(daemon: Daemon, phone: MakePhone) -> None:
    alice, desk, soft = phone("alice"), phone("bob"), phone("bob")
    desk.register()
    soft.register()
    alice.send(alice.message("bob", "one"))
    desk.take(405)
    soft.take()
    assert alice.response().status == 200
    soft.register(expires=0)
    assert alice.text("bob", "two").status == 202
    assert desk.is_silent()
