"""The length of the hot path: a store, a relay and a refresh stay within the budget of tests/bench/bytecodes.py."""

import pytest

from tests.bench import bytecodes
from tests.bench.bytecodes import BUDGET, HAS_BUDGET

# Compiled code runs no bytecodes.
pytestmark = pytest.mark.interpreted


@pytest.mark.skipif(not HAS_BUDGET, reason="other versions of Python have other bytecodes")
@pytest.mark.parametrize("name", BUDGET)
def test_a_walk_is_no_longer_than_its_budget(name: str) -> None:
    assert BUDGET[name] / 2 < bytecodes.bytecodes(name) <= BUDGET[name]


def test_the_check_fails_for_a_walk_over_its_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bytecodes, "HAS_BUDGET", True)
    monkeypatch.setattr(bytecodes, "bytecodes", lambda name: 101.0)
    for budget, code in ((101, 0), (100, 1)):
        monkeypatch.setattr(bytecodes, "BUDGET", {"store": budget})
        assert bytecodes.main(["store", "1"]) == code
        assert f"101 bytecodes of {budget}  store" in capsys.readouterr().out
