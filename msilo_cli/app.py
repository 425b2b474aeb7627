"""App: the global options of `msilo`, and the tree of verbs under commands/."""

from pathlib import Path
from typing import Annotated

import typer

from msilo_cli.command_group import CommandGroup
from msilo_cli.commands import (
    daemon_cmds,
    db_cmds,
    exchange_cmds,
    inject_cmd,
    list_cmd,
    purge_cmd,
    show_cmd,
    state_cmds,
    user_cmds,
)
from msilo_cli.session import Session
from msilod import __version__
from msilod.errors import UsageError

app = typer.Typer(
    name="msilo",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Inspect and change the silo of msilod.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
COLORS = ("auto", "always", "never")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"msilo {__version__}")
        raise typer.Exit


@app.callback()
def msilo(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")
    ] = None,
    db_url: Annotated[str | None, typer.Option("--db-url", metavar="URL", help="Where the silo is.")] = None,
    socket: Annotated[
        str | None, typer.Option("--socket", metavar="PATH", help="The control socket.")
    ] = None,
    color: Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")] = "auto",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing when all is well.")] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.")] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Inspect and change the silo of msilod."""
    if color not in COLORS:
        raise UsageError(f"--color {color!r}: choose one of {', '.join(COLORS)}")
    session = Session(config, db_url, socket, color, -1 if quiet else verbose)
    context.obj = session
    context.call_on_close(session.close)


app.command("list")(list_cmd.list_messages)
app.command("show")(show_cmd.show_messages)
app.command("inject")(inject_cmd.inject)
app.command("dump")(daemon_cmds.dump)
app.command("hold")(state_cmds.hold)
app.command("release")(state_cmds.release)
app.command("requeue")(state_cmds.requeue)
app.command("purge")(purge_cmd.purge)
app.command("bindings")(daemon_cmds.bindings)
app.command("status")(daemon_cmds.status)
app.command("reload")(daemon_cmds.reload)
app.command("export")(exchange_cmds.export)
app.command("import")(exchange_cmds.import_)
app.command("pause")(state_cmds.pause)
app.command("resume")(state_cmds.resume)
app.add_typer(db_cmds.app, name="db")
app.add_typer(user_cmds.app, name="user")
