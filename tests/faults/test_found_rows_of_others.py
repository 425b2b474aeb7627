"""Found: a row written by another program, with text instead of bytes, ended the daemon at each REGISTER.

A row that is no valid MESSAGE blocked later rows of the recipient. A time after the year 9999 ended `msilo list`.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msilod.silo.stored_message import LATEST
from msilod.store.columns import LOADED, message_of
from tests.faults.test_operator_03_import_what_was_purged import make, msilo
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]

# User: the columns unlike the daemon's own, and True when the row is delivered nevertheless.
ROWS: dict[str, tuple[dict[str, Any], bool]] = {
    "text": (
        {
            "request_uri": "sip:x@example.test", "from_header": "<sip:a@example.test>;tag=t",
            "to_header": "<sip:x@example.test>", "call_id": "c0", "content_type": "text/plain", "headers": "",
            "hash": "h", "body": "first",
        },
        True,
    ),
    "numbers": ({"cseq": "one", "size": "zero", "attempts": b"none", "last_status": "x"}, True),
    "times": ({"received_at": 1e300, "expires_at": "never"}, True),
    "letters": ({"sender": b"\xff\xfe", "last_reason": b"\xff\xfe"}, True),
    "lines": ({"from_header": b"<sip:a@example.test>;tag=t\r\nRoute: <sip:192.0.2.1>"}, False),
    "call": ({"delivery_call_id": b"a\r\nX: y"}, False),
    "to": ({"to_header": b'"x;tag=1'}, False),
    "cseq": ({"cseq": -1}, False),
}  # fmt: skip
_TEXTS = ("sender", "last_reason")


def plant(silo: Path, user: str, changed: dict[str, Any], body: bytes) -> None:
    now = time.time()
    row: dict[str, Any] = {
        "aor": f"{user}@example.test", "sender": "a@example.test", "state": "waiting", "received_at": now,
        "expires_at": now + 600, "request_uri": b"sip:x@example.test", "from_header": b"<sip:a@example.test>;tag=t",
        "to_header": b"<sip:x@example.test>", "call_id": body, "cseq": 1, "content_type": b"text/plain",
        "headers": b"", "size": 5, "hash": body.ljust(16), "body": body,
    } | changed  # fmt: skip
    # Bytes outside UTF-8 in a column of text: SQLite accepts these as text by a cast.
    marks = ", ".join("CAST(? AS TEXT)" if name in _TEXTS else "?" for name in row)
    with sqlite3.connect(silo) as db:
        db.execute(f"INSERT INTO silo ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    db.close()


def test_rows_of_any_type_are_delivered_or_rejected_and_later_rows_are_delivered(
    start_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    one = make(tmp_path)
    for user, (changed, _) in ROWS.items():
        plant(one.silo, user, changed, b"first")
        plant(one.silo, user, {}, b"later")
    plant(one.silo, "blob", {"aor": b"blob@example.test"}, b"first")
    daemon = start_daemon()
    for user, (_, is_sent) in ROWS.items():
        with Phone(user, daemon.address) as phone:
            phone.register()
            if is_sent:
                assert phone.take().body == b"first"
            assert phone.take().body == b"later"
    assert daemon.process is not None
    assert daemon.process.poll() is None
    states = {row["aor"]: (row["state"], row["last_status"]) for row in daemon.rows()}
    expected = {
        f"sip:{user}@example.test": ("rejected", 606) for user, (_, is_sent) in ROWS.items() if not is_sent
    }
    assert states == expected | {"sip:blob@example.test": ("waiting", None)}
    for command in (["list"], ["list", "--format", "table"], ["export"], ["status"]):
        assert msilo(daemon, *command).returncode == 0, command


def test_a_row_whose_types_are_right_is_not_changed() -> None:
    values: dict[str, Any] = dict.fromkeys(LOADED, "x")
    values |= dict.fromkeys(
        ("hash", "request_uri", "from_header", "to_header", "call_id", "content_type", "headers", "body",
         "delivery_call_id"), b"x",
    )  # fmt: skip
    values |= {"cseq": 7, "size": 1, "id": 2, "attempts": 3, "last_status": None}
    values |= {"received_at": 1.5, "expires_at": 2.5, "due_at": 3.5, "next_attempt_at": None}
    message = message_of(list(values.values()))
    assert {name: getattr(message, name) for name in LOADED} == values


def test_whole_seconds_are_kept() -> None:
    row: dict[str, Any] = dict.fromkeys(LOADED, b"x") | {"id": 1, "cseq": 2, "size": 3, "attempts": 4}
    row |= {"received_at": 1_800_000_000, "expires_at": 1_800_001_000, "due_at": 5, "next_attempt_at": 6}
    row["last_status"] = 486
    message = message_of(list(row.values()))
    times = (message.received_at, message.expires_at, message.due_at, message.next_attempt_at)
    assert times == (1_800_000_000.0, 1_800_001_000.0, 5.0, 6.0)
    assert {type(at) for at in times} == {float}
    assert (message.cseq, message.size, message.attempts, message.last_status) == (2, 3, 4, 486)


@pytest.mark.parametrize("value", ["text", b"blob", None])
def test_a_number_that_is_none_is_the_default(value: object) -> None:
    numbers = (
        "cseq",
        "size",
        "attempts",
        "received_at",
        "expires_at",
        "due_at",
        "next_attempt_at",
        "last_status",
    )
    row: dict[str, Any] = dict.fromkeys(LOADED, b"12345") | dict.fromkeys(numbers, value) | {"id": 1}
    message = message_of(list(row.values()))
    assert [getattr(message, name) for name in numbers] == [1, 5, 0, 0.0, LATEST, None, None, None]
    assert message.aor == "12345"


def test_times_beyond_the_calendar_are_listed(tmp_path: Path) -> None:
    one = make(tmp_path)
    for number, at in enumerate((1e300, -1e300, float("inf"), 253_402_387_139.0)):
        changed = {"received_at": at, "expires_at": at, "next_attempt_at": at, "state": "held"}
        plant(one.silo, f"u{number}", changed, b"%05d" % number)
    for command in (["list"], ["list", "--format", "table"], ["show", "1"], ["show", "2"], ["export"]):
        done = msilo(one, *command)
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), command
