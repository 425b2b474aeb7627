"""A policy file of the operator: a trial load, and errors with file and line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.errors import ConfigError, MalformedMessage, PolicyError
from msilod.routing import Drop, Reply, Store, default, example
from msilod.routing.policy_file import PolicyFile, load_policy

GOOD = '''"""A policy.

>>> from msilod.routing import example
>>> route(example("MESSAGE", "sip:bob@example.test"))
Drop()
"""

from msilod.routing import Break, Drop


def route(request):
    return Drop()


def failure_route(request, status):
    return Break()
'''

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "policy.py"
        path.write_text(text)
        return path

    return write


def test_without_a_file_the_built_in_policy_routes() -> None:
    assert load_policy(None) is default


def test_the_policy_of_a_good_file_is_asked(write: Write) -> None:
    path = write(GOOD)
    assert load_policy(path).route(example("MESSAGE", "sip:bob@example.test")) == Drop()
    assert sorted(path.parent.iterdir()) == [path], "nothing is written beside it"


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("    return Drop()", "    return Drop(", 12, "SyntaxError"),
        ("import Break, Drop", "import Break, Drob", 8, "ImportError"),
        ("\n\ndef route", "\n1 / 0\n\ndef route", 10, "ZeroDivisionError"),
        ("\n\ndef route", "\nraise SystemExit(3)\n\ndef route", 10, "SystemExit"),
        ("def failure_route", "def failure_rout", 1, "no function failure_route()"),
        ("    return Drop()", "    return None", 4, "the example wants Drop(), and got nothing"),
        ("Drop()\n\"\"\"", "Store()\n\"\"\"", 4, "the example wants Store(), and got Drop()"),
        ("    return Drop()", "    return Dorp()", 4, "the example raised NameError"),
        ("    return Break()", '    return "Break"', 15, "failure_route() returned 'Break'"),
        ("    return Break()", "    return request.nobody", 16, "AttributeError"),
        ("    return Break()", "    return int(request.header('X-Code'))", 16, "ValueError"),
        ("def failure_route(request, status)", "def failure_route(request)", 1, "TypeError"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_file_and_line_number(
    write: Write, old: str, new: str, line: int, what: str
) -> None:
    assert GOOD.count(old) == 1
    path = write(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        PolicyFile(path)
    told = str(caught.value)
    assert "\n" not in told
    assert told.startswith(f"routing: {path}: line {line}: ")
    assert what in told


def test_an_action_for_another_method_is_a_fault(write: Write) -> None:
    path = write(
        GOOD.replace("Break, Drop", "Break, Drop, Store").replace("    return Break()", "    return Store(1)")
    )
    with pytest.raises(ConfigError, match="for REGISTER, which is for MESSAGE only"):
        PolicyFile(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        PolicyFile(tmp_path / "none.py")


def test_a_policy_that_fails_later_fails_one_request_and_is_reported_once(write: Write) -> None:
    told: list[str] = []
    policy = PolicyFile(
        write(
            GOOD.replace(
                "    return Drop()", "    if request.header('X-Trap'):\n        1 / 0\n    return Drop()"
            )
        ),
        told.append,
    )
    trap = example("MESSAGE", "sip:bob@example.test", headers={"X-Trap": "1"})
    for _ in range(3):
        with pytest.raises(PolicyError) as caught:
            policy.route(trap)
        assert caught.value.status == 500
    assert policy.route(example("MESSAGE", "sip:bob@example.test")) == Drop()
    assert len(told) == 1
    assert "ZeroDivisionError" in told[0]


def test_an_unreadable_field_is_the_fault_of_its_sender(write: Write) -> None:
    policy = PolicyFile(write(GOOD.replace("    return Drop()", "    request.sender\n    return Drop()")))
    broken = example("MESSAGE", "sip:bob@example.test")
    broken.message.received[b"from"] = b"<sip:alice"
    with pytest.raises(MalformedMessage):
        policy.route(broken)


def test_a_policy_may_hold_a_dataclass_and_state_of_its_own(write: Write) -> None:
    text = GOOD.replace(
        "\n\ndef route",
        "\nfrom dataclasses import dataclass\n\n@dataclass\nclass Rule:\n    name: str\n\ndef route",
    )
    text = text.replace('"""A policy', 'from __future__ import annotations\n"""A policy')
    PolicyFile(write(text))


def test_a_reply_may_have_the_parts_of_an_answer() -> None:
    assert Reply(480, "Later", (("Retry-After", "60"),)).headers == (("Retry-After", "60"),)
    for status, phrase in ((100, ""), (180, ""), (700, ""), (0, ""), (404, "a\r\nEvil: 1")):
        with pytest.raises(ValueError, match=r"final status|cannot stand"):
            Reply(status, phrase)


@pytest.mark.parametrize("hop", ["sip:bob@192.0.2.1", "192.0.2.1", "tel:+4930", "sip:h\r\nEvil: 1"])
def test_a_next_hop_must_be_a_valid_destination(hop: str) -> None:
    with pytest.raises(ValueError, match=r"next hop|no SIP URI"):
        Store(next_hop=hop)
