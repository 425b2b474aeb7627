"""Hostile bytes and broken starts: a clear status or one line, and the daemon serves on."""

import contextlib
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.sip.headers import Headers
from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone

MakePhone = Callable[[str], Phone]
SHARED = Path(os.environ.get("MSILOD_SHARED") or Path(__file__).parents[2].parent / "shared")
ESC = "\x1b]0;owned\x07\x1b[2J"


def serves_on(one: Phone) -> bool:
    return one.text("nobody-special", "still there?").status == 202


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"\x00", b"\x00" * 65000, os.urandom(1400), b"A" * 65507, b"SIP/2.0\r\n" * 900,
        b"MESSAGE sip:bob@example.test SIP/2.0\r\n" + b"Via: x\r\n" * 5000, b"\xff\xfe" * 300, b"MESSAGE",
    ],
    ids=["empty", "crlf", "nul", "64k-nul", "random", "64k-a", "status-lines", "5000-vias", "bom", "half"],
)  # fmt: skip
def test_noise_on_udp(daemon: Daemon, phone: MakePhone, data: bytes) -> None:
    mallory, alice = phone("mallory"), phone("alice")
    for _ in range(20):
        mallory.send(data)
    assert serves_on(alice)


def test_a_60_kb_body_is_kept_and_a_larger_one_than_max_body_is_413(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[silo]\nmax_body = 60000\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        body = bytes(range(256)) * 234
        assert alice.text("bob", body).status == 202
        assert alice.text("bob", b"x" * 60001).status == 413
        bob.register()
        assert bob.take().body == body


def test_half_messages_on_tcp(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    whole = alice.message("bob", "by stream").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
    with socket.create_connection(daemon.address, PATIENCE) as half:
        half.sendall(whole[:40])
    with socket.create_connection(daemon.address, PATIENCE) as slow:
        for byte in (whole[:100], whole[100:-3], whole[-3:]):
            slow.sendall(byte)
        assert slow.recv(65535).startswith(b"SIP/2.0 202 ")
        slow.sendall(b"\r\n\r\n")
        assert slow.recv(10) == b"\r\n", "a ping gets its pong"
    with socket.create_connection(daemon.address, PATIENCE) as bad:
        bad.sendall(whole.replace(b"Content-Length", b"Content-Width"))
        assert bad.recv(65535).startswith(b"SIP/2.0 400 ")
        assert bad.recv(10) == b"", "the stream cannot go on"
    assert len(daemon.rows()) == 1


def test_sql_and_escapes_in_every_field(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    evil = f"'); DROP TABLE silo; -- {ESC} [bold]x[/bold] \u202e \u2028"
    extra = f"Subject: {evil}\r\nX-Evil: {evil}\r\n"
    assert alice.text("bob", evil, extra).status == 202
    shown = daemon.msilo("show", "1").stdout + daemon.msilo("list").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]x[/bold]" in shown
    bob.register()
    got = bob.take()
    assert got.body.decode() == evil
    assert (got.headers.get(b"x-evil") or b"").decode() == evil


def _vectors() -> list[Path]:
    return sorted(SHARED.glob("vectors/rfc4475/*.dat")) if SHARED.is_dir() else []


@pytest.mark.skipif(not _vectors(), reason="the RFC 4475 vectors are not beside this checkout")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_torture_messages_leave_the_daemon_standing(
    daemon: Daemon, phone: MakePhone, transport: str
) -> None:
    mallory, alice = phone("mallory"), phone("alice")
    for vector in _vectors():
        data = vector.read_bytes()
        for shape in (data, b"MESSAGE " + data.partition(b" ")[2]):
            if transport == "udp":
                mallory.send(shape)
                continue
            with contextlib.suppress(OSError), socket.create_connection(daemon.address, PATIENCE) as stream:
                stream.sendall(shape)
                stream.shutdown(socket.SHUT_WR)
                stream.settimeout(0.02)
                stream.recv(65535)
    assert serves_on(alice)
    assert "internal_errors" not in daemon.msilo("status").stdout
    log = (daemon.folder / "log").read_text()
    assert "could not be" not in log, log[-2000:]


def test_a_malformed_request_is_answered_400(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    alice.send(alice.message("bob").replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 INVITE"))
    assert alice.response().status == 400


# --- failing starts ---------------------------------------------------------------------------------


def start(folder: Path, *options: str, config: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a failing `msilod start`. Returns (exit code, line on standard error)."""
    one = Daemon(folder, config)
    return one.msilod("start", "--config", str(one.config), *options)


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("msilod: ")
    return lines[0]


LISTEN = ("--listen", "udp:127.0.0.1:0")


def test_a_taken_port_is_69(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        spec = f"udp:127.0.0.1:{taken.getsockname()[1]}"
        done = start(tmp_path, "--listen", spec)
    assert done.returncode == 69
    assert spec in one_line(done)


def test_a_file_that_is_no_database_is_69(tmp_path: Path) -> None:
    (tmp_path / "silo.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    done = start(tmp_path, *LISTEN)
    assert done.returncode == 69
    assert "silo.db" in one_line(done)
    assert (tmp_path / "silo.db").read_bytes().startswith(b"not a database"), "nothing is lost"


@pytest.mark.parametrize(("version", "word"), [(99, "newer"), (0, "upgrade")])
def test_another_schema_is_78(tmp_path: Path, version: int, word: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "silo.db")) as db:
        db.execute("CREATE TABLE silo_schema_version (version INTEGER)")
        db.execute("INSERT INTO silo_schema_version VALUES (?)", (version,))
        db.commit()
    done = start(tmp_path, *LISTEN)
    assert done.returncode == 78
    assert word in one_line(done)


def test_somebody_elses_table_is_78(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "silo.db")) as db:
        db.execute("CREATE TABLE silo (id INTEGER, src_addr TEXT)")
        db.commit()
    assert start(tmp_path, *LISTEN).returncode == 78


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[silo]\nexpire_tme = 5\n", ["line 2", "silo.expire_tme", "expire_time"]),
        ("[silo]\nmode = 7\n", ["line 2", "silo.mode"]),
        ('domains = "x"\n', ["line 1", "domains"]),
        ("drain = ", ["line 1"]),
        ('[listen]\nudp = ["nonsense"]\n', ["line 2", "listen.udp", "ADDR:PORT"]),
        ('[listen]\nudp = ["0.0.0.0:5060"]\n', ["loopback", 'mode = "off"']),
        ('db_url = "postgresql://x/y"\n', ["postgresql", "not supported"]),
        ('[silo]\nregistrar = "nobody"\n', ["line 2", "silo.registrar", "sip:user@host"]),
    ],
)
def test_a_bad_config_is_78_and_says_where(tmp_path: Path, config: str, words: list[str]) -> None:
    done = start(tmp_path, config=config)
    assert done.returncode == 78
    line = one_line(done)
    assert all(word in line for word in words), line
    assert not (tmp_path / "silo.db").exists(), "nothing half done"


def test_a_missing_silo_is_69_for_the_command_line(tmp_path: Path) -> None:
    done = Daemon(tmp_path).msilo("list")
    assert (done.returncode, done.stdout) == (69, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_locked_silo_is_waited_for_and_nothing_is_lost(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    assert alice.text("bob", "before").status == 202
    answers: list[int] = []
    with contextlib.closing(sqlite3.connect(daemon.silo, timeout=5)) as db:
        db.execute("BEGIN IMMEDIATE")
        alice.send(alice.message("bob", "while locked"))
        assert alice.is_silent(0.5), "while a commit is under way nothing is answered"
        db.rollback()
    answers.append(alice.response().status)
    assert answers == [202]
    assert [row["body"] for row in daemon.rows()] == ["before", "while locked"]


def test_a_response_out_of_nowhere_goes_nowhere(daemon: Daemon, phone: MakePhone) -> None:
    mallory, alice = phone("mallory"), phone("alice")
    stray = Response(200, b"OK", mallory_headers(alice), b"")
    mallory.send(stray.to_bytes())
    assert alice.is_silent()


def mallory_headers(victim: Phone) -> Headers:
    headers = Headers()
    headers.add(b"Via", b"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKnone")
    headers.add(b"Via", b"SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKvictim" % victim.port)
    for name, value in ((b"From", b"<sip:a@b>;tag=1"), (b"To", b"<sip:c@d>;tag=2"), (b"Call-ID", b"stray")):
        headers.add(name, value)
    headers.add(b"CSeq", b"1 MESSAGE")
    return headers
