"""Found: params of a wrong type, and `msilo dump --to` without a SIP URI, caused a traceback in the daemon's log.

For a selection of many messages, `dump` and `wake` sent one line above the limit. The daemon refused the line, and the
user saw no error.
"""

import json
from collections.abc import Callable
from pathlib import Path
from socket import AF_UNIX, socket
from threading import Thread
from typing import Any

import msgspec
import pytest

from msilo_cli.session import calls
from msilod.control.protocol import MAX_LINE, ControlClient, ControlError, Request
from msilod.errors import UnavailableError
from tests.scenarios.conftest import Daemon, start_daemon

__all__ = ["start_daemon"]

VALUES: list[Any] = [0, -1, 1.5, True, "x", [1], [None], [[]], [{}], {}, {"a@example.test": 1}, 10**30]
VALUES += [{"a@example.test": value} for value in (None, ["x"], [-1], [2**63], [10**30], [1e300], "x")]
PARAMS = [
    ("bindings", "aors"), ("dump", "aors"), ("dump", "ids"), ("dump", "to"), ("dump", "wait"), ("wake", "aors"),
    ("wake", "requeued"), ("wake", "users"), ("give_up", "rows"), ("expire", "rows"),
]  # fmt: skip


def test_params_of_the_wrong_type_are_told_and_no_failure_of_the_daemon(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon()
    refused = 0
    with socket(AF_UNIX) as stream:
        stream.settimeout(10)
        stream.connect(str(daemon.folder / "control.sock"))
        answers = stream.makefile("rb")
        for method, name in PARAMS:
            for value in VALUES:
                params = {name: value}
                if (method, name) == ("dump", "ids"):
                    params["aors"] = ["a@example.test"]
                stream.sendall(json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n")
                answer = json.loads(answers.readline())
                assert "daemon failed" not in str(answer), (method, params)
                refused += answer.get("error", {}).get("code") == -32602
    assert refused > len(VALUES) * len(PARAMS) / 2
    assert "Traceback" not in (daemon.folder / "log").read_text()


@pytest.mark.parametrize("contact", ["x", "%", "sip:", "http://192.0.2.1/", "sip:a@b\r\nX: y"])
def test_a_contact_that_is_none_is_a_usage_error(start_daemon: Callable[..., Daemon], contact: str) -> None:
    daemon = start_daemon()
    done = daemon.msilo("dump", "bob@example.test", "--to", contact)
    assert done.returncode == 2, done.stderr
    assert "write sip:user@host:port" in done.stderr


def test_ids_of_any_number_of_recipients_fit_into_lines() -> None:
    rows = {f"{number}@example.test": list(range(2**62, 2**62 + 3)) for number in range(20_000)}
    rows["many@example.test"] = list(range(2**62, 2**62 + 100_000))
    rows["none@example.test"] = []
    rows["\x7f" * 5000 + "@example.test"] = [1]
    found: dict[str, list[int]] = {}
    for call in calls(rows):
        assert len(msgspec.json.encode(Request("give_up", {"rows": call}, 1))) < MAX_LINE
        for aor, ids in call.items():
            found[aor] = found.get(aor, []) + ids
    assert found == rows
    assert calls({}) == []


ANSWERS = [
    b"\n", b"[]\n", b"null\n", b"garbage\n", b"\xff\xfe\n", b'{"result":', b'{"error":1}\n', b'{"error":{"code":1}}\n',
    b'{"result":1,"error":{"code":1,"message":[]}}\n', b"[" * 100_000 + b"\n",
]  # fmt: skip


def answering(path: Path, answer: bytes) -> Thread:
    listener = socket(AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def run() -> None:
        with listener, listener.accept()[0] as stream:
            stream.recv(65536)
            stream.sendall(answer)

    thread = Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_what_is_no_answer_is_told_as_no_daemon(tmp_path: Path, number: int) -> None:
    path = tmp_path / "socket"
    thread = answering(path, ANSWERS[number])
    with ControlClient(path) as client, pytest.raises(UnavailableError):
        client.call("status")
    thread.join()


@pytest.mark.parametrize("code", ["-5", "1e9", '"x"', "0", "300", "null", "true"])
def test_an_exit_code_that_is_none_is_1(tmp_path: Path, code: str) -> None:
    path = tmp_path / "socket"
    answer = f'{{"error":{{"code":1,"message":"no","data":{{"exit_code":{code}}}}}}}\n'
    thread = answering(path, answer.encode())
    with ControlClient(path) as client, pytest.raises(ControlError) as caught:
        client.call("status")
    assert caught.value.exit_code == 1
    thread.join()
