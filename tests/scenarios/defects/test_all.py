"""Each defect of the msilo family, and each acceptance test, has a test of the same name."""

import ast
from pathlib import Path

import pytest

DEFECTS = [f"w{number:02}" for number in range(1, 24)] + ["o1"]
ACCEPTANCE = [f"a{number:02}" for number in range(1, 16)]


def names() -> set[str]:
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name.split("_")[1])
    return found


@pytest.mark.parametrize("wanted", DEFECTS + ACCEPTANCE)
def test_there_is_a_test_for_it(wanted: str) -> None:
    assert wanted in names()
