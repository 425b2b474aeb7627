"""Names as operators write them: patterns with `*`."""

import pytest

from msilod.control.names import matches


@pytest.mark.parametrize(
    ("pattern", "aor", "is_meant"),
    [
        ("*", "alice@example.test", True),
        ("*@example.test", "alice@example.test", True),
        ("*@example.test", "alice@example.test.org", False),
        ("ALICE@*", "alice@example.test", True),
        ("a*@*.test", "alice@example.test", True),
        ("a*ice@example.test", "alice@example.test", True),
        ("a*c*e@example.test", "alice@example.test", True),
        ("a*cc*e@example.test", "alice@example.test", False),
        ("alice@example.test*test", "alice@example.test", False),
        ("alice@example.test", "alice@example.test", True),
        ("alice", "alice@example.test", False),
        ("[a]*", "alice@example.test", False),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, aor: str, is_meant: bool) -> None:
    assert matches(pattern, aor) == is_meant
