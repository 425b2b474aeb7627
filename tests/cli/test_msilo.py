"""msilo as used: through a pipe and a pseudo-terminal, with and without a daemon."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.conftest import Daemon, daemon, phone, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["daemon", "phone", "start_daemon"]

MakePhone = Callable[[str], Phone]
MEMBERS = [
    "id", "aor", "request_uri", "from", "to", "call_id", "state", "received_at", "due_at", "expires_at",
    "attempts", "next_attempt_at", "last_status", "last_reason", "content_type", "size", "headers", "body",
]  # fmt: skip


@pytest.fixture
def silo(start_daemon: Callable[..., Daemon]) -> Daemon:
    """A silo with three messages and no daemon."""
    return _fill(start_daemon())


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """The same, made once: for looking only."""
    return _fill(Daemon(tmp_path_factory.mktemp("shelf")).start())


def _fill(one: Daemon) -> Daemon:
    one.stop()
    for recipient, text in (("alice", "one"), ("alice", "two\twith a tab"), ("bob", "three")):
        done = one.msilo("inject", f"{recipient}@example.test", text, "--from", "sip:office@example.test")
        assert done.returncode == 0, done.stderr
    return one


def on_a_terminal(one: Daemon, *arguments: str, typed: str = "", width: int = 100) -> tuple[int, str]:
    """Run msilo on a pseudo-terminal of `width` columns. Returns (exit code, all output)."""
    parent, child = pty.openpty()
    environment = one.environment | {"TERM": "xterm", "COLUMNS": str(width)}
    process = subprocess.Popen(
        [sys.executable, "-m", "msilo_cli", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env=environment,
    )
    os.close(child)
    os.write(parent, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):
        while select.select([parent], [], [], 20)[0] and (data := os.read(parent, 65536)):
            shown += data
    os.close(parent)
    return process.wait(20), shown.decode()


# --- looking -----------------------------------------------------------------------------------------


def test_in_a_pipe_list_is_tsv_without_a_header(shelf: Daemon) -> None:
    lines = shelf.msilo("list").stdout.splitlines()
    assert len(lines) == 3
    columns = lines[0].split("\t")
    assert columns[:3] == ["1", "sip:alice@example.test", "sip:office@example.test"]
    assert columns[3].endswith("Z")
    assert columns[4:] == ["0", "waiting", "3", "text/plain;charset=UTF-8", "", "", ""]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_on_a_terminal_list_is_a_table_that_fits_with_whole_ids(shelf: Daemon, width: int) -> None:
    code, shown = on_a_terminal(shelf, "--color", "never", "list", width=width)
    assert code == 0
    title, *rows, totals = shown.splitlines()
    assert title.split()[:4] == ["ID", "STATE", "TO", "FROM"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert all(len(row) <= max(width, 45) for row in rows)
    assert ("alice@example.test" in rows[0]) == (width >= 60)
    assert ("two" in rows[1]) == (width >= 80)
    assert totals.startswith("3 messages for 2 recipients, 22 B, the oldest ")


def test_json_lines_have_the_members_in_order(shelf: Daemon) -> None:
    records = [json.loads(line) for line in shelf.msilo("list", "--json").stdout.splitlines()]
    assert [record["body"] for record in records] == ["one", "two\twith a tab", "three"]
    assert all(list(record) == MEMBERS for record in records)
    assert records[0]["aor"] == "sip:alice@example.test"


def test_json_is_one_array_and_ids_are_ids(shelf: Daemon) -> None:
    assert len(json.loads(shelf.msilo("list", "--format", "json").stdout)) == 3
    assert shelf.msilo("list", "--ids").stdout.split() == ["1", "2", "3"]


def test_a_body_that_is_no_text_is_base64(silo: Daemon, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\xff\x00\xfe")
    done = silo.msilo(
        "inject", "carol@example.test", "--file", str(tmp_path / "body"), "--type", "application/octet-stream"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(silo.msilo("list", "carol@example.test", "--json").stdout)
    assert record["body_b64"] == "/wD+"
    assert "body" not in record


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["alice@example.test"], "1 2"),
        (["sip:alice@example.test", "bob@EXAMPLE.test"], "1 2 3"),
        (["*@example.test"], "1 2 3"),
        (["a*@example.test"], "1 2"),
        (["--domain", "example.test"], "1 2 3"),
        (["--domain", "other.test"], ""),
        (["--from", "sip:office@example.test"], "1 2 3"),
        (["--from", "nobody@example.test"], ""),
        (["--state", "waiting"], "1 2 3"),
        (["--state", "held"], ""),
        (["--newer-than", "1h"], "1 2 3"),
        (["--older-than", "1h"], ""),
        (["--larger-than", "4"], "2 3"),
        (["--type", "text/plain"], "1 2 3"),
        (["--type", "image/png"], ""),
        (["--error"], ""),
        (["--limit", "2"], "1 2"),
    ],
)
def test_filters(shelf: Daemon, arguments: list[str], ids: str) -> None:
    done = shelf.msilo("list", "--ids", *arguments)
    assert (done.returncode, done.stdout.split()) == (0, ids.split()), done.stderr


def test_show_is_whole_and_an_unknown_id_is_66(shelf: Daemon) -> None:
    done = shelf.msilo("show", "2")
    assert "two\twith a tab" in done.stdout
    assert "sip:office@example.test" in done.stdout
    done = shelf.msilo("show", "999")
    assert (done.returncode, done.stdout) == (66, "")
    assert "999" in done.stderr


def test_environment_chooses_the_format(silo: Daemon) -> None:
    silo.environment["MSILO_FORMAT"] = "ids"
    assert silo.msilo("list").stdout.split() == ["1", "2", "3"]


# --- purging -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["purge"], ["purge", "alice@example.test"], ["purge", "--all"], ["list", "--state", "gone"], ["nothing"],
     ["list", "--older-than", "soon"], ["show", "x"], ["list", "--format", "xml"], ["dump"],
     ["inject", "bob@example.test"], ["inject", "bob@example.test", "x", "--header", "no colon"],
     ["inject", "bob@example.test", "x", "--header", "X: a\r\nEvil: b"], ["inject", "nobody", "x"]],
)  # fmt: skip
def test_usage_is_2_and_changes_nothing(shelf: Daemon, arguments: list[str]) -> None:
    done = shelf.msilo(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert shelf.msilo("list", "--ids").stdout.split() == ["1", "2", "3"]


def test_purge_dry_run_prints_the_exact_set(shelf: Daemon) -> None:
    assert shelf.msilo("purge", "alice@example.test", "--dry-run", "--ids").stdout.split() == ["1", "2"]
    assert shelf.msilo("list", "--ids").stdout.split() == ["1", "2", "3"]


def test_purge_by_ids_from_standard_input(silo: Daemon) -> None:
    done = silo.msilo("purge", "--yes", "-", stdin="1\n3\n")
    assert done.returncode == 0
    assert silo.msilo("list", "--ids").stdout.split() == ["2"]
    assert silo.msilo("purge", "--yes", "-", stdin="").returncode == 0
    assert silo.msilo("list", "--ids").stdout.split() == ["2"], "an empty list selects nothing"


def test_purge_asks_on_a_terminal(silo: Daemon) -> None:
    code, shown = on_a_terminal(silo, "purge", "bob@example.test", typed="n\n")
    assert code == 2
    assert "Delete 1 message (" in shown
    code, _ = on_a_terminal(silo, "purge", "bob@example.test", typed="y\n")
    assert code == 0
    assert silo.msilo("list", "--ids").stdout.split() == ["1", "2"]


def test_purge_expired_from_cron_is_silent(silo: Daemon) -> None:
    silo.msilo("inject", "bob@example.test", "short", "--expires", "1")
    done = silo.msilo("-q", "purge", "--expired")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- injecting ---------------------------------------------------------------------------------------


def test_inject_reaches_a_registered_phone_at_once(daemon: Daemon, phone: MakePhone) -> None:
    bob = phone("bob")
    bob.register()
    done = daemon.msilo("inject", "bob@example.test", "-", "--header", "Subject: Grüße", stdin="from a pipe")
    assert done.stdout == "1\n", done.stderr
    got = bob.take()
    assert got.body == b"from a pipe"
    assert got.headers.get(b"subject") == "Grüße".encode()
    assert got.headers.get(b"date") is not None


def test_t17_inject_to_sips_waits_for_a_sips_contact(daemon: Daemon, phone: MakePhone) -> None:
    bob = phone("bob")
    bob.register()
    assert daemon.msilo("inject", "sips:bob@example.test", "secret").stdout == "1\n"
    assert daemon.msilo("inject", "bob@example.test", "open").stdout == "2\n"
    assert bob.take().body == b"open"
    assert [row["request_uri"] for row in daemon.rows()] == ["sips:bob@example.test"]


def test_a_missed_wake_up_is_made_good_within_a_second(daemon: Daemon, phone: MakePhone) -> None:
    bob = phone("bob")
    bob.register()
    daemon.environment["MSILO_SOCKET"] = str(daemon.folder / "nowhere")
    assert daemon.msilo("inject", "bob@example.test", "quietly").returncode == 0
    assert bob.take().body == b"quietly"


def test_quotas_hold_for_inject_as_for_sip(start_daemon: Callable[..., Daemon]) -> None:
    one = start_daemon("[silo]\nmax_messages = 2\nmax_bytes = 100\n")
    with Phone("alice", one.address) as alice:
        assert one.msilo("inject", "bob@example.test", "1").returncode == 0
        assert alice.text("bob", "2").status == 202
        assert alice.text("bob", "3").status == 480
        assert one.msilo("inject", "bob@example.test", "3").returncode == 1
        assert alice.text("carol", "x" * 101).status == 480
    assert len(one.rows()) == 2


# --- the daemon's verbs ------------------------------------------------------------------------------


def test_without_a_daemon_its_verbs_are_69(silo: Daemon) -> None:
    for arguments in (["status"], ["bindings"], ["dump", "alice@example.test"]):
        done = silo.msilo(*arguments)
        assert (done.returncode, done.stdout) == (69, "")
        assert "is msilod running?" in done.stderr


def test_bindings_by_pattern(daemon: Daemon, phone: MakePhone) -> None:
    for name in ("alice", "bob"):
        phone(name).register()
    assert daemon.msilo("bindings", "*@example.test").stdout.count("\n") == 2
    assert daemon.msilo("bindings", "B*").stdout.split("\t")[0] == "sip:bob@example.test"
    assert daemon.msilo("bindings", "*@far.test").stdout == ""


def test_reload_takes_over_the_file_or_keeps_what_is_in_force(daemon: Daemon) -> None:
    daemon.config.write_text('db_url = "sqlite:///other.db"\n[silo]\nmax_body = 3\n')
    done = daemon.msilo("reload")
    assert (done.returncode, done.stderr) == (0, "reloaded; restart msilod for db_url\n")
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "four").status == 413
    daemon.config.write_text("drain = 'x'\n")
    socket = str(daemon.folder / "control.sock")
    done = daemon.msilo("reload", "--socket", socket)
    assert done.returncode == 78, done.stderr
    assert "drain" in done.stderr
    assert daemon.msilo("status", "--socket", socket).returncode == 0, "the file is not needed"


def test_status_and_bindings(daemon: Daemon, phone: MakePhone) -> None:
    bob = phone("bob")
    bob.register()
    status = json.loads(daemon.msilo("status", "--json").stdout)
    assert status["bindings"] == 1
    assert status["domains"] == ["example.test"]
    assert f"udp:127.0.0.1:{daemon.port}" in status["listening"]
    listed = daemon.msilo("bindings", "bob@example.test").stdout.split("\t")
    assert listed[:2] == ["bob@example.test", bob.contact] or listed[:2] == [
        "sip:bob@example.test",
        bob.contact,
    ]
    assert daemon.msilo("bindings", "alice@example.test").stdout == ""
    told = json.loads(daemon.msilo("bindings", "--json").stdout)
    assert told["heard_at"] == told["registered_at"]
    assert told["away"] is False
    table = daemon.msilo("bindings", "--format", "table").stdout
    assert "HEARD" in table
    assert "s ago" in table


@pytest.fixture
def waiting(daemon: Daemon, phone: MakePhone) -> Phone:
    """Bob's phone without a registration, and a waiting message for Bob."""
    alice = phone("alice")
    assert alice.text("bob", "by hand").status == 202
    return phone("bob")


def test_dump_to_a_contact(daemon: Daemon, waiting: Phone) -> None:
    dry = daemon.msilo("dump", "bob@example.test", "--to", waiting.contact, "--dry-run")
    assert f"MESSAGE {waiting.contact} SIP/2.0" in dry.stdout, dry.stderr
    assert waiting.is_silent(0.2)
    command = [
        sys.executable,
        "-m",
        "msilo_cli",
        "dump",
        "bob@example.test",
        "--to",
        waiting.contact,
        "--wait",
    ]
    process = subprocess.Popen(command, env=daemon.environment, stdout=subprocess.PIPE, text=True)
    assert waiting.take().body == b"by hand"
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.split("\t")[2:4] == ["delivered", "200"]
    assert daemon.rows() == []


def test_dump_that_fails_is_1_and_says_why(daemon: Daemon, waiting: Phone) -> None:
    command = [
        sys.executable,
        "-m",
        "msilo_cli",
        "dump",
        "bob@example.test",
        "--to",
        waiting.contact,
        "--wait",
    ]
    process = subprocess.Popen(
        command, env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    waiting.take(486)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.split("\t")[2:4] == ["retry", "486"]
    assert [row["last_status"] for row in daemon.rows("--error")] == [486]


def test_dump_to_without_a_recipient(daemon: Daemon, phone: MakePhone) -> None:
    done = daemon.msilo("dump", "--to", "sip:x@127.0.0.1:9")
    assert done.returncode == 2
    assert "nobody is registered" in done.stderr
    first, second = phone("bob"), phone("carol")
    first.register(contact="<sip:shared@127.0.0.1:5999>")
    second.register(contact="<sip:shared@127.0.0.1:5999>")
    done = daemon.msilo("dump", "--to", "sip:shared@127.0.0.1:5999")
    assert done.returncode == 2
    assert "bob@example.test" in done.stderr
    assert "carol@example.test" in done.stderr


def test_a_reader_that_leaves_is_no_error(silo: Daemon) -> None:
    nobody, pipe = os.pipe()
    os.close(nobody)
    command = [sys.executable, "-m", "msilo_cli", "list", "--json"]
    done = subprocess.run(
        command, env=silo.environment, stdout=pipe, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, b"")
