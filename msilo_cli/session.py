"""Session: what a command needs: configuration, the open queue, the daemon, the terminal, the clock.

Rule: opened when first asked for, so that `msilo --help` touches nothing.
"""

import io
import os
import pwd
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from msilo_cli.names import Names
from msilod.control.protocol import MAX_LINE, ControlClient
from msilod.errors import MsilodError, UnavailableError
from msilod.settings import Options, Settings, load
from msilod.silo.policy import EACH_DEVICE
from msilod.store.commit.quota import Limits
from msilod.store.tables.queue import Queue
from msilod.store.tables.users import UserTable
from msilod.store.times import CLOCK, silo_clock
from msilod.streams import discard

# Ids of one recipient in a call of the control protocol.
IDS_A_CALL: Final = 5000
GIVE_UP_TIMEOUT: Final = 10.0
# A daemon answers from memory; without its answer the configuration says which names are ours.
NAMES_TIMEOUT: Final = 2.0


def calls(rows: Mapping[str, Sequence[int]]) -> list[dict[str, list[int]]]:
    """The ids by AOR in pieces that fit into a line of the control protocol; each AOR of `rows` is in one of them."""
    made: list[dict[str, list[int]]] = []
    room = 0
    for aor, ids in rows.items():
        # At most 20 characters an id; an AOR may need an escape for each of its characters.
        for start in range(0, max(len(ids), 1), IDS_A_CALL):
            piece = list(ids[start : start + IDS_A_CALL])
            size = 6 * len(aor) + 20 * (len(piece) + 1)
            if size > room or aor in made[-1]:
                made.append({})
                room = MAX_LINE // 3
            made[-1][aor] = piece
            room -= size
    return made


class UsageError(MsilodError):
    """The words do not say enough, or a confirmation is missing."""

    exit_code = 2


class SomeFailed(MsilodError):
    """Several were asked for and some failed."""


class Output(io.TextIOBase):
    """Standard output; a reader that has seen enough ends the command, quietly and with 0.

    A write that fails otherwise, for example on a full disk, raises MsilodError. Of a stream without `ends_quietly`
    each failure is an OSError for the caller: that output was to be whole.
    """

    def __init__(self, stream: TextIO, ends_quietly: bool = True) -> None:
        self._stream = stream
        self._ends_quietly = ends_quietly

    def write(self, text: str) -> int:
        """As the stream's."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._end(error)

    def flush(self) -> None:
        """As the stream's."""
        try:
            self._stream.flush()
        except OSError as error:
            self._end(error)

    def isatty(self) -> bool:
        """As the stream's."""
        return self._stream.isatty()

    def _end(self, error: OSError) -> NoReturn:
        if not self._ends_quietly:
            raise error
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0)
        raise MsilodError(f"standard output: {error.strerror}") from error


@dataclass
class Session:
    """The global options; standard output carries data, standard error talk."""

    config_file: Path | None = None
    db_url: str | None = None
    socket: str | None = None
    color: str = "auto"
    verbosity: int = 0
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    out: Output = field(default_factory=lambda: Output(sys.stdout))
    err: TextIO = field(default_factory=lambda: sys.stderr)
    _settings: Settings | None = None
    _queue: Queue | None = None
    _users: UserTable | None = None
    _names: Names | None = None
    _clock: Callable[[], float] | None = None

    @property
    def names(self) -> Names:
        """Which mailbox an address names."""
        if self._names is None:
            self._names = Names(self.settings, self._ask_names, lambda: self.queue.secret("gruu"))
        return self._names

    @property
    def settings(self) -> Settings:
        """The configuration, read once."""
        if self._settings is None:
            options = Options(db_url=self.db_url, socket=self.socket)
            self._settings = load(self.config_file, self.environment, options)
        return self._settings

    @property
    def queue(self) -> Queue:
        """The open silo."""
        if self._queue is None:
            config = self.settings.config
            memory = config.silo.device_memory if config.silo.devices == EACH_DEVICE else 0
            self._queue = Queue(self.settings.silo, config.db_table, self._on_wire, memory)
        return self._queue

    @property
    def limits(self) -> Limits:
        """The quotas of a message that comes by SIP."""
        config = self.settings.config
        return Limits.of(config.silo, config.auth.mode != "off" and self.queue.have_users_existed())

    @property
    def users(self) -> UserTable:
        """The open table of users."""
        if self._users is None:
            self._users = UserTable(self.settings.silo, self.settings.config.db_table)
        return self._users

    def now(self) -> float:
        """Silo time (msilod/store/times.py): what the times of rows are compared with. It opens the silo."""
        if self._clock is None:
            self._clock = silo_clock(self.queue.secret(CLOCK))
        return self._clock()

    def system(self) -> float:
        """Seconds since 1970, UTC, by the system's clock: what is shown and read."""
        return time.time()

    @property
    def ahead(self) -> float:
        """Seconds from silo time to system time."""
        # Two clocks are read one after the other.
        return round(self.system() - self.now(), 3)

    def ask(self, method: str, params: dict[str, Any], timeout: float = 5.0) -> Any:
        """Call the daemon. Raises UnavailableError when there is none."""
        with ControlClient(self.settings.socket) as client:
            return client.call(method, params, timeout)

    def wake(self, aors: Sequence[str], requeued: Mapping[str, Sequence[int]] | None = None) -> None:
        """Tell a running daemon of rows that it may send; without one, its next start finds them.

        Without AORs it looks at what else has changed.
        """
        left: dict[str, list[int]] = {aor: list((requeued or {}).get(aor, ())) for aor in aors}
        try:
            for some in calls(left) or [{}]:
                mine = {aor: ids for aor, ids in some.items() if ids}
                self.ask("wake", {"aors": list(some), "requeued": mine})
        except UnavailableError:
            self.say("no daemon is running; its next start will find it", level=1)

    def give_up(self, rows: Mapping[str, Sequence[int]]) -> tuple[list[int], list[int]]:
        """Ask a running daemon for rows by AOR: those it gave up, and those on the wire; without one, neither."""
        given: list[int] = []
        sending: list[int] = []
        try:
            for some in calls(rows):
                told = self.ask("give_up", {"rows": some}, GIVE_UP_TIMEOUT)
                given += told["given_up"]
                sending += told["sending"]
        except UnavailableError:
            self.say("no daemon is running", level=1)
        return given, sending

    @property
    def has_daemon(self) -> bool:
        """True while a daemon answers at the control socket."""
        try:
            self.ask("on_wire", {})
        except UnavailableError:
            return False
        return True

    def _on_wire(self) -> list[int] | None:
        try:
            return list(self.ask("on_wire", {})["ids"])
        except MsilodError:
            return None

    def _ask_names(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.ask("names", {}, NAMES_TIMEOUT)
            return found
        except MsilodError:
            return None

    @property
    def actor(self) -> str:
        """Who does it, for the history: the user, also behind sudo."""
        name = self.environment.get("SUDO_USER")
        if name:
            return name
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return f"uid {os.getuid()}"

    def wake_users(self) -> None:
        """Tell a running daemon that users have changed, and wait until it knows."""
        try:
            self.ask("wake", {"users": True})
        except UnavailableError:
            self.say("no daemon is running", level=2)

    def say(self, text: str, level: int = 0) -> None:
        """Talk: on standard error, and only if the verbosity is at least `level` (-q silences 0)."""
        if self.verbosity >= level:
            self.err.write(f"{text}\n")

    @property
    def is_interactive(self) -> bool:
        """True when a person can be asked."""
        return sys.stdin.isatty() and self.err.isatty()

    def confirm(self, question: str) -> bool:
        """y/N on standard error."""
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def close(self) -> None:
        """Let go of the silo, and of what was printed."""
        try:
            self.out.flush()
        finally:
            if self._queue is not None:
                self._queue.close()
            if self._users is not None:
                self._users.close()
