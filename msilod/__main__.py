"""Main: the command `msilod`, with the verbs start, check and demo (msilod(8)).

The module reads the arguments and turns errors into one line and an exit code. Apart from msilo_cli, no other module
imports typer. Each verb imports the modules for its work, so `msilod --help` is fast.
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from msilod import __version__, is_compiled
from msilod.errors import MsilodError, UnavailableError
from msilod.streams import discard, prepare

app = typer.Typer(
    name="msilod",
    help="SIP registrar, stateful proxy, and silo for MESSAGEs to offline users.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file, instead of the search order."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"msilod {__version__}{' (compiled)' if is_compiled() else ''}")
        raise typer.Exit


@app.callback()
def msilod(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """SIP registrar, stateful proxy, and silo for MESSAGEs to offline users."""


@app.command()
def start(
    config: ConfigFile = None,
    domain: Annotated[
        list[str] | None, typer.Option("--domain", metavar="NAME", help="A domain to serve; may be repeated.")
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen", metavar="SPEC", help="udp:, tcp:, tls:, ws: or wss:ADDR:PORT; may be repeated."
        ),
    ] = None,
    db_url: Annotated[str | None, typer.Option("--db-url", metavar="URL", help="Where the silo is.")] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
    ] = "info",
) -> None:
    """Serve in the foreground until TERM or INT; log to standard error."""
    from msilod import log
    from msilod.daemon.process import serve
    from msilod.settings import Options, load

    if log_level not in log.LEVELS:
        raise typer.BadParameter(
            f"{log_level!r} is no level; choose one of {', '.join(log.LEVELS)}", param_hint="--log-level"
        )
    options = Options(domains=domain or None, listen=listen or None, db_url=db_url)
    settings = load(config, os.environ, options)
    log.configure(log_level)
    raise typer.Exit(serve(settings, lambda: load(config, os.environ, options)))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the configuration, the certificates and the routing policy; one line, exit 0 or 78."""
    from msilod.daemon.listeners import check_validity, read_certificates
    from msilod.daemon.process import have_users_existed
    from msilod.routing.policy_file import load_policy
    from msilod.settings import check_doors, load, summary

    settings = load(config, os.environ)
    check_doors(settings, lambda: have_users_existed(settings))
    if fault := check_validity(settings, read_certificates(settings), time.time()):
        typer.echo(f"msilod: warning: {fault}", err=True)
    load_policy(settings.routing)
    typer.echo(f"msilod: {summary(settings)}")


@app.command()
def demo() -> None:
    """Show the main job on a free loopback port: a MESSAGE to an offline user is stored, then delivered."""
    from msilod.demo import run_demo

    raise typer.Exit(run_demo())


def main() -> None:
    """Run the command. Each MsilodError ends as one line on standard error and an exit code."""
    prepare()
    try:
        app()
    except MsilodError as error:
        print(f"msilod: {error}", file=sys.stderr)  # noqa: T201 - the line for the operator
        sys.exit(error.exit_code)
    except BrokenPipeError:
        discard(sys.stdout)
        sys.exit(0)
    except OSError as error:
        # A file or folder cannot be used: the configuration, a routing policy, the silo.
        name = error.filename or "standard output"
        print(f"msilod: {name}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        discard(sys.stdout)
        sys.exit(UnavailableError.exit_code)
    except MemoryError:
        print("msilod: out of memory", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
