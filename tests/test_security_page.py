"""SECURITY.md names a test for each threat: each test that it names exists, and no test of a threat is missing."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
# What real clients need, which is no threat.
CLIENTS = {13, 14, 15, 16, 18, 19, 20, 23, 25, 26}


def test_each_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(test_\w+|tests/\w+(?:/test_\w+)|tests/test_\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        name
        for name in named
        if not (ROOT / (name if name.startswith("tests/") else f"tests/faults/{name}"))
        .with_suffix(".py")
        .exists()
    ]
    assert missing == []


def test_each_threat_that_has_a_test_is_on_the_page() -> None:
    found = {
        path.stem: int(path.stem.split("_")[2]) for path in (ROOT / "tests/faults").glob("test_security_*.py")
    }
    assert len(found) > 20
    assert [name for name, number in found.items() if number not in CLIENTS and name not in PAGE] == []


def test_the_readme_leads_to_the_page() -> None:
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
