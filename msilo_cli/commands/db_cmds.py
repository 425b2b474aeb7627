"""`msilo db`: the silo's database as a whole."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from msilo_cli import filters
from msilo_cli.printer import amount, chosen_format, show
from msilo_cli.session import Session
from msilod.errors import MsilodError
from msilod.printable import printable
from msilod.store.schema.maintenance import Maintenance

app = typer.Typer(help="The silo's database: status, upgrade, check, backup.", no_args_is_help=True)


class Damaged(MsilodError):
    """The check has found something; standard output says what."""


def _maintenance(context: typer.Context) -> tuple[Session, Maintenance]:
    session: Session = context.obj
    return session, Maintenance(session.settings.silo, session.settings.config.db_table)


@app.command("status")
def status(context: typer.Context, format: filters.Format = "", json: filters.Json = False) -> None:
    """Where it is, its schema, how much is in it.

    msilo db status
    """
    session, maintenance = _maintenance(context)
    told = maintenance.condition()
    if chosen_format(session, format, json, False) in ("json", "jsonl"):
        show(session, [asdict(told) | {"path": str(told.path)}], [], "jsonl")
        return
    schema = (
        f"{told.schema}" if told.schema == told.wanted else f"{told.schema}, this msilo wants {told.wanted}"
    )
    session.out.write(
        f"silo      {printable(str(told.path))}\nschema    {schema}\n"
        f"messages  {told.messages}, {amount(told.bytes)}\nfile      {amount(told.file_bytes)}\n"
    )
    if told.schema < told.wanted:
        session.say("run: msilo db upgrade (with the daemon stopped)", level=-1)


@app.command("upgrade")
def upgrade(context: typer.Context) -> None:
    """Bring the schema up to this version, with the daemon stopped; make a silo where there is none.

    msilo db upgrade
    """
    session, maintenance = _maintenance(context)
    done = maintenance.upgrade()
    for name in done:
        session.out.write(f"{name}\n")
    session.say(f"{len(done)} applied" if done else "nothing to do")


@app.command("check")
def check(context: typer.Context) -> None:
    """Is the file sound, of this version, and do its counts fit? 1 and a line each if not.

    msilo db check
    """
    session, maintenance = _maintenance(context)
    found = maintenance.check()
    for line in found:
        session.out.write(f"{printable(line)}\n")
    if found:
        raise Damaged(f"{maintenance.path} is damaged (restore a backup)")
    session.say("ok")


@app.command("backup")
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; it must not exist.")],
) -> None:
    """Copy the silo to FILE while it is in use.

    msilo db backup /var/backups/silo-monday.db
    """
    session, maintenance = _maintenance(context)
    session.say(f"{file}: {amount(maintenance.backup(file))}")
