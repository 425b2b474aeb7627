"""Desk: an operator at the virtual daemon, running the functions behind `msilo`'s commands.

The commands use a database connection of their own, as a second writer. Calls to the daemon go to the handlers.
For each command the desk works out once more which rows are meant, from the rows and the wires alone. The changes, the
printed counts and the history must be the same; a difference is a fault in the ledger.
"""

import io
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, cast
from unittest.mock import patch

import msgspec
import trio
import typer

from msilo_cli.commands import inject_cmd, purge_cmd, state_cmds
from msilo_cli.session import Output, Session
from msilod.errors import MsilodError, UnavailableError, UsageError
from msilod.settings import Settings
from tests.network.world import DOMAIN, World

ACTOR: Final = "desk"
NO_FILTER: Final[Mapping[str, object]] = {
    "sender": "", "domain": "", "state": "", "older_than": "", "newer_than": "", "larger_than": "",
    "content_type": "", "error": False, "limit": None,
}  # fmt: skip


class Row(NamedTuple):
    """A row of the silo, with the columns used by verbs and filters."""

    id: int
    name: bytes
    aor: str
    sender: str
    state: str
    received_at: float
    due_at: float | None
    expires_at: float
    last_status: int | None
    content_type: bytes
    size: int
    attempts: int
    is_claimed: bool

    def left(self, wall: float) -> float:
        """Seconds of life left. The life of a scheduled row begins at `due_at`."""
        return self.expires_at - max(wall, self.due_at or 0.0)


_COLUMNS: Final = (
    "id, CAST(body AS BLOB), aor, sender, state, received_at, due_at, expires_at, last_status, "
    "CAST(content_type AS BLOB), size, attempts, owner <> ''"
)


@dataclass(frozen=True)
class Choice:
    """A filter. `words`: the options of the command. `means(row, wall)`: True when the filter selects the row."""

    means: Callable[[Row, float], bool] = lambda row, wall: True
    words: Mapping[str, object] = field(default_factory=dict)


def _in_state(state: str) -> Choice:
    return Choice(lambda row, wall: row.state == state, {"state": state})


CHOICES: Final[dict[str, Choice]] = {
    "all": Choice(),
    "two": Choice(words={"limit": 2}),
    "from dave": Choice(lambda row, wall: row.sender == f"dave@{DOMAIN}", {"sender": f"sip:dave@{DOMAIN}"}),
    "elsewhere": Choice(lambda row, wall: False, {"domain": "test"}),
    "waiting": _in_state("waiting"),
    "rejected": _in_state("rejected"),
    "scheduled": _in_state("scheduled"),
    "old": Choice(lambda row, wall: row.received_at < wall - 90, {"older_than": "1m30s"}),
    "new": Choice(lambda row, wall: row.received_at > wall - 60, {"newer_than": "60"}),
    "large": Choice(lambda row, wall: row.size > 20, {"larger_than": "20"}),
    "pictures": Choice(lambda row, wall: row.content_type == b"image/png", {"content_type": "IMAGE/png"}),
    "failed": Choice(lambda row, wall: row.last_status is not None, {"error": True}),
    "expired": Choice(
        # The life of a scheduled row begins when the daemon has made the row due.
        lambda row, wall: row.expires_at <= wall and row.state not in ("held", "scheduled"),
        {"expired": True, "yes": False},
    ),
}
# For each verb: the command, the states of rows to change, and the event in the history.
VERBS: Final[dict[str, tuple[Callable[..., None], tuple[str, ...], str]]] = {
    "hold": (state_cmds.hold, ("waiting", "scheduled"), "held"),
    "release": (state_cmds.release, ("held",), "released"),
    "requeue": (state_cmds.requeue, ("rejected", "handed"), "requeued"),
    "purge": (purge_cmd.purge, ("waiting", "scheduled", "held", "rejected", "handed"), "purged"),
}


async def _has_come(event: trio.Event) -> None:
    assert event.is_set(), "a commit is made in line"


class Terminal(Session):
    """The session of one command. Calls to the daemon need no socket."""

    def __init__(self, world: World) -> None:
        super().__init__(environment={"SUDO_USER": ACTOR})
        self.world = world
        self.data, self.talk = io.StringIO(), io.StringIO()
        self.out, self.err = Output(self.data), self.talk
        self._settings = Settings(world.config, None, world.folder / "silo.db", world.folder / "socket", ())

    def now(self) -> float:
        return self.world.clock.wall()

    def system(self) -> float:
        return self.world.clock.system()

    def told(self) -> list[dict[str, Any]]:
        """The JSON objects printed by the command."""
        return [msgspec.json.decode(line) for line in self.data.getvalue().splitlines()]

    def ask(self, method: str, params: dict[str, Any], timeout: float = 5.0) -> Any:
        if not self.world.is_up:
            raise UnavailableError("no daemon")
        # An injected message may be sent during the call.
        self.world.learn_rows()
        answer = handlers(self.world)[method](params)
        if not isinstance(answer, Coroutine):
            return answer
        with patch.object(trio.Event, "wait", _has_come):
            try:
                answer.send(None)
            except StopIteration as done:
                return done.value
        raise AssertionError(f"{method} waits for something else than a commit")


def handlers(world: World) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """The handlers of the control socket."""
    return world.verbs().handlers()


class Desk:
    """The operator. Held, purged and paused messages must not be sent. `done`: expected entries in the history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.done: Counter[tuple[int, str]] = Counter()
        self.paused: set[str] = set()
        self._left: dict[int, float] = {}

    def rows(self) -> dict[int, Row]:
        """The rows of the silo, by id, with all times as silo time (rows not yet due carry system time)."""
        found = (Row(*row) for row in self.world.read(f"SELECT {_COLUMNS} FROM silo ORDER BY id"))
        ahead = self.world.clock.system() - self.world.clock.wall()
        return {
            row.id: row
            if row.due_at is None
            else row._replace(due_at=row.due_at - ahead, expires_at=row.expires_at - ahead)
            for row in found
        }

    def entries(self) -> list[tuple[int, str, str]]:
        """The history: (id, event, actor)."""
        return self.world.read("SELECT message, event, actor FROM silo_history ORDER BY id")

    # --- rows ----------------------------------------------------------------------------------------

    def do(self, verb: str, recipient: str, choice: str) -> None:
        """Run `msilo VERB RECIPIENT --FILTER`, and check the changes, the counts and the history."""
        event, filters = VERBS[verb][2], CHOICES[choice]
        if not self._has(verb, filters):
            return
        wall, before, told = self.world.clock.wall(), self.rows(), self.entries()
        meant, sending = self._meant(verb, recipient, filters, before)
        if verb in ("release", "requeue"):
            # These rows may be sent during the call. Rows refused by a device were perhaps held before.
            self.ledger.barred -= {row.id for row in meant}
        if verb == "release":
            for row in meant:
                # The rest of the life begins now, or when a scheduled row is due.
                begins = max(wall, row.due_at or 0.0)
                self.ledger.messages[row.name].expires_at = begins + self._left[row.id]
        self.ledger.set_aside |= {row.id for row in meant}
        talk = self._run(verb, recipient, filters).talk.getvalue().splitlines()
        counts = [len(meant), *([len(sending)] if sending else [])]
        if [line.partition(" ")[0] for line in talk] != [str(count) for count in counts]:
            self._fault(f"{verb} {choice} told {talk} of {counts}")
        actor = ACTOR
        if "expired" in filters.words:
            # The daemon ends expired rows, so the history has no actor.
            event, actor = "expired", ""
        else:
            self.done.update((row.id, event) for row in meant)
        new = Counter(entry for entry in self.entries()[len(told) :] if entry[2] or entry[1] == "expired")
        if not actor:
            # Other messages may expire at the same time.
            new &= Counter((row.id, event, actor) for row in meant)
        elif verb in ("release", "requeue"):
            # The daemon looks at these recipients at once, and ends expired messages.
            new -= Counter((row.id, "expired", "") for row in before.values() if row.left(wall) <= 0)
        if new != Counter((row.id, event, actor) for row in meant):
            self._fault(f"{verb} {choice} left {new} in the history, meant {[row.id for row in meant]}")
        getattr(self, f"_after_{verb}")(meant, self.rows(), wall)
        self._check_others(verb, before, {row.id for row in meant}, len(told))

    def look(self, verb: str, recipient: str) -> None:
        """Run `msilo VERB RECIPIENT --FILTER --dry-run --ids` with each filter of the verb, and check the ids.

        A waiting row on the wire is shown as `sending`, and `hold` changes this row. A held row on the wire is shown as
        `held`, and `purge` leaves this row.
        """
        rows = self.rows()
        is_shown = {
            id for id in self.ledger.on_wire(self.world.wires.now) if id in rows and rows[id].state == "held"
        }
        for choice, filters in CHOICES.items():
            if self._has(verb, filters) and (verb, choice) != ("hold", "waiting"):
                ids = [row.id for row in self._meant(verb, recipient, filters, rows)[0]]
                told = self._run(verb, recipient, filters, dry_run=True, ids=True).data.getvalue().split()
                shown = [int(id) for id in told if verb != "purge" or int(id) not in is_shown]
                if shown != ids:
                    self._fault(f"{verb} {choice} --dry-run showed {shown} and not {ids}")

    def _meant(
        self, verb: str, recipient: str, filters: Choice, rows: Mapping[int, Row]
    ) -> tuple[list[Row], list[Row]]:
        """(rows to change, reported rows on the wire). `hold` changes rows on the wire, `purge` does not."""
        wall, on_wire = self.world.clock.wall(), self.ledger.on_wire(self.world.wires.now)
        meant = [
            row
            for row in rows.values()
            if (row.aor == recipient or recipient == f"*@{DOMAIN}")
            and row.state in VERBS[verb][1]
            and filters.means(row, wall)
        ][: cast(int | None, filters.words.get("limit"))]
        # A row rejected by one device may still be in flight to another.
        sending = [row for row in meant if row.id in on_wire and row.state != "rejected"]
        if verb == "purge":
            return [row for row in meant if row not in sending], sending
        return meant, sending if verb == "hold" else []

    def _has(self, verb: str, filters: Choice) -> bool:
        """`release` has no --state, and only `purge` has --expired."""
        return not (
            (verb == "release" and "state" in filters.words)
            or (verb != "purge" and "expired" in filters.words)
        )

    def _run(self, verb: str, recipient: str, filters: Choice, **more: object) -> Terminal:
        """Run the command. Each line of `talk` begins with a count."""
        terminal = Terminal(self.world)
        options = {name: value for name, value in NO_FILTER.items() if verb != "release" or name != "state"}
        sure = {"expired": False, "yes": True} if verb == "purge" else {}
        context = cast(typer.Context, SimpleNamespace(obj=terminal))
        try:
            VERBS[verb][0](context, [recipient], **options | sure | dict(filters.words) | more)
        finally:
            terminal.close()
        return terminal

    def _after_hold(self, meant: list[Row], now: dict[int, Row], wall: float) -> None:
        on_wire = self.ledger.on_wire(self.world.wires.now)
        for row in meant:
            # The life of a scheduled row begins at `due_at`, or at a later release.
            self._left[row.id] = row.expires_at - (wall if row.due_at is None else row.due_at)
            self.ledger.barred.add(row.id)
            if now[row.id].state != "held" or (now[row.id].is_claimed and row.id not in on_wire):
                self._fault(f"held, but {now[row.id]}")

    def _after_release(self, meant: list[Row], now: dict[int, Row], wall: float) -> None:
        """A released row has the same life left as when held."""
        for row in meant:
            left = self._left[row.id]
            released = now.get(row.id)
            if released is None:
                if left > 0:
                    self._fault(f"released, but gone: {row}")
                continue
            is_due = row.due_at is None or row.due_at <= wall
            # A row refused by all devices of the recipient before is rejected during the call.
            if released.state not in (("waiting", "rejected") if is_due else ("scheduled",)):
                self._fault(f"released, but {released}")
            if abs(released.left(wall) - left) > 0.001:
                self._fault(f"released with {released.left(wall)} s to live, held with {left} s")

    def _after_requeue(self, meant: list[Row], now: dict[int, Row], wall: float) -> None:
        for row in meant:
            if row.id in now and (now[row.id].state != "waiting" or now[row.id].attempts):
                self._fault(f"requeued, but {now[row.id]}")

    def _after_purge(self, meant: list[Row], now: dict[int, Row], wall: float) -> None:
        self.ledger.barred |= {row.id for row in meant}
        for row in meant:
            if row.id in now:
                self._fault(f"purged, but {now[row.id]}")

    def _check_others(self, verb: str, before: dict[int, Row], meant: set[int], told: int) -> None:
        """Check that no other row has changed, except for changes by the daemon with an entry in the history.

        The history has a rejection or a failed attempt at once. When the silo has refused the write of the row, the
        row changes later.
        """
        now, entries = self.rows(), self.entries()
        by_daemon = {id for id, _, actor in entries[told:] if not actor}
        last = {id: (event, actor) for id, event, actor in entries[:told]}
        by_daemon |= {
            id for id, row in now.items() if row.state == "rejected" and last.get(id) == ("rejected", "")
        }
        failed = dict(
            self.world.read("SELECT message, status FROM silo_history WHERE event = 'failed' ORDER BY id")
        )
        by_daemon |= {
            id for id, row in now.items()
            if row.state == "waiting" and last.get(id) == ("failed", "") and failed[id] == row.last_status
        }  # fmt: skip
        for id, row in before.items():
            if id not in meant and id not in by_daemon:
                is_same = (
                    id in now and now[id]._replace(is_claimed=row.is_claimed, attempts=row.attempts) == row
                )
                if not is_same:
                    self._fault(f"{verb} has changed {row} to {now.get(id)}")

    def _fault(self, text: str) -> None:
        self.ledger.fault(self.world.wires.now, text)

    # --- domains, and new messages -------------------------------------------------------------------

    def pause(self, domain: str) -> None:
        """Run `msilo pause DOMAIN`; "" for all domains. A domain that is not served is refused."""
        try:
            self._switch(state_cmds.pause, domain)
        except UsageError as error:
            if domain in ("", DOMAIN):
                self._fault(f"pause {domain}: {error}")
            return
        if domain not in ("", DOMAIN):
            self._fault(f"pause {domain} was not refused")
        self.paused.add(domain or "*")
        self.ledger.is_paused = not self.paused.isdisjoint((DOMAIN, "*"))

    def resume(self, domain: str) -> None:
        """Run `msilo resume DOMAIN`; "" for all domains."""
        self.paused = self.paused - {domain} if domain else set()
        self.ledger.is_paused = not self.paused.isdisjoint((DOMAIN, "*"))
        self._switch(state_cmds.resume, domain)

    def _switch(self, command: Callable[..., None], domain: str) -> None:
        terminal = Terminal(self.world)
        try:
            command(cast(typer.Context, SimpleNamespace(obj=terminal)), [domain] if domain else [])
        finally:
            terminal.close()

    def inject(self, recipient: str, name: bytes, life: float, delay: float) -> None:
        """Run `msilo inject RECIPIENT NAME --at +DELAY`. Only a full mailbox may refuse the message."""
        rows = [
            row
            for row in self.rows().values()
            if row.aor == recipient and row.state not in ("rejected", "handed")
        ]
        terminal, due = Terminal(self.world), self.world.clock.wall() + delay
        self.ledger.sent(name, recipient.partition("@")[0], life, "dave")
        self.ledger.messages[name].expires_at = due + life
        if delay:
            self.ledger.messages[name].due_at = due
            self.ledger.messages[name].due_on = self.world.clock.system() + delay
        at = f"+{delay:.0f}s" if delay else ""
        is_full = len(rows) >= self.world.config.silo.max_messages
        try:
            inject_cmd.inject(
                cast(typer.Context, SimpleNamespace(obj=terminal)), recipient, name.decode(), at=at,
                sender=f"sip:dave@{DOMAIN}", expires=f"{life:.0f}", content_type=inject_cmd.TEXT, header=None,
                file=None,
            )  # fmt: skip
        except inject_cmd.Refused as refused:
            if not is_full:
                self._fault(f"{refused}, with {len(rows)} rows")
            return
        finally:
            terminal.close()
        if is_full:
            self._fault(f"{name!r} was taken beside {len(rows)} rows")
        self.ledger.answered(name, 202)
        if delay:
            # A scheduled message is sent when due, before or after newer messages.
            self.ledger.set_aside.add(int(terminal.data.getvalue()))

    async def dump(self, recipient: str, contact: str) -> None:
        """Run `msilo dump RECIPIENT --to CONTACT`; with "" for the registered contacts."""
        try:
            await handlers(self.world)["dump"]({"aors": [recipient], "to": contact or None})
        except MsilodError as error:
            self._fault(f"dump {recipient} {contact}: {error}")
