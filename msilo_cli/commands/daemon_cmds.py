"""Daemon commands: `msilo dump`, `bindings`, `status` and `reload` call a running daemon."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated, Any

import typer

from msilo_cli import filters
from msilo_cli.fitting import Fit
from msilo_cli.printer import ADDRESS, Column, chosen_format, rfc3339, show, span
from msilo_cli.session import Session, SomeFailed, calls
from msilod.errors import UnavailableError, UsageError
from msilod.printable import printable
from msilod.store.engine.choice import last_words
from msilod.store.tables.selection import Selection

# Seconds. The daemon waits up to 90 s for one recipient.
DUMP_TIMEOUT = 600.0
# Seconds. The daemon reads the configuration, the certificates and the policy.
RELOAD_TIMEOUT = 30.0


@filters.selecting()
def dump(
    context: typer.Context,
    selection: Selection,
    to: Annotated[str, typer.Option("--to", metavar="CONTACT", help="To this contact instead.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait, and print the outcome of each message.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent.")] = False,
    format: filters.Format = "",
    json: filters.Json = False,
) -> None:
    """Deliver now (m_dump), to the registered contacts or to the contact of --to.

    msilo dump bob@example.test --to sip:bob@192.0.2.7:5062 --wait
    """
    session: Session = context.obj
    params: dict[str, Any] = {"to": to or None, "wait": wait, "dry_run": dry_run}
    if selection.is_narrowed:
        rows: dict[str, list[int]] = {}
        for message in session.queue.messages(selection, session.now()):
            rows.setdefault(message.aor, []).append(message.id)
        if not rows:
            session.say("no messages")
            return
        asked = [{"aors": sorted(some), "ids": [*chain(*some.values())]} for some in calls(rows)]
    elif not selection.aors and not to:
        raise UsageError("dump needs a recipient, a filter, or --to CONTACT")
    else:
        asked = [{"aors": list(selection.aors), "ids": []}]
    _dump(session, asked, params, chosen_format(session, format, json, False))


def _dump(session: Session, asked: Sequence[dict[str, Any]], params: dict[str, Any], format: str) -> None:
    """Call `dump` for each of `asked`, and print all outcomes. Raises SomeFailed."""
    results = [
        result for some in asked for result in session.ask("dump", params | some, DUMP_TIMEOUT)["results"]
    ]
    if params["dry_run"] and format in ("table", "tsv"):
        for result in results:
            if "request" in result:
                session.out.write(printable(result["request"].replace("\r\n", "\n"), keep_lines=True) + "\n")
            else:
                session.say(printable(f"{result['aor']}: {result.get('reason') or result['outcome']}"))
        return
    show(session, results, _OUTCOME, format)
    if params["wait"] and any(result["outcome"] not in ("delivered", "handed") for result in results):
        raise SomeFailed("not everything was delivered (see msilo list --error)")


_OUTCOME = [
    Column("ID", lambda r: r.get("id"), is_right=True),
    Column("TO", lambda r: r["aor"], lambda r: r["aor"].removeprefix("sip:"), fit=ADDRESS),
    Column("OUTCOME", lambda r: r["outcome"]),
    Column("STATUS", lambda r: r.get("status")),
    Column("CONTACT", lambda r: r.get("contact"), fit=Fit(least=16, rank=2)),
    Column("NEXT TRY", lambda r: rfc3339(r.get("next_attempt_at")), fit=Fit(rank=3)),
    Column("REASON", lambda r: r.get("reason"), fit=Fit(least=8, rank=1)),
]


def bindings(
    context: typer.Context,
    recipients: filters.Recipients = None,
    format: filters.Format = "",
    json: filters.Json = False,
) -> None:
    """List the bindings: the registered users and their contacts.

    msilo bindings alice@example.test
    """
    session: Session = context.obj
    aors = list(filters.select(session, recipients or []).aors)
    found = session.ask("bindings", {"aors": aors or None})["bindings"]
    now = session.system()
    for binding in found:
        binding["left"] = span(binding["expires_at"] - now)
        binding["ago"] = f"{span(now - binding['heard_at'])} ago{', away' if binding['away'] else ''}"
        binding["heard_at"] = rfc3339(binding["heard_at"])
        binding["expires_at"] = rfc3339(binding["expires_at"])
        binding["registered_at"] = rfc3339(binding["registered_at"])
    chosen = chosen_format(session, format, json, False)
    count = show(session, found, _BINDING, chosen)
    if chosen == "table" and not count:
        session.say("nobody is registered")


_BINDING = [
    Column("RECIPIENT", lambda r: r["aor"], lambda r: r["aor"].removeprefix("sip:"), fit=ADDRESS),
    Column("CONTACT", lambda r: r["contact"], fit=Fit(least=16, rank=1)),
    Column("EXPIRES", lambda r: r["expires_at"], lambda r: r["left"]),
    Column("Q", lambda r: f"{r['q']:g}", fit=Fit(rank=5)),
    Column("FLOW", lambda r: r["flow"], fit=Fit(least=8, rank=4)),
    Column("USER AGENT", lambda r: r["user_agent"], fit=Fit(least=8, rank=2)),
    Column("HEARD", lambda r: r["heard_at"], lambda r: r["ago"], fit=Fit(rank=3)),
]


def status(context: typer.Context, format: filters.Format = "", json: filters.Json = False) -> None:
    """Show the state of the daemon, the silo and the counters.

    msilo status
    """
    session: Session = context.obj
    try:
        answer = session.ask("status", {})
    except UnavailableError as error:
        reason = last_words(session.settings.silo_url)
        raise UnavailableError(
            f"{error}; it ended because {printable(reason)}" if reason else str(error)
        ) from error
    chosen = chosen_format(session, format, json, False)
    if chosen in ("json", "jsonl"):
        show(session, [answer], [], "jsonl")
        return
    if chosen == "ids":
        raise UsageError("status has no ids; choose table, tsv or json")
    if chosen == "tsv" and (format or "MSILO_FORMAT" in session.environment):
        show(session, _facts(answer), _FACT, chosen)
        return
    rows = " · ".join(f"{state} {count}" for state, count in sorted(answer["rows"].items()))
    counters = " · ".join(f"{name} {count}" for name, count in answer["counters"].items() if count)
    connections = " · ".join(f"{name} {count}" for name, count in answer["connections"].items())
    lines = [
        f"msilod {answer['version']}, pid {answer['pid']}, up {span(answer['uptime'])}",
        f"listening  {' '.join(answer['listening'])}",
        f"connections  {connections or 'none'}",
        f"domains    {' '.join(answer['domains'])}",
        f"silo       {answer['silo']}",
        f"messages   {rows}",
        *([f"paused     {' '.join(answer['paused'])}"] if answer["paused"] else []),
        f"bindings   {answer['bindings']} for {answer['recipients_registered']} recipients",
        f"since start  {counters or 'nothing yet'}",
    ]
    session.out.write(printable("\n".join(lines), keep_lines=True) + "\n")


def _facts(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A record for each fact; the facts of an object are named `object.fact`."""
    for name, value in answer.items():
        if isinstance(value, dict):
            yield from ({"name": f"{name}.{key}", "value": part} for key, part in value.items())
        else:
            yield {"name": name, "value": " ".join(map(str, value)) if isinstance(value, list) else value}


_FACT = [Column("NAME", lambda r: r["name"]), Column("VALUE", lambda r: r["value"])]


def reload(context: typer.Context) -> None:
    """Make the daemon read the configuration again.

    msilo reload
    """
    session: Session = context.obj
    later = session.ask("reload", {}, RELOAD_TIMEOUT)["wants_restart"]
    session.say(f"reloaded; restart msilod for {', '.join(later)}" if later else "reloaded")
