"""Users and digest on a real daemon: accepted and refused credentials, replays and forgeries."""

import signal
import sqlite3
from collections.abc import Callable

import pytest

from msilod.auth.throttle import FREE_PAIR
from msilod.control.protocol import ControlClient
from tests.scenarios.account import Account, add_user, challenges
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]


@pytest.fixture
def users(daemon: Daemon) -> Daemon:
    """A daemon with the users alice and bob, password `secret`."""
    done = daemon.msilo("user", "add", "alice@example.test", "-", stdin="secret\n")
    assert done.returncode == 0, done.stderr
    add_user(daemon, "bob")
    return daemon


def flipped(line: str, name: str) -> str:
    """The line with one changed character in a parameter. A change of case would not change hex digits."""
    head, tail = line.split(f'{name}="', 1)
    return f'{head}{name}="{"0" if tail[0] != "0" else "1"}{tail[1:]}'


def test_without_users_everybody_is_served_and_with_one_nobody_without_a_password(
    daemon: Daemon, phone: MakePhone
) -> None:
    alice = phone("alice")
    assert alice.register().status == 200
    add_user(daemon, "alice")
    assert "alice" not in daemon.msilo("bindings").stdout, "she had shown no password"
    assert alice.register().status == 401
    account = Account(alice, "secret")
    assert account.register().status == 200
    assert account.register().status == 200, "with the next nonce count"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a2_one_challenge_per_algorithm_the_best_first(
    users: Daemon, phone: MakePhone, algorithm: str
) -> None:
    bob = phone("bob")
    assert [challenge["algorithm"] for challenge in challenges(bob.register())] == ["MD5"], "by default"
    users.config.write_text('[auth]\nalgorithms = ["SHA-256", "MD5"]\n')
    reload(users)
    alice = phone("bob")
    answer = alice.register()
    heard = challenges(answer)
    assert [challenge["algorithm"] for challenge in heard] == ["SHA-256", "MD5"]
    assert {challenge["realm"] for challenge in heard} == {"example.test"}
    assert {challenge["qop"] for challenge in heard} == {"auth"}
    assert "stale" not in heard[0]
    account = Account(alice, "secret", algorithm)
    account.hear(answer)
    assert alice.register(extra=account.field("REGISTER", "sip:example.test")).status == 200


def test_a1_register_is_challenged_by_401_and_everything_else_by_407(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob").status == 407
    account = Account(alice, "secret")
    assert account.text("bob").status == 202
    assert Account(bob, "secret").register().status == 200
    bob.take()
    assert account.text("bob", "live").status in (100, 200) or bob.take()


def test_a1_an_invite_that_is_challenged_ends_with_its_ack(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    invite = alice.head("INVITE", "sip:bob@example.test", "sip:bob@example.test", "call-1", 1)
    alice.send(f"{invite}Content-Length: 0\r\n\r\n".encode())
    answer = alice.response()
    assert answer.status == 407
    ack = invite.replace("INVITE", "ACK").replace(
        "To: <sip:bob@example.test>", f"To: <sip:bob@example.test>;tag={answer.to_tag.decode()}"
    )
    alice.send(f"{ack}Content-Length: 0\r\n\r\n".encode())
    assert alice.is_silent()


def test_wrong_password_and_unknown_user_look_the_same(users: Daemon, phone: MakePhone) -> None:
    answers = []
    for user, password in (("alice", "wrong"), ("nobody", "secret")):
        one = phone(user)
        account = Account(one, password)
        answers.append(account.register())
    wrong, unknown = answers
    assert wrong.status == unknown.status == 401
    assert [sorted(c) for c in challenges(wrong)] == [sorted(c) for c in challenges(unknown)]
    assert all("stale" not in c for c in challenges(wrong))


def test_a9_from_and_to_must_be_the_users_own(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    mallory = Account(alice, "secret", name="bob")
    assert mallory.register().status == 403, "bob's password, alice's address"
    assert mallory.text("bob").status == 403
    assert Account(alice, "secret").register().status == 200


def test_a5_a_replayed_register_is_stale(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    account = Account(alice, "secret")
    assert account.register().status == 200
    proof = account.field("REGISTER", "sip:example.test", count=account.count)
    answer = alice.register(extra=proof)
    assert answer.status == 401
    assert challenges(answer)[0]["stale"] == "true"


def test_a_nonce_with_a_flipped_byte_is_a_stranger(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    account = Account(alice, "secret")
    account.hear(alice.register())
    nonce = account.challenge["nonce"]
    account.challenge["nonce"] = flipped(f'nonce="{nonce}"', "nonce")[7:-1]
    answer = alice.register(extra=account.field("REGISTER", "sip:example.test"))
    assert answer.status == 401
    assert "stale" not in challenges(answer)[0]
    account.challenge["nonce"] = nonce
    assert (
        alice.register(extra=flipped(account.field("REGISTER", "sip:example.test"), "response")).status == 401
    )
    assert account.register().status == 200


def test_u6_a_copy_of_a_request_gets_the_same_challenge(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    data = alice.registration()
    answers = set()
    for _ in range(3):
        alice.send(data)
        answers.add(alice.response().to_bytes())
    assert len(answers) <= 2, "two if a span of time ended between them"
    assert len({line for answer in answers for line in answer.split(b"\r\n") if line[:3] == b"To:"}) == 1


def test_a_nonce_from_before_a_restart_is_stale(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    account = Account(alice, "secret")
    assert account.register().status == 200
    users.stop()
    users.start()
    answer = alice.register(extra=account.field("REGISTER", "sip:example.test"))
    assert answer.status == 401
    assert challenges(answer)[0]["stale"] == "true"
    assert account.register().status == 200


def test_own_credentials_are_neither_stored_nor_forwarded(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    account = Account(alice, "secret")
    assert account.text("bob", "for later").status == 202
    Account(bob, "secret").register()
    assert b"uthorization" not in bob.take().to_bytes()


def test_a9_of_all_credentials_only_our_own_are_taken_out_on_the_way(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    account = Account(alice, "secret")
    Account(bob, "secret").register()
    extra = 'Proxy-Authorization: Digest username="x", realm="elsewhere", nonce="n", uri="sip:x", response="y"\r\n'
    alice.send(alice.message("bob", "now", extra))
    account.hear(alice.response())
    proof = account.field("MESSAGE", "sip:bob@example.test", "Proxy-Authorization")
    alice.send(alice.message("bob", "now", extra + proof))
    relayed = bob.take()
    assert [value for value in relayed.headers.get_all(b"proxy-authorization") if b"elsewhere" in value]
    assert b"example.test" not in b" ".join(relayed.headers.get_all(b"proxy-authorization"))


def test_i1_what_the_user_has_proved_is_asserted_and_nothing_else(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    claim = (
        "P-Asserted-Identity: <sip:boss@example.test>\r\n"
        'P-Preferred-Identity: "Alice A." <sip:alice@example.test>\r\n'
    )
    assert Account(alice, "secret").text("bob", extra=claim).status == 202
    Account(bob, "secret").register()
    got = bob.take()
    assert got.headers.get_all(b"p-asserted-identity") == [b'"Alice A." <sip:alice@example.test>']
    assert b"p-preferred-identity" not in got.headers


def test_i1_a_preferred_identity_of_somebody_else_is_no_hint(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    claim = 'P-Preferred-Identity: "The Boss" <sip:boss@example.test>\r\n'
    assert Account(alice, "secret").text("bob", extra=claim).status == 202
    Account(bob, "secret").register()
    assert bob.take().headers.get_all(b"p-asserted-identity") == [b"<sip:alice@example.test>"]


@pytest.mark.parametrize(
    ("privacy", "shown"), [("id", False), ("none", True), ("user;id", False), ("", True)]
)
@pytest.mark.parametrize("live", [True, False])
def test_i2_privacy_keeps_the_asserted_identity_from_a_phone(
    users: Daemon, phone: MakePhone, privacy: str, shown: bool, live: bool
) -> None:
    alice, bob = phone("alice"), phone("bob")
    account, extra = Account(alice, "secret"), f"Privacy: {privacy}\r\n" if privacy else ""
    if live:
        Account(bob, "secret").register()
        account.hear(alice.text("bob", extra=extra))
        proof = account.field("MESSAGE", "sip:bob@example.test", "Proxy-Authorization")
        alice.send(alice.message("bob", "x", extra + proof))
    else:
        assert account.text("bob", extra=extra).status == 202
        Account(bob, "secret").register()
    assert (b"p-asserted-identity" in bob.take().headers) is shown


def test_unknown_users_get_404_and_known_ones_their_message(users: Daemon, phone: MakePhone) -> None:
    account = Account(phone("alice"), "secret")
    assert account.text("carol").status == 404
    assert account.text("bob").status == 202


def test_a_user_who_is_removed_is_out_at_once(users: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    account = Account(bob, "secret")
    assert account.register().status == 200
    assert users.msilo("user", "remove", "bob@example.test").returncode == 0
    assert "bob" not in users.msilo("bindings").stdout
    assert account.register().status == 401
    assert Account(alice, "secret").text("bob").status == 404
    assert users.msilo("user", "remove", "bob@example.test").returncode == 1
    users.msilo("user", "remove", "alice@example.test")
    assert phone("carol").register().status == 401, "the last one's removal opens nothing"


def test_another_password_holds_from_the_next_request_on(users: Daemon, phone: MakePhone) -> None:
    bob = phone("bob")
    account = Account(bob, "secret")
    assert account.register().status == 200
    assert users.msilo("user", "passwd", "bob@example.test", "--stdin", stdin="better\n").returncode == 0
    assert account.register().status == 401
    assert Account(bob, "better").register().status == 200


def test_a_change_is_seen_without_a_word_within_a_second_or_so(users: Daemon, phone: MakePhone) -> None:
    done = users.msilo(
        "--socket", str(users.folder / "nowhere"), "user", "add", "carol@example.test", "-", stdin="c\n"
    )
    assert done.returncode == 0, done.stderr
    carol = phone("carol")
    account = Account(carol, "c")
    for _ in range(40):
        if account.register().status == 200:
            break
        account.challenge = {}
        assert carol.is_silent(0.1)
    else:
        pytest.fail("the daemon has not noticed")


def test_foreign_senders_come_in_only_if_inbound_says_so(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon()
    add_user(daemon, "bob")
    with Phone("far", daemon.address, "foreign.test") as far:
        for config, status in (
            ("", 403), ('inbound = "trusted"\n', 403), ('inbound = "anybody"\n', 202), ('inbound = "nobody"\n', 403)
        ):  # fmt: skip
            daemon.config.write_text(f"[auth]\n{config}")
            reload(daemon)
            far.send(far.message("bob", uri="sip:bob@example.test"))
            assert far.response().status == status, config
        daemon.config.write_text('trusted = ["127.0.0.1"]\n[auth]\ninbound = "trusted"\n')
        reload(daemon)
        far.send(far.message("bob", "trusted now", uri="sip:bob@example.test"))
        assert far.response().status == 202


def reload(daemon: Daemon) -> None:
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("reload")


def test_hup_switches_the_gate_off_and_on(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    assert alice.register().status == 401
    users.config.write_text('[auth]\nmode = "off"\n')
    reload(users)
    assert alice.register().status == 200
    users.config.write_text('[auth]\nmode = "auto"\n')
    assert users.process is not None
    users.process.send_signal(signal.SIGHUP)
    for _ in range(50):
        if alice.register().status == 401:
            break
        assert alice.is_silent(0.05)
    else:
        pytest.fail("HUP was not heard")


def test_g7_relay_users_means_those_with_a_password(users: Daemon, phone: MakePhone) -> None:
    alice, far = phone("alice"), phone("far")
    account = Account(alice, "secret")
    account.hear(alice.text("bob"))
    proof = account.field("MESSAGE", far.contact, "Proxy-Authorization")
    alice.send(alice.message("far", "out", proof, uri=far.contact))
    got = far.take()
    assert b"proxy-authorization" not in got.headers
    assert alice.response().status == 200
    far.send(far.message("x", uri=alice.contact))
    assert far.response().status == 407, "from a name of ours, without a password"


def test_a_server_with_mode_required_challenges_before_there_are_users(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon('[auth]\nmode = "required"\n')
    with Phone("alice", daemon.address) as alice:
        assert alice.register().status == 401
        add_user(daemon, "alice")
        assert Account(alice, "secret").register().status == 200


def test_a_trusted_network_registers_for_users_without_a_password(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon('trusted = ["127.0.0.1"]\n')
    add_user(daemon, "alice")
    with Phone("alice", daemon.address) as alice, Phone("nobody", daemon.address) as nobody:
        assert alice.register().status == 200
        assert nobody.register().status == 404


def test_users_that_cannot_be_read_are_not_no_users(users: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    users.stop()
    with sqlite3.connect(users.silo) as db:
        db.execute("ALTER TABLE silo_user RENAME TO somewhere_else")
    db.close()
    users.start()
    answer = alice.register()
    assert answer.status == 503
    assert answer.headers.get(b"retry-after")
    assert alice.text("bob").status == 503
    with sqlite3.connect(users.silo) as db:
        db.execute("ALTER TABLE somewhere_else RENAME TO silo_user")
    db.close()
    with ControlClient(users.folder / "control.sock") as client:
        client.call("wake", {"users": True})
    assert Account(alice, "secret").register().status == 200


def test_guessing_is_slowed_and_nobody_is_locked_out_by_it(users: Daemon, phone: MakePhone) -> None:
    mallory, alice = phone("alice"), phone("alice")
    guesser = Account(mallory, "guess")
    statuses = []
    for _ in range(FREE_PAIR + 3):
        guesser.challenge = {}
        statuses.append(guesser.register().status)
    assert statuses[:FREE_PAIR] == [401] * FREE_PAIR
    assert 503 in statuses, "the next guesses are not even looked at"
    assert Account(alice, "secret").register().status == 200
    status = users.msilo("status", "--json").stdout
    assert "wrong_passwords" in status
    assert "delayed_guesses" in status


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:example.test", 200), ("sip:127.0.0.1", 200), ("sip:EXAMPLE.test;transport=udp", 200),
        ("sip:alice@example.test", 200), ("sip:elsewhere.test", 400), ("rubbish", 400),
    ],
)  # fmt: skip
def test_a6_the_uri_of_a_register_names_the_domain(
    users: Daemon, phone: MakePhone, uri: str, status: int
) -> None:
    account = Account(phone("alice"), "secret")
    account.hear(account.phone.register())
    assert account.phone.register(extra=account.field("REGISTER", uri)).status == status


def test_a6_the_uri_of_a_message_names_somebody_of_ours_in_any_spelling(
    users: Daemon, phone: MakePhone
) -> None:
    alice = phone("alice")
    account = Account(alice, "secret")
    account.hear(alice.text("bob"))
    for uri, status in (
        ("sip:%62ob@EXAMPLE.test", 202),
        ("sip:alice@example.test", 202),
        ("sip:bob@far.test", 400),
    ):
        proof = account.field("MESSAGE", uri, "Proxy-Authorization")
        alice.send(alice.message("bob", extra=proof))
        assert alice.response().status == status, uri
