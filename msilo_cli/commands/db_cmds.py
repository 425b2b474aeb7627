"""Database commands: `msilo db` shows, upgrades, checks and copies the silo's database."""

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
    """The check has found faults; standard output lists the faults."""


def _maintenance(context: typer.Context) -> tuple[Session, Maintenance]:
    session: Session = context.obj
    return session, Maintenance(session.settings.silo, session.settings.config.db_table)


@app.command("status")
def status(context: typer.Context, format: filters.Format = "", json: filters.Json = False) -> None:
    """Show the file of the silo, the schema version, and the sizes.

    msilo db status
    """
    session, maintenance = _maintenance(context)
    condition = maintenance.condition()
    if chosen_format(session, format, json, False) in ("json", "jsonl"):
        show(session, [asdict(condition) | {"path": str(condition.path)}], [], "jsonl")
        return
    schema = (
        f"{condition.schema}"
        if condition.schema == condition.wanted
        else f"{condition.schema}, this msilo wants {condition.wanted}"
    )
    session.out.write(
        f"silo      {printable(str(condition.path))}\nschema    {schema}\n"
        f"messages  {condition.messages}, {amount(condition.bytes)}\nfile      {amount(condition.file_bytes)}\n"
    )
    if condition.schema < condition.wanted:
        session.say("run: msilo db upgrade (with the daemon stopped)", level=-1)


@app.command("upgrade")
def upgrade(context: typer.Context) -> None:
    """Upgrade the schema to this version, with the daemon stopped; create a missing silo.

    msilo db upgrade
    """
    session, maintenance = _maintenance(context)
    done = maintenance.upgrade()
    for name in done:
        session.out.write(f"{name}\n")
    session.say(f"{len(done)} applied" if done else "nothing to do")


@app.command("check")
def check(context: typer.Context) -> None:
    """Check the file, the schema version and the counts; print a line per fault and exit with 1.

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
    """Copy the silo to FILE; the daemon may run.

    msilo db backup /var/backups/silo-monday.db
    """
    session, maintenance = _maintenance(context)
    session.say(f"{file}: {amount(maintenance.backup(file))}")
