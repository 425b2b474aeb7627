"""Aliases: the names of a mailbox by pattern, and patterns that a sender cannot use against us."""

import time
from pathlib import Path

import pytest

from msilod.errors import ConfigError
from msilod.routing.aliases import MAX_NAME, MAX_RULES, Aliases, alias_problems
from msilod.settings import read

DIAL_PLAN = {
    r"00(\d{8,15})": r"+\1",
    r"(?:\+420)?(7\d{8})": r"+420\1",
    r"\+420777123456": "anna",
    r"[Ii]nfo": "front.desk",
    r"(.*)@old\.example\.test": r"\1@example.test",
}


@pytest.mark.parametrize(
    ("name", "mailbox"),
    [
        ("00420777123456", "anna"),
        ("+420777123456", "anna"),
        ("777123456", "anna"),
        ("anna", "anna"),
        ("00420777000000", "+420777000000"),
        ("777000000", "+420777000000"),
        ("004930123456", "+4930123456"),
        ("Info", "front.desk"),
        ("info2", "info2"),
        ("1777123456", "1777123456"),
        ("0042077712345600000", "0042077712345600000"),
        ("bob", "bob"),
    ],
)
def test_every_form_of_a_name_is_one_mailbox(name: str, mailbox: str) -> None:
    aliases = Aliases(DIAL_PLAN)
    found = aliases.resolve(f"{name}@example.test")
    assert found == f"{mailbox}@example.test"
    assert aliases.resolve(found) == found, "a name that was rewritten is not rewritten again"


def test_the_domain_stays_unless_the_rule_names_one() -> None:
    aliases = Aliases(DIAL_PLAN)
    assert aliases.resolve("00420777000000@b.test") == "+420777000000@b.test"
    assert aliases.resolve("Bob@old.example.test") == "Bob@example.test"
    assert aliases.resolve("info@old.example.test") == "front.desk@example.test"


def test_without_rules_there_are_none() -> None:
    assert not Aliases({})
    assert Aliases({"a": "b"})


def test_a_rule_whose_result_is_no_address_does_nothing() -> None:
    aliases = Aliases({r"x(.*)": r"\1"})
    assert aliases.resolve("x@example.test") == "x@example.test"
    assert aliases.resolve("xy@example.test") == "y@example.test"


def test_rules_that_run_in_a_circle_come_to_an_end() -> None:
    assert Aliases({"a": "b", "b": "a"}).resolve("a@h.test") in ("a@h.test", "b@h.test")
    assert len(Aliases({"(a+)": r"\1a"}).resolve("a@h.test")) < MAX_NAME


@pytest.mark.parametrize(
    ("pattern", "template", "problem"),
    [
        ("(a+)+", "x", "repeats a group"),
        ("(a|aa)*", "x", "repeats a group"),
        (r"(?:\d\d){2,}", "x", "repeats a group"),
        ("a*b*c*d*", "x", "4 repeats; write 3 at most"),
        (r"a{1,2}b{,3}c{4,}d+", "x", "4 repeats"),
        ("a(", "x", "no regular expression"),
        ("", "x", "0 characters"),
        ("a" * 201, "x", "201 characters"),
        ("a", r"\1", "does not fit its pattern"),
        ("(?P<n>a)", r"\g<m>", "does not fit its pattern"),
        ("a", "", "no user"),
        ("a", "b c", "no user"),
        ("a", "b@", "no user"),
        ("a", "b\r\nEvil: 1", "no user"),
    ],
)
def test_a_rule_that_is_wrong_says_how(pattern: str, template: str, problem: str) -> None:
    ((found, text),) = alias_problems({pattern: template})
    assert found == pattern
    assert problem in text
    with pytest.raises(ValueError, match=r"repeat|expression|character|pattern|no user"):
        Aliases({pattern: template})


@pytest.mark.parametrize(
    "pattern", [r"a\*+", "[+*{}()]+", r"\)+", "a{2}b{3}c{4}d{5}", r"(?:\+|00)420(\d{9})", "a{"]
)
def test_what_only_looks_like_a_repeated_group_is_none(pattern: str) -> None:
    assert list(alias_problems({pattern: "x"})) == []


def test_there_are_no_more_rules_than_the_bound() -> None:
    problems = list(alias_problems({f"a{n}": "x" for n in range(MAX_RULES + 1)}))
    assert [pattern for pattern, _ in problems] == [f"a{MAX_RULES}"]


@pytest.mark.parametrize(
    "pattern", ["1*1*1*[xy]", ".*.*.*[xy]", "[^x]+[^y]+[^z]+[xy]", "1{0,99}1{0,99}1{0,99}[xy]"]
)
def test_no_name_takes_long(pattern: str) -> None:
    aliases = Aliases({pattern: "z"})
    begun = time.process_time()
    assert aliases.resolve("1" * (MAX_NAME - 7) + "@h.test")
    assert aliases.resolve("1" * 60_000 + "@h.test")
    assert time.process_time() - begun < 0.5


def test_a_bad_rule_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text("domains = [\"example.test\"]\n\n[aliases]\n'00(\\d+)' = '+\\1'\n\"(a+)+\" = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: line 5: aliases.(a+)+: repeats a group")
