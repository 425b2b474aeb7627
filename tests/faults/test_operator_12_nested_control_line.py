"""Operator 12: a control line nested 1,100 levels deep ended the daemon with RecursionError."""

from pathlib import Path

import pytest

from msilod.errors import ConfigError
from msilod.settings import read
from tests.control.test_socket import say, serving

DEPTHS = (1_100, 100_000)


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_nested_line_gets_an_error_and_the_next_line_an_answer(tmp_path: Path, depth: int) -> None:
    nested = b'{"jsonrpc":"2.0","id":1,"method":"slow","params":{"word":%b}}\n' % (
        b"[" * depth + b"]" * depth
    )
    async with serving(tmp_path) as path:
        answers = await say(path, nested, b'{"jsonrpc":"2.0","id":2,"method":"slow","params":{"word":"x"}}\n')
    assert answers[0]["error"]["code"] == -32700
    assert "nested" in answers[0]["error"]["message"]
    assert answers[1]["result"] == {"said": "x"}


def test_a_nested_configuration_is_one_line_of_error(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text(f"domains = {'[' * 5_000}{']' * 5_000}\n")
    with pytest.raises(ConfigError, match="nested too deeply"):
        read(file)
