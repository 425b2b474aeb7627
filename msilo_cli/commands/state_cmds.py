"""State commands: `msilo hold`, `release` and `requeue` for messages, `pause` and `resume` for domains."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Annotated

import typer

from msilo_cli import filters
from msilo_cli.message_view import columns, record
from msilo_cli.printer import chosen_format, show
from msilo_cli.session import Session, tell_unknown
from msilod.errors import UsageError
from msilod.store.tables.operator import Changed, Operator
from msilod.store.tables.selection import Selection

All = Annotated[bool, typer.Option("--all", help="Every message.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the set, change nothing.")]
Domains = Annotated[
    list[str] | None, typer.Argument(metavar="[DOMAIN]...", help="These domains; all without a name.")
]
Action = Callable[[Session, Selection], None]
Change = Callable[[Operator, Selection, float], Iterator[Changed]]


def changing(*states: str, without: Sequence[str] = ()) -> Callable[[Action], filters.Verb]:
    """Make a command of an action on the selected messages in `states`.

    The command has the arguments and options of `filters.selecting`, --all, --dry-run and the formats. Without a
    selection and --all the command raises UsageError. Unknown ids are reported after the action.
    """

    def decorate(action: Action) -> filters.Verb:
        @filters.selecting(without=without)
        def command(
            context: typer.Context,
            selection: Selection,
            all_: All = False,
            dry_run: DryRun = False,
            format: filters.Format = "",
            json: filters.Json = False,
            ids: filters.Ids = False,
        ) -> None:
            session: Session = context.obj
            if selection.is_empty and not all_:
                raise UsageError(f"{action.__name__} needs a selection: recipients, ids, a filter or --all")
            if dry_run:
                _show(session, selection, states, chosen_format(session, format, json, ids))
                return
            action(session, selection)
            tell_unknown(session.unknown(selection.ids), selection.ids)

        command.__name__, command.__doc__ = action.__name__, action.__doc__
        return command

    return decorate


# Rows on the wire are shown as `sending`, but are `waiting` in the database and can be held.
@changing("waiting", "scheduled", "sending")
def hold(session: Session, selection: Selection) -> None:
    """Hold messages: no delivery and no expiry until release.

    msilo hold bob@example.test --type image/png
    """
    total = _change(session, selection, Operator.hold)
    _, sending = session.give_up(total.claimed)
    session.say(f"{total.count} held")
    if sending:
        session.say(f"{len(sending)} of them are on the wire: that attempt still ends by itself", level=-1)


@changing("held", without=["state"])
def release(session: Session, selection: Selection) -> None:
    """Release held messages; the time held is added to their life.

    msilo release bob@example.test
    """
    total = _change(session, selection, Operator.release)
    session.say(f"{total.count} released")
    session.wake(list(total.ids))


@changing("rejected", "handed")
def requeue(session: Session, selection: Selection) -> None:
    """Deliver rejected and handed messages again, like new messages.

    msilo requeue bob@example.test --state rejected
    """
    total = _change(session, selection, Operator.requeue)
    session.say(f"{total.count} requeued")
    session.wake(list(total.ids), total.ids)


def pause(context: typer.Context, domains: Domains = None) -> None:
    """Stop deliveries to these domains, or to all, until resume; new messages are stored.

    msilo pause example.test
    """
    session: Session = context.obj
    names = [filters.host(name) for name in domains or []]
    for name in names:
        filters.served(session, f"*@{name}")
    session.queue.operator(session.actor).pause(names, session.now())
    _tell_pauses(session)


def resume(context: typer.Context, domains: Domains = None) -> None:
    """Resume deliveries to these domains; without a domain, to all.

    msilo resume
    """
    session: Session = context.obj
    session.queue.operator(session.actor).resume([filters.host(name) for name in domains or []])
    _tell_pauses(session)


def _tell_pauses(session: Session) -> None:
    session.wake([])
    paused = sorted(session.queue.paused())
    names = "all domains" if "*" in paused else ", ".join(paused)
    session.say(f"paused: {names}" if paused else "nothing is paused")


def _show(session: Session, selection: Selection, states: Collection[str], format: str) -> None:
    """Print the selected messages in one of `states`. The limit counts these messages only, as the action does."""
    everything = session.queue.messages(replace(selection, limit=None), session.now())
    found = islice((message for message in everything if message.state in states), selection.limit)
    records = map(partial(record, ahead=session.ahead), found)
    show(session, records, columns(session.system()), format)


def _change(session: Session, selection: Selection, change: Change) -> Changed:
    operator, total = session.queue.operator(session.actor, session.ahead), Changed()
    for batch in change(operator, selection, session.now()):
        total.add(batch)
    return total
