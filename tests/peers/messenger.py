"""A messenger on libpurple, as Pidgin and Finch are: compiled from purple.c, driven by its standard input.

Every process of libpurple makes the same branches, tags, Call-IDs and CSeqs, since the library never seeds its random
numbers. Its digest has the form of RFC 2069.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Final

import pytest

from tests.peers.conftest import program

SOURCE: Final = Path(__file__).parent / "purple.c"
PATIENCE: Final = 30.0


class Messenger:
    """One running messenger of `user`, whose lines are read by a thread. Ends with `quit` or `kill`."""

    def __init__(self, binary: Path, folder: Path, user: str, port: int, transport: str) -> None:
        folder.mkdir(exist_ok=True)
        arguments = [str(folder), f"{user}@example.test", "secret", "127.0.0.1", str(port), transport]
        self.process = subprocess.Popen(
            [str(binary), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.lines: Queue[str] = Queue()
        self.reader = Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.process.stdout.close()

    def next(self) -> str:
        """The next event. AssertionError after PATIENCE seconds without one."""
        try:
            return self.lines.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError("the messenger says nothing") from None

    def on(self) -> "Messenger":
        """Return when the messenger has signed on."""
        assert self.next() == "on"
        return self

    def text(self, user: str, words: str) -> None:
        """Send an instant message to a user of example.test."""
        self._say(f"text {user}@example.test {words}")

    def quit(self) -> None:
        """Sign off and end."""
        if self.process.poll() is None:
            self._say("quit")
        self._end()

    def kill(self) -> None:
        """End without a word to the server."""
        self.process.kill()
        self._end()

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _end(self) -> None:
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        assert self.process.stdin is not None
        self.process.stdin.close()


Start = Callable[[str, int, str], Messenger]


@pytest.fixture(scope="session")
def purple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled messenger. Skips without a C compiler or without libpurple's headers; in CI that is a failure."""
    compiler, binary = program("cc"), tmp_path_factory.mktemp("purple") / "purple"
    flags = subprocess.run(
        [program("pkg-config"), "--cflags", "--libs", "purple"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        if os.environ.get("MSILOD_CI"):
            pytest.fail("libpurple-dev is not installed, and CI installs it")
        pytest.skip("libpurple-dev is not installed")
    command = [compiler, "-Wall", "-Werror", "-o", str(binary), str(SOURCE), *flags.stdout.split()]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return binary


@pytest.fixture
def messenger(purple: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts messengers, and ends those that still run after the test."""
    running: list[Messenger] = []

    def start(user: str, port: int, transport: str) -> Messenger:
        running.append(Messenger(purple, tmp_path / user, user, port, transport))
        return running[-1]

    yield start
    for one in running:
        one.kill()
