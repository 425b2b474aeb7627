"""export and import: nothing is lost on the way, nothing comes in twice, nothing bad comes in at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msilo_cli.exchange import BadLine, exported, imported
from msilod.silo.intake.acceptance import accept
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import State, StoredMessage
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone
from tests.silo.wire import SENDER, message

__all__ = ["start_daemon"]

NOW = 1_800_000_000.0
LIMITS = (259_200.0, 65_536)


def same(aor: str) -> str:
    return aor.removeprefix("sip:")


def sender_of(uri: str) -> str:
    return uri.removeprefix("sip:")


def again(message: StoredMessage) -> StoredMessage:
    line = json.dumps(exported(message)).encode()
    return imported(line, same, sender_of, NOW, *LIMITS)


def made(*lines: bytes, **changes: Any) -> StoredMessage:
    """A row as stored by SIP, with changes."""
    due_at = changes.pop("due_at", None)
    row = accept(
        message(*lines, **changes.pop("sip", {})),
        "bob@example.test",
        SENDER,
        SiloPolicy(),
        NOW,
        due_at=due_at,
    )
    for name, value in changes.items():
        setattr(row, name, value)
    return row


@pytest.mark.parametrize(
    "row",
    [
        made(),
        made(b"Subject: Gr\xc3\xbc\xc3\x9fe", b"X-Odd: \xff\xfe", b"Date: Fri, 15 Jan 2027 08:00:00 GMT"),
        made(sip={"body": bytes(range(256)), "content_type": b"Content-Type: a/b;x=\xe9"}),
        made(sip={"body": b"", "content_type": None}),
        made(sip={"from_": b'From: "\xff" <sip:alice@example.test>;tag=e'}),
        made(
            state=State.HELD, attempts=3, last_status=486, last_reason="Busy Here", next_attempt_at=NOW + 60
        ),
        made(state=State.REJECTED, last_status=603, last_reason="Decline"),
        made(due_at=NOW + 86_400.0),
        made(next_hop="sip:proxy.example.test", delivery_call_id=b"0123@msilo"),
    ],
)
def test_a_row_comes_back_as_it_went(row: StoredMessage) -> None:
    got = again(row)
    for name in StoredMessage.__struct_fields__:
        assert getattr(got, name) == getattr(row, name), name


def test_what_was_on_the_wire_waits_and_what_was_due_is_due() -> None:
    assert again(made(state=State.SENDING)).state is State.WAITING
    row = made(due_at=NOW + 10)
    row.due_at = NOW - 10
    assert again(row).state is State.WAITING


def line(**changes: object) -> bytes:
    shown = exported(made()) | changes
    return json.dumps({name: value for name, value in shown.items() if value != "gone"}).encode()


def test_little_is_enough() -> None:
    text = {"aor": "sip:bob@example.test", "from": "<sip:a@b>", "call_id": "c", "body": "hello"}
    row = imported(json.dumps(text).encode(), same, sender_of, NOW, *LIMITS)
    assert (row.to_header, row.request_uri) == (b"<sip:bob@example.test>", b"sip:bob@example.test")
    assert (row.received_at, row.expires_at) == (NOW, NOW + LIMITS[0])


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{", b"[]", b"7", b'{"aor": 7}', line(aor="gone"), line(aor="*@example.test"), line(call_id=""),
        line(**{"from": "x\r\nEvil: y"}), line(**{"from": "no uri"}), line(to="a\nb"), line(call_id="a\r\nb"),
        line(content_type="text/plain\r\nVia: x"), line(request_uri="sip:a b"), line(request_uri="sip:a\r\nb"),
        line(headers=["X: a\r\nEvil: b"]), line(headers=["Via: SIP/2.0/UDP h"]), line(headers=["no colon"]),
        line(headers=["Authorization: Digest x"]), line(headers=["X: " + "a" * 20_000]), line(body="x" * 70_000),
        line(body_b64="?"), line(state="delivered"), line(cseq="x"), line(cseq=-1), line(attempts=2**40),
        line(received_at="2027-01-01T00:00:00"), line(expires_at="soon"),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused(bad: bytes) -> None:
    with pytest.raises(BadLine):
        imported(bad, same, sender_of, NOW, *LIMITS)


@pytest.mark.parametrize("measured", [-2e-6, 0.0, 2e-6])
def test_a_whole_second_is_shown_as_it_was_imported(measured: float) -> None:
    """Silo time and system time differ by an hour, as measured by two commands."""
    text = line(received_at="2026-11-24T11:00:00Z")
    row = imported(text, same, sender_of, NOW, *LIMITS, ahead=3600.0)
    assert exported(row, 3600.0 + measured)["received_at"] == "2026-11-24T11:00:00Z"


def test_over_to_another_silo_and_again(start_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    one = start_daemon()
    with Phone("alice", one.address) as alice:
        assert alice.text("bob", b"\xff\x00", "Subject: x\r\n").status == 202
    one.msilo("inject", "carol@example.test", "two")
    one.msilo("inject", "dave@example.test", "three", "--at", "+1d")
    one.msilo("hold", "2")
    file = tmp_path / "out.jsonl"
    done = one.msilo("export", "-o", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "3 exported\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert one.msilo("export", "--domain", "example.test", "--state", "held").stdout.count("\n") == 1
    assert one.msilo("import", str(file)).stderr == "0 stored, 3 known already, 0 expired, 0 failed\n"
    before = one.rows()
    assert one.msilo("purge", "--all", "--yes").returncode == 0
    with Phone("bob", one.address) as bob:
        bob.register()
        two = tmp_path / "two"
        two.mkdir()
        other = Daemon(two).start()
        try:
            assert other.msilo("import", str(file), "--dry-run").stderr.startswith("3 would be stored")
            assert other.rows() == []
            done = other.msilo("import", "-", stdin=file.read_text())
            assert (done.returncode, done.stderr) == (0, "3 stored, 0 known already, 0 expired, 0 failed\n")
            after = other.rows()
        finally:
            other.stop()
    for had, has in zip(before, after, strict=True):
        assert had | {"id": 0} == has | {"id": 0}


def test_a_purged_message_does_not_come_back_at_once_and_quotas_hold(
    start_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    one = start_daemon("[silo]\nmax_messages = 2\nmax_per_hour = 1\n")
    lines = [line(call_id=f"c{number}", expires_at="2099-01-01T00:00:00Z").decode() for number in range(3)]
    lines += ["{", line(call_id="old", expires_at="2020-01-01T00:00:00Z").decode()]
    done = one.msilo("import", "-", stdin="\n".join(lines) + "\n")
    assert done.returncode == 1
    assert "line 3: mailbox full" in done.stderr
    assert "line 4: " in done.stderr
    assert "2 stored, 0 known already, 1 expired, 2 failed" in done.stderr
    with Phone("bob", one.address) as bob:
        bob.register()
        assert bob.take().body == b"Hello"
    assert one.msilo("import", str(tmp_path / "nothing")).returncode == 2
