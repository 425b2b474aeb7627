"""Session: the configuration, silo, daemon, output and clock of one run of `msilo`.

Each of these is opened when first used, so `msilo --help` opens nothing.
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
from msilod.errors import MsilodError, NoSuchMessage, UnavailableError
from msilod.settings import Options, Settings, load
from msilod.silo.policy import EACH_DEVICE
from msilod.store.limits import Limits
from msilod.store.tables.queue import Queue
from msilod.store.tables.users import UserTable
from msilod.store.times import CLOCK, silo_clock
from msilod.streams import discard

# Ids of one recipient in one call of the control protocol.
IDS_A_CALL: Final = 5000
# Seconds for a call with a commit.
GIVE_UP_TIMEOUT: Final = 10.0
# Readings of the two clocks, and the seconds that one reading takes at most.
READINGS: Final = 10
AT_ONCE: Final = 0.0002
# Seconds. A daemon answers `names` from memory; without an answer the configuration is used.
NAMES_TIMEOUT: Final = 2.0


def calls(rows: Mapping[str, Sequence[int]]) -> list[dict[str, list[int]]]:
    """Split ids by AOR into pieces for one line each of the control protocol. Each AOR is in at least one piece."""
    made: list[dict[str, list[int]]] = []
    room = 0
    for aor, ids in rows.items():
        # An id has at most 20 characters. Each character of an AOR may need an escape of 6.
        for start in range(0, max(len(ids), 1), IDS_A_CALL):
            piece = list(ids[start : start + IDS_A_CALL])
            size = 6 * len(aor) + 20 * (len(piece) + 1)
            if size > room or aor in made[-1]:
                made.append({})
                room = MAX_LINE // 3
            made[-1][aor] = piece
            room -= size
    return made


class SomeFailed(MsilodError):
    """A command for several messages failed for some of them."""


def tell_unknown(unknown: Sequence[int], ids: Sequence[int]) -> None:
    """Raises NoSuchMessage when all of `ids` are unknown, SomeFailed when some are."""
    if unknown:
        text = f"there is no message {', '.join(map(str, unknown))} (see msilo list)"
        raise NoSuchMessage(text) if len(unknown) == len(ids) else SomeFailed(text)


class Output(io.TextIOBase):
    """Standard output, or the file of `-o`.

    With `ends_quietly`, a closed pipe ends the command with exit code 0 (as in `msilo list | head`), and any other
    failure, for example a full disk, raises MsilodError. Otherwise each failure raises OSError: the output must be
    whole.
    """

    def __init__(self, stream: TextIO, ends_quietly: bool = True) -> None:
        self._stream = stream
        self._ends_quietly = ends_quietly

    def write(self, text: str) -> int:
        """As TextIO.write; see the class for errors."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._end(error)

    def flush(self) -> None:
        """As TextIO.flush; see the class for errors."""
        try:
            self._stream.flush()
        except OSError as error:
            self._end(error)

    def isatty(self) -> bool:
        """True for a terminal."""
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
    """The global options, and the objects opened by them. Data goes to `out`, all other text to `err`."""

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
        """The reader of addresses."""
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
        """The messages of the silo."""
        if self._queue is None:
            config = self.settings.config
            memory = config.silo.device_memory if config.silo.devices == EACH_DEVICE else 0
            self._queue = Queue(self.settings.silo, config.db_table, self._on_wire, memory)
        return self._queue

    @property
    def limits(self) -> Limits:
        """The quotas, as for a MESSAGE received by SIP."""
        return Limits.of(self.settings.config.silo, self.knows_names)

    @property
    def knows_names(self) -> bool:
        """True when names in our domains may be unknown, as `Members.knows_names` of the daemon."""
        return self.settings.config.auth.mode != "off" and self.queue.have_users_existed()

    @property
    def users(self) -> UserTable:
        """The table of users."""
        if self._users is None:
            self._users = UserTable(self.settings.silo, self.settings.config.db_table)
        return self._users

    def now(self) -> float:
        """Silo time (msilod/store/times.py), for comparisons with times in rows. Opens the silo."""
        if self._clock is None:
            self._clock = silo_clock(self.queue.secret(CLOCK))
        return self._clock()

    def system(self) -> float:
        """System time: seconds since 1970, UTC, for times shown to the user and read from the command line."""
        return time.time()

    @property
    def ahead(self) -> float:
        """Seconds from silo time to system time.

        The three readings are repeated while another process takes the processor in between: two commands must show
        the same second for the same time.
        """
        for _ in range(READINGS):
            before, silo, after = self.system(), self.now(), self.system()
            if after - before < AT_ONCE:
                break
        return round((before + after) / 2 - silo, 3)

    def ask(self, method: str, params: dict[str, Any], timeout: float = 5.0) -> Any:
        """Call a method of the daemon. `timeout`: seconds. Raises UnavailableError without a daemon, ControlError.

        With --socket a daemon can be asked while the configuration has a fault.
        """
        with ControlClient(Path(self.socket) if self.socket else self.settings.socket) as client:
            return client.call(method, params, timeout)

    def wake(self, aors: Sequence[str], requeued: Mapping[str, Sequence[int]] | None = None) -> None:
        """Tell a running daemon to send rows of `aors`, and to take over other changes of the silo.

        `requeued`: ids of requeued rows, by AOR. Without a daemon the next start finds the changes.
        """
        left: dict[str, list[int]] = {aor: list((requeued or {}).get(aor, ())) for aor in aors}
        try:
            for some in calls(left) or [{}]:
                mine = {aor: ids for aor, ids in some.items() if ids}
                self.ask("wake", {"aors": list(some), "requeued": mine})
        except UnavailableError:
            self.say("no daemon is running; the next start finds the change", level=1)

    def give_up(self, rows: Mapping[str, Sequence[int]]) -> tuple[list[int], list[int]]:
        """Ask a running daemon to give up rows, by AOR. Returns (ids given up, ids on the wire).

        Both lists are empty without a daemon.
        """
        given: list[int] = []
        sending: list[int] = []
        try:
            for some in calls(rows):
                answer = self.ask("give_up", {"rows": some}, GIVE_UP_TIMEOUT)
                given += answer["given_up"]
                sending += answer["sending"]
        except UnavailableError:
            self.say("no daemon is running", level=1)
        return given, sending

    def unknown(self, ids: Sequence[int]) -> list[int]:
        """The ids without a message in the silo. 0 stands for an empty list on standard input."""
        return self.queue.missing([id for id in ids if id])

    @property
    def has_daemon(self) -> bool:
        """True when a daemon answers at the control socket."""
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
        """The name of the user for the history; behind sudo, the user of sudo."""
        name = self.environment.get("SUDO_USER")
        if name:
            return name
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return f"uid {os.getuid()}"

    def wake_users(self) -> None:
        """Tell a running daemon of changed users, and wait until the daemon has read the users."""
        try:
            self.ask("wake", {"users": True})
        except UnavailableError:
            self.say("no daemon is running", level=2)

    def say(self, text: str, level: int = 0) -> None:
        """Print a line on standard error, if the verbosity is at least `level` (-q silences level 0)."""
        if self.verbosity >= level:
            self.err.write(f"{text}\n")

    @property
    def is_interactive(self) -> bool:
        """True when the user can answer a question on the terminal."""
        return sys.stdin.isatty() and self.err.isatty()

    def confirm(self, question: str) -> bool:
        """Ask `question` on standard error. True for `y` or `yes`."""
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def close(self) -> None:
        """Flush the output, and close the silo."""
        try:
            self.out.flush()
        finally:
            if self._queue is not None:
                self._queue.close()
            if self._users is not None:
                self._users.close()
