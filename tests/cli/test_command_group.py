"""The command line: global options before and after the verb, -h, and words of other programs."""

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from msilo_cli.app import app
from msilo_cli.command_group import globals_first

ROOT = get_command(app)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("list --config x alice@example.test", "--config x list alice@example.test"),
        ("list --config=x", "--config=x list"),
        ("-q list -v", "-v -q list"),
        ("--db-url u list --socket s --color never", "--socket s --color never --db-url u list"),
        ("user -q add bob", "-q user add bob"),
        ("user add bob -vv", "-vv user add bob"),
        ("hold 3 -qv", "-qv hold 3"),
        ("list -- --config", "list -- --config"),
        ("inject bob --from -q", "inject bob --from -q"),
        ("inject bob --from=-q -q", "-q inject bob --from=-q"),
        ("--version", "--version"),
        ("list --nonsense x", "list --nonsense x"),
        ("list --config", "--config list"),
        ("", ""),
    ],
)
def test_global_options_may_stand_after_the_verb(written: str, read: str) -> None:
    assert globals_first(ROOT, written.split()) == read.split()


@pytest.mark.parametrize("words", [["-h"], ["list", "-h"], ["user", "add", "-h"], ["db", "-h"]])
def test_h_is_help(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("word", "verb"), [("delete", "purge"), ("restore", "import"), ("rm", "purge"), ("relaod", "reload")]
)
def test_an_unknown_verb_names_the_right_one(word: str, verb: str) -> None:
    done = CliRunner().invoke(app, [word])
    assert done.exit_code == 2
    assert f"Did you mean '{verb}'" in done.stderr
