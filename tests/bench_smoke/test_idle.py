"""The benchmark of idle phones makes real phones: the numbers of connections, bindings and answers are right."""

import pytest

from tests.bench import idle


def test_a_few_idle_phones_are_connected_and_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert idle.main(["--connections", "3", "--bindings", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[-1].endswith("3 TCP connections, 60 bindings")
