"""Operator 9, 13, 17, 21: words that cannot work are refused, cut values are told, and unknown ids are an error."""

import pytest

from tests.scenarios.account import add_user
from tests.scenarios.conftest import Daemon


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["dave@foreign.test", "hi"], "not served here; the domains are example.test"),
        (["dave@example.test", "hi", "--from", "nonsense"], "names no user"),
        (["dave@example.test", "hi", "--type", "bogus"], "is no content type"),
        (["dave@example.test", "hi", "--header", "From: sip:x@y"], "--header cannot set From"),
        (["dave@example.test", "hi", "--header", "f: sip:x@y"], "--header cannot set f"),
        (["dave@example.test", "hi", "--header", "P-Asserted-Identity: sip:x@y"], "--header cannot set P-A"),
    ],
)
def test_a_message_that_cannot_be_right_is_refused(daemon: Daemon, arguments: list[str], text: str) -> None:
    done = daemon.msilo("inject", *arguments)
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert daemon.rows() == []


def test_a_recipient_who_is_no_user_is_404_once_there_are_users(daemon: Daemon) -> None:
    assert daemon.msilo("inject", "nobody@example.test", "hi").returncode == 0
    add_user(daemon, "alice")
    done = daemon.msilo("inject", "nobody@example.test", "hi")
    assert done.returncode == 1
    assert "404" in done.stderr
    assert daemon.msilo("inject", "alice@example.test", "hi").returncode == 0


def test_a_life_that_is_cut_is_told(daemon: Daemon) -> None:
    done = daemon.msilo("inject", "dave@example.test", "hi", "--expires", "30d")
    assert done.returncode == 0
    assert done.stderr == "--expires 30d is cut to 3d (expire_time in msilod.toml)\n"


@pytest.mark.parametrize("word", ["bad domain", "dave@example.test", "sip:example.test", "far.test", ""])
def test_only_a_domain_that_is_served_is_paused(daemon: Daemon, word: str) -> None:
    done = daemon.msilo("pause", word)
    assert done.returncode == 2
    assert "paused" not in done.stderr
    assert daemon.msilo("resume").stderr == "nothing is paused\n"


def test_a_domain_is_paused_in_any_spelling(daemon: Daemon) -> None:
    assert daemon.msilo("pause", "Example.TEST.").stderr == "paused: example.test\n"


def test_a_user_of_a_foreign_domain_is_added_only_in_so_many_words(daemon: Daemon) -> None:
    done = daemon.msilo("user", "add", "dave@other.test", "-", stdin="secret\n")
    assert done.returncode == 2
    assert "other.test is not served here" in done.stderr
    assert daemon.msilo("user", "add", "--force", "dave@other.test", "-", stdin="secret\n").returncode == 0


def test_unknown_ids_are_an_error_and_known_ids_are_served(daemon: Daemon) -> None:
    (known,) = daemon.msilo("inject", "dave@example.test", "hi").stdout.split()
    done = daemon.msilo("show", known, "99")
    assert (done.returncode, "hi" in done.stdout, "99" in done.stderr) == (1, True, True)
    assert daemon.msilo("show", "99").returncode == 66
    assert daemon.msilo("purge", "99", "--yes").returncode == 66
    done = daemon.msilo("purge", "99", known, "--yes")
    assert (done.returncode, daemon.rows()) == (1, [])


def test_formats_that_do_not_apply_are_refused(daemon: Daemon) -> None:
    assert daemon.msilo("bindings", "--format", "ids").returncode == 0, "nobody is registered"
    done = daemon.msilo("status", "--format", "ids")
    assert done.returncode == 2


def test_status_for_programs_is_one_fact_a_line(daemon: Daemon) -> None:
    facts = dict(line.split("\t") for line in daemon.msilo("status", "--format", "tsv").stdout.splitlines())
    assert facts["domains"] == "example.test"
    assert facts["rows.waiting"] == "0"


def test_a_dry_dump_says_why_nothing_would_be_sent(daemon: Daemon) -> None:
    daemon.msilo("inject", "dave@example.test", "hi")
    done = daemon.msilo("dump", "dave@example.test", "--dry-run")
    assert "dave@example.test: not registered" in done.stderr
