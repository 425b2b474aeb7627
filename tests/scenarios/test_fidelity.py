"""Stored messages are kept byte for byte; secret and asserted header fields end here (I1, I2)."""

from collections.abc import Callable

import pytest

from msilod.sip.message import Request
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]
CPIM = (
    b"From: Alice <sip:alice@example.test>\r\nTo: <sip:bob@example.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 1\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
)
LONG_TYPE = "application/vnd.gsma.rcs-ft-http+xml;p=" + "x" * (255 - 39)
BODIES = {
    "charset": ("text/plain; charset=UTF-16", "Grüße".encode("utf-16")),
    "cpim": ("message/cpim", CPIM),
    "multipart": ('multipart/mixed; boundary="b 1"', b"--b 1\r\n\r\none\r\n--b 1--\r\n"),
    "nul": ("application/octet-stream", bytes(range(256))),
    "empty": ("text/plain", b""),
    "external": (
        'message/external-body; access-type="URL"; URL="http://example.test/x"',
        b"Content-Type: a/b\r\n",
    ),
    "longest type": (LONG_TYPE, b"x"),
    "64 kB": ("application/octet-stream", b"\x00\r\n\xff" * 15_000),
}


def through_the_silo(
    phone: MakePhone, body: bytes, content_type: str = "text/plain", extra: str = "", from_: str = ""
) -> Request:
    alice, bob = phone("alice"), phone("bob")
    sent = alice.message("bob", body, extra, content_type=content_type)
    if from_:
        sent = sent.replace(b'From: "Alice" <sip:alice@example.test>', b"From: " + from_.encode())
    alice.send(sent)
    assert alice.response().status == 202
    bob.register()
    return bob.take()


@pytest.mark.parametrize("name", BODIES)
def test_g5_g9_body_and_content_type_come_out_as_they_went_in(phone: MakePhone, name: str) -> None:
    content_type, body = BODIES[name]
    got = through_the_silo(phone, body, content_type)
    assert got.body == body
    assert got.headers.get(b"content-type") == content_type.encode()


def test_a_content_type_of_256_characters_is_refused_with_a_clear_status(phone: MakePhone) -> None:
    alice = phone("alice")
    alice.send(alice.message("bob", content_type=LONG_TYPE + "x"))
    assert alice.response().status == 400


def test_clients_2_a_compressed_body_keeps_its_encoding(phone: MakePhone) -> None:
    got = through_the_silo(phone, b"x\x9c\x00\xff", "message/imdn+xml", "Content-Encoding: deflate\r\n")
    assert (got.body, got.headers.get(b"content-encoding")) == (b"x\x9c\x00\xff", b"deflate")


@pytest.mark.parametrize(
    "from_",
    [
        '"Älice \\"quoted\\"" <sip:alice@example.test;x=1>',
        "Alice   B <sip:alice@example.test>",
        "sip:alice@example.test",
    ],
)
def test_w16_display_names_and_parameters_are_the_senders(phone: MakePhone, from_: str) -> None:
    got = through_the_silo(phone, b"x", from_=from_)
    assert (got.headers.get(b"from") or b"").startswith(from_.encode() + b";tag=")


def test_g8_headers_are_kept_and_a_date_is_added_only_if_there_is_none(phone: MakePhone) -> None:
    lines = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nSubject: \r\nPriority: urgent\r\n"
    lines += 'Identity: "a="\r\nX-A: 1\r\nX-A: 2\r\n'
    got = through_the_silo(phone, b"x", extra=lines)
    kept = [text.decode() for name, text in got.headers.fields if f"{text.decode()}\r\n" in lines]
    assert "".join(f"{text}\r\n" for text in kept) == lines
    assert len(got.headers.get_all(b"date")) == 1


def test_secrets_and_hops_rest_nowhere(daemon: Daemon, phone: MakePhone) -> None:
    secrets = (
        'Authorization: Digest username="s3cret"\r\nProxy-Authorization: Digest username="s3cret"\r\n'
        "Contact: <sip:alice@s3cret.test>\r\nSecurity-Verify: s3cret\r\nHistory-Info: <sip:s3cret>\r\n"
    )
    got = through_the_silo(phone, b"x", extra=secrets)
    assert b"s3cret" not in got.to_bytes()
    files = [daemon.silo, *daemon.folder.glob("silo.db-wal")]
    assert not any(b"s3cret" in file.read_bytes() for file in files)


@pytest.mark.parametrize("is_online", [True, False])
def test_i1_an_identity_that_a_stranger_asserts_reaches_nobody(phone: MakePhone, is_online: bool) -> None:
    alice, bob = phone("alice"), phone("bob")
    extra = "P-Asserted-Identity: <sip:eve@example.test>\r\nP-Preferred-Identity: <sip:eve@example.test>\r\n"
    if is_online:
        bob.register()
    alice.send(alice.message("bob", extra=extra))
    if not is_online:
        assert alice.response().status == 202
        bob.register()
    assert b"eve@" not in bob.take().to_bytes()


@pytest.mark.parametrize("is_online", [True, False])
@pytest.mark.parametrize(
    ("privacy", "is_told"), [("", True), ("Privacy: none\r\n", True), ("Privacy: id\r\n", False)]
)
def test_i2_a_trusted_assertion_reaches_a_phone_unless_its_sender_hides(
    start_daemon: Callable[..., Daemon], privacy: str, is_told: bool, is_online: bool
) -> None:
    daemon = start_daemon('trusted = ["127.0.0.1"]\n')
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        # All of loopback is trusted here, so the phone is, too: only the stored one is known to end at a phone.
        if is_online:
            bob.register()
        alice.send(alice.message("bob", extra=f"P-Asserted-Identity: <sip:a@example.test>\r\n{privacy}"))
        if not is_online:
            assert alice.response().status == 202
            bob.register()
        got = bob.take()
        assert (b"p-asserted-identity" in got.headers) is (is_told or is_online)
        assert (b"privacy" in got.headers) is bool(privacy)


def test_old_phones_get_what_they_were_used_to(start_daemon: Callable[..., Daemon]) -> None:
    config = '[silo]\nadd_date = true\nadd_contact = true\nextra_hdrs = ["X-Silo: yes"]\n'
    daemon = start_daemon(config)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "old").status == 202
        alice.send(alice.message("bob", CPIM, content_type="message/cpim"))
        assert alice.response().status == 202
        bob.register()
        got = bob.take()
        assert got.body.startswith(b"[Offline message - ")
        assert got.body.endswith(b" GMT] old")
        assert got.headers.get(b"contact") == b"<sip:alice@example.test>;msilo=yes"
        assert got.headers.get(b"x-silo") == b"yes"
        assert bob.take().body == CPIM, "never into a wrapper (W5)"
