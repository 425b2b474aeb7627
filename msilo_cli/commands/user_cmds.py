"""User commands: `msilo user` adds, removes and lists users, and sets passwords.

A password comes from a prompt or from standard input, never from the command line: all processes can read
command lines. Only HA1 values are kept; a password is never printed.
"""

import getpass
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from msilo_cli import filters
from msilo_cli.printer import Column, chosen_format, show
from msilo_cli.session import Session
from msilod.errors import MsilodError, UsageError
from msilod.sip.digest import ha1
from msilod.sip.uri import name_of
from msilod.store.tables.users import UserRow

MAX_PASSWORD = 1024

app = typer.Typer(help="Users: add, remove, list, passwd.", no_args_is_help=True, rich_markup_mode=None)

User = Annotated[str, typer.Argument(metavar="USER@HOST", help="The user.")]
Users = Annotated[list[str], typer.Argument(metavar="USER@HOST...", help="The users.")]
Dash = Annotated[
    str, typer.Argument(metavar="[-]", help="- reads the password from standard input.", show_default=False)
]
Stdin = Annotated[
    bool, typer.Option("--stdin", help="Read the password from standard input: its first line.")
]


class NoSuchUser(MsilodError):
    """The address belongs to no user."""


class UserExists(MsilodError):
    """The address belongs to a user already."""


@app.command("add")
def add(
    context: typer.Context,
    user: User,
    dash: Dash = "",
    stdin: Stdin = False,
    force: Annotated[bool, typer.Option("--force", help="Also for a domain that is not served.")] = False,
) -> None:
    """Add a user; asks for the password on a terminal, or reads it from standard input.

    msilo user add alice@example.test
    """
    if not force:
        filters.served(context.obj, _aor(context.obj, user))
    _set(context.obj, user, dash, stdin, _must_be_new)


@app.command("passwd")
def passwd(context: typer.Context, user: User, dash: Dash = "", stdin: Stdin = False) -> None:
    """Set another password for a user."""
    _set(context.obj, user, dash, stdin, _must_exist)


@app.command("remove")
def remove(context: typer.Context, users: Users) -> None:
    """Remove users; messages to these users stay until they expire."""
    session: Session = context.obj
    aors = [_aor(session, user) for user in users]
    for aor in aors:
        _must_exist(session, aor)
    for aor in aors:
        session.users.remove(aor)
    session.wake_users()
    session.say(f"{', '.join(aors)} removed", level=1)


@app.command("list")
def list_users(
    context: typer.Context,
    format: filters.Format = "",
    json: filters.Json = False,
) -> None:
    """List the users and the algorithms of their HA1 values."""
    session: Session = context.obj
    found: dict[str, dict[str, Any]] = {}
    for row in session.users.reads.all():
        record = found.setdefault(
            row.aor, {"id": row.aor, "user": row.aor, "realm": row.realm, "algorithms": []}
        )
        record["algorithms"].append(row.algorithm)
    count = show(session, found.values(), COLUMNS, chosen_format(session, format, json, False))
    if not count:
        session.say("no users", level=1)


COLUMNS = (
    Column("USER", lambda shown: shown["user"]),
    Column("REALM", lambda shown: shown["realm"]),
    Column("ALGORITHMS", lambda shown: " ".join(shown["algorithms"])),
)


def _set(session: Session, user: str, dash: str, stdin: bool, check: Callable[[Session, str], None]) -> None:
    aor = _aor(session, user)
    if dash not in ("", "-"):
        raise UsageError(
            "other users can read a password on the command line; type the password, or send it to standard input"
        )
    check(session, aor)
    session.users.set(aor, _values(session, aor, _password(session, aor, stdin or dash == "-")))
    session.wake_users()


def _must_be_new(session: Session, aor: str) -> None:
    if session.users.reads.of(aor):
        raise UserExists(f"{aor} is a user already (msilo user passwd {aor} sets another password)")


def _must_exist(session: Session, aor: str) -> None:
    if not session.users.reads.of(aor):
        raise NoSuchUser(f"{aor} is no user (msilo user list shows them)")


def _aor(session: Session, user: str) -> str:
    aor = filters.recipient(session, user)
    if "*" in aor:
        raise UsageError("user wants addresses, not patterns")
    return aor


def _password(session: Session, aor: str, from_stdin: bool) -> bytes:
    """The password in UTF-8 as typed, without line end (RFC 8760 §2.6). Raises UsageError."""
    if from_stdin or not session.is_interactive:
        word = sys.stdin.buffer.readline(MAX_PASSWORD + 2).rstrip(b"\r\n")
    else:
        word = _typed(f"Password of {aor}: ")
        if word != _typed("Again: "):
            raise UsageError("the two passwords differ; nothing was changed")
    if not word or len(word) > MAX_PASSWORD:
        raise UsageError(f"a password has 1 to {MAX_PASSWORD} bytes; nothing was changed")
    return word


def _typed(prompt: str) -> bytes:
    try:
        return getpass.getpass(prompt).encode("utf-8", "surrogateescape")
    except EOFError as error:
        raise UsageError("no password was typed; nothing was changed") from error


def _values(session: Session, aor: str, password: bytes) -> list[UserRow]:
    """The HA1 values for each algorithm of [auth] algorithms.

    Phones with a single field for the name hash `user@domain` or `user@realm`, so these names have values as well.
    """
    auth = session.settings.config.auth
    user, _, domain = aor.rpartition("@")
    realm = auth.realm or domain
    name = name_of(user)

    def made(algorithm: str, name: bytes) -> bytes:
        return ha1(algorithm.encode(), name, realm.encode(), password)

    return [
        UserRow(
            aor,
            algorithm,
            realm,
            made(algorithm, name),
            made(algorithm, b"%b@%b" % (name, domain.encode())),
            made(algorithm, b"%b@%b" % (name, realm.encode())) if realm != domain else b"",
        )
        for algorithm in auth.algorithms
    ]
