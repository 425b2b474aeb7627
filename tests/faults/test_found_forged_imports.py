"""Found: an imported line could put header lines on the wire (`delivery_call_id`), stop all deliveries to the recipient
(`to`, `received_at`), and end `msilo list` (times beyond the year 9999)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_operator_03_import_what_was_purged import line, make, msilo, rows

FORGED: list[dict[str, Any]] = [
    {"to": '"x;tag=1'},
    {"to": "garbage;tag=<"},
    {"to_b64": "ImE7dGFnPTE="},
    {"call_id": "a b"},
    {"call_id": "\u00e9"},
    {"call_id": "x" * 9000},
    {"delivery_call_id": "x\r\nRoute: <sip:192.0.2.1>"},
    {"delivery_call_id": "a\0b"},
    {"delivery_call_id": "x" * 200_000},
    {"next_hop": "garbage"},
    {"next_hop": "sip:a@192.0.2.1\r\nX: y"},
    {"next_hop": ["sip:a@192.0.2.1"]},
    {"last_reason": {"a": 1}},
    {"last_reason": "z" * 100_000},
    {"received_at": "9999-12-31T23:59:59Z"},
    {"received_at": "0001-01-01T00:00:00+23:59", "expires_at": "2150-01-01T00:00:00Z"},
    {"expires_at": "9999-12-31T23:59:59-23:59"},
    {"due_at": "9999-12-31T23:59:59-23:59", "state": "scheduled"},
    {"next_attempt_at": "9999-12-31T23:59:59-23:59"},
]


@pytest.mark.parametrize("with_good_line", [False, True])
def test_a_forged_line_is_refused_by_its_number(tmp_path: Path, with_good_line: bool) -> None:
    one = make(tmp_path)
    lines = [json.dumps(json.loads(line(number)) | forged) for number, forged in enumerate(FORGED)]
    if with_good_line:
        lines.append(line(len(FORGED)))
    file = tmp_path / "lines"
    file.write_text("\n".join(lines))
    done = msilo(one, "import", str(file))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{len(FORGED)} lines were not stored" in done.stderr
    assert len(rows(one)) == with_good_line
    assert msilo(one, "list").returncode == 0


def test_what_was_exported_comes_back(tmp_path: Path) -> None:
    one = make(tmp_path)
    file = tmp_path / "lines"
    full = {
        "to": "<sip:bob@example.test>;tag=9", "delivery_call_id": "abc@silo", "next_hop": "sip:proxy.example.test;lr",
        "last_reason": "Busy Here", "last_status": 486, "call_id": "x" * 8000,
    }  # fmt: skip
    file.write_text(json.dumps(json.loads(line(1)) | full))
    assert msilo(one, "import", str(file)).returncode == 0
    shown = json.loads(msilo(one, "export").stdout)
    assert {name: shown[name] for name in full} == full
