"""The manual is complete: every command, option and key has its entry, and mandoc reports nothing."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
import typer.main

from msilo_cli.app import app as msilo_app
from msilod.__main__ import app as msilod_app
from msilod.config import Config
from tests.programs import program

MAN = Path(__file__).parent.parent / "man"


def _commands(app: typer.Typer) -> dict[str, list[str]]:
    """Command path to its long options, from the live tree."""
    found: dict[str, list[str]] = {}

    def walk(command: object, name: str) -> None:
        options = [
            option
            for parameter in getattr(command, "params", [])
            for option in parameter.opts
            if option.startswith("--")
        ]
        found[name] = options
        for sub, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {sub}".strip())

    walk(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize(("page", "app"), [("msilod.8", msilod_app), ("msilo.1", msilo_app)])
def test_every_command_and_option_is_in_the_manual(page: str, app: typer.Typer) -> None:
    text = (MAN / page).read_text()
    for command, options in _commands(app).items():
        for word in command.split():
            assert re.search(rf"\b{word}\b", text), f"{page} lacks the command {command}"
        for option in options:
            if option in ("--install-completion", "--show-completion"):
                continue
            assert re.search(rf"Fl (\w , )?{option[1:]}\b", text), f"{page} lacks {option} of {command}"


def _keys(struct: type[msgspec.Struct], prefix: str = "") -> list[str]:
    found = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += _keys(field.type, field.encode_name)
        else:
            found.append(f"{prefix} {field.encode_name}".strip())
    return found


def test_every_key_is_in_the_manual() -> None:
    sections = re.split(r"^\.Sh ", (MAN / "msilod.toml.5").read_text(), flags=re.MULTILINE)
    for key in _keys(Config):
        section, _, name = key.rpartition(" ")
        title = f"SECTION {section.upper()}" if section else "TOP LEVEL"
        text = next((part for part in sections if part.startswith(title)), "")
        assert f".It Cm {name} " in text, f"msilod.toml.5 lacks {key}"


@pytest.mark.peer
@pytest.mark.parametrize("page", ["msilod.8", "msilo.1", "msilod.toml.5"])
def test_mandoc_reports_nothing(page: str) -> None:
    done = subprocess.run(
        [program("mandoc"), "-Tlint", "-W", "warning", str(MAN / page)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
