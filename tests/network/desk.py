"""Desk: an operator at the virtual daemon, with the verbs of `msilo` themselves, below the words of its command line.

Rules: his connection is a second writer's, and what a verb asks the daemon is answered by the daemon's own handlers,
at once. Which rows a verb means is worked out here once more, row by row and from nothing but the rows and the
wires; what it changed, told and left in the history has to be just that. What differs is a fault in the ledger.
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
from msilod.errors import MsilodError, UnavailableError
from msilod.settings import Settings
from tests.network.world import DOMAIN, World

ACTOR: Final = "desk"
NO_FILTER: Final[Mapping[str, object]] = {
    "sender": "", "domain": "", "state": "", "older_than": "", "newer_than": "", "larger_than": "",
    "content_type": "", "error": False, "limit": None,
}  # fmt: skip


class Row(NamedTuple):
    """A row of the silo, as far as an operator's verb or filter looks at it."""

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
        """Of its life; that of a scheduled one begins when it is due."""
        return self.expires_at - max(wall, self.due_at or 0.0)


_COLUMNS: Final = (
    "id, CAST(body AS BLOB), aor, sender, state, received_at, due_at, expires_at, last_status, "
    "CAST(content_type AS BLOB), size, attempts, owner <> ''"
)


@dataclass(frozen=True)
class Choice:
    """A filter: its words on the command line, and whether a row is meant by it at that time."""

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
        lambda row, wall: row.expires_at <= wall and row.state != "held", {"expired": True, "yes": False}
    ),
}
# For each verb: its command, the states that it acts on, and its entry in the history.
VERBS: Final[dict[str, tuple[Callable[..., None], tuple[str, ...], str]]] = {
    "hold": (state_cmds.hold, ("waiting", "scheduled"), "held"),
    "release": (state_cmds.release, ("held",), "released"),
    "requeue": (state_cmds.requeue, ("rejected", "handed"), "requeued"),
    "purge": (purge_cmd.purge, ("waiting", "scheduled", "held", "rejected", "handed"), "purged"),
}


async def _has_come(event: trio.Event) -> None:
    assert event.is_set(), "a commit is made in line"


class Terminal(Session):
    """`msilo` of one command, whose daemon answers without a socket."""

    def __init__(self, world: World) -> None:
        super().__init__(environment={"SUDO_USER": ACTOR})
        self.world = world
        self.data, self.talk = io.StringIO(), io.StringIO()
        self.out, self.err = Output(self.data), self.talk
        self._settings = Settings(world.config, None, world.silo.path, world.folder / "socket", ())

    def now(self) -> float:
        return self.world.clock.wall()

    def system(self) -> float:
        return self.world.clock.system()

    def told(self) -> list[dict[str, Any]]:
        """The lines of JSON that it has written."""
        return [msgspec.json.decode(line) for line in self.data.getvalue().splitlines()]

    def ask(self, method: str, params: dict[str, Any], timeout: float = 5.0) -> Any:
        if not self.world.is_up:
            raise UnavailableError("no daemon")
        # What was injected may leave while the daemon is told of it.
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
    """What the control socket offers."""
    return world.verbs().handlers()


class Desk:
    """What he holds, purges or pauses may not be sent from then on. `done` counts his entries in the history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.done: Counter[tuple[int, str]] = Counter()
        self.paused: set[str] = set()
        self._left: dict[int, float] = {}

    def rows(self) -> dict[int, Row]:
        """The silo, by id. All times are silo time; the row has the time of day of what is not yet due."""
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
        """`msilo VERB RECIPIENT --FILTER`, and whether it did what it says."""
        event, filters = VERBS[verb][2], CHOICES[choice]
        if not self._has(verb, filters):
            return
        wall, before, told = self.world.clock.wall(), self.rows(), self.entries()
        meant, sending = self._meant(verb, recipient, filters, before)
        if verb in ("release", "requeue"):
            # They may leave while the daemon is told; what a device has refused was perhaps held before.
            self.ledger.barred -= {row.id for row in meant}
        self.ledger.set_aside |= {row.id for row in meant}
        talk = self._run(verb, recipient, filters).talk.getvalue().splitlines()
        counts = [len(meant), *([len(sending)] if sending else [])]
        if [line.partition(" ")[0] for line in talk] != [str(count) for count in counts]:
            self._fault(f"{verb} {choice} told {talk} of {counts}")
        actor = ACTOR
        if "expired" in filters.words:
            # The daemon ends them, as in its own time.
            event, actor = "expired", ""
        else:
            self.done.update((row.id, event) for row in meant)
        new = Counter(entry for entry in self.entries()[len(told) :] if entry[2] or entry[1] == "expired")
        if not actor:
            # A message whose life ends meanwhile may be among them.
            new &= Counter((row.id, event, actor) for row in meant)
        elif verb in ("release", "requeue"):
            # The daemon is told, and ends messages of these recipients at once whose life is over.
            new -= Counter((row.id, "expired", "") for row in before.values() if row.left(wall) <= 0)
        if new != Counter((row.id, event, actor) for row in meant):
            self._fault(f"{verb} {choice} left {new} in the history, meant {[row.id for row in meant]}")
        getattr(self, f"_after_{verb}")(meant, self.rows(), wall)
        self._check_others(verb, before, {row.id for row in meant}, len(told))

    def look(self, verb: str, recipient: str) -> None:
        """`msilo VERB RECIPIENT --FILTER --dry-run --ids`, with every filter that it has.

        A row on the wire is shown as `sending`, and held with those that wait; a held one there as `held`, and not
        purged.
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
        """Those that the verb changes, and those on the wire that it tells of: `hold` takes them, `purge` does not."""
        wall, on_wire = self.world.clock.wall(), self.ledger.on_wire(self.world.wires.now)
        meant = [
            row
            for row in rows.values()
            if (row.aor == recipient or recipient == f"*@{DOMAIN}")
            and row.state in VERBS[verb][1]
            and filters.means(row, wall)
        ][: cast(int | None, filters.words.get("limit"))]
        # What one device has refused may still be on the way to another.
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
        """What the command says, line by line, begins with how many it was."""
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
            # The life of what is not yet due begins when it is due, or at the release if that is later.
            self._left[row.id] = row.expires_at - (wall if row.due_at is None else row.due_at)
            self.ledger.barred.add(row.id)
            if now[row.id].state != "held" or (now[row.id].is_claimed and row.id not in on_wire):
                self._fault(f"held, but {now[row.id]}")

    def _after_release(self, meant: list[Row], now: dict[int, Row], wall: float) -> None:
        """It has as much of its life as when it was held."""
        for row in meant:
            left = self._left[row.id]
            self.ledger.messages[row.name].expires_at = max(wall, row.due_at or 0.0) + left
            released = now.get(row.id)
            if released is None:
                if left > 0:
                    self._fault(f"released, but gone: {row}")
                continue
            is_due = row.due_at is None or row.due_at <= wall
            # What all of his devices have refused before is rejected when the daemon is told.
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
        """The rest is as it was, unless the daemon says so in the history.

        The history has a rejection at once. Where the silo has refused that write, the row follows with a later try.
        """
        now, entries = self.rows(), self.entries()
        by_daemon = {id for id, _, actor in entries[told:] if not actor}
        last = {id: (event, actor) for id, event, actor in entries[:told]}
        by_daemon |= {
            id for id, row in now.items() if row.state == "rejected" and last.get(id) == ("rejected", "")
        }
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
        """`msilo pause DOMAIN`, all of them without one."""
        self._switch(state_cmds.pause, domain)
        self.paused.add(domain or "*")
        self.ledger.is_paused = not self.paused.isdisjoint((DOMAIN, "*"))

    def resume(self, domain: str) -> None:
        """`msilo resume DOMAIN`, all of them without one."""
        self.paused = self.paused - {domain} if domain else set()
        self.ledger.is_paused = not self.paused.isdisjoint((DOMAIN, "*"))
        self._switch(state_cmds.resume, domain)

    def _switch(self, command: Callable[..., None], domain: str) -> None:
        terminal = Terminal(self.world)
        command(cast(typer.Context, SimpleNamespace(obj=terminal)), [domain] if domain else [])
        terminal.close()

    def inject(self, recipient: str, name: bytes, life: float, delay: float) -> None:
        """`msilo inject RECIPIENT NAME --at +DELAY`; a full mailbox refuses it, and no other does."""
        rows = [
            row
            for row in self.rows().values()
            if row.aor == recipient and row.state not in ("rejected", "handed")
        ]
        terminal, due = Terminal(self.world), self.world.clock.wall() + delay
        self.ledger.sent(name, recipient.partition("@")[0], life, "dave")
        self.ledger.messages[name].expires_at = due + life
        self.ledger.messages[name].due_at = due if delay else 0.0
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
            # In its turn when it is due, whatever has come since.
            self.ledger.set_aside.add(int(terminal.data.getvalue()))

    async def dump(self, recipient: str, contact: str) -> None:
        """`msilo dump RECIPIENT --to CONTACT`; without one to where he is registered."""
        try:
            await handlers(self.world)["dump"]({"aors": [recipient], "to": contact or None})
        except MsilodError as error:
            self._fault(f"dump {recipient} {contact}: {error}")
