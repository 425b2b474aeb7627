"""Processes of msilod and msilo, forked from a process that has imported both.

`python -m msilod start` spends 0.6 s of CPU time on imports, `python -m msilo_cli` 0.3 s. A test run starts about a
thousand of them. A fork costs 0.02 s. What a test sees is the same: a process with its own pid, streams, environment,
working directory, signals and exit code.

A program is executed, not forked, where its environment has a variable that the dynamic linker or the interpreter reads
at its start. Tests that limit memory, or want a shell's redirections, use `subprocess`.
"""

import array
import atexit
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NoReturn, TextIO, cast

import msilo_cli
import msilod

MODULES: Final = {"msilod": "msilod", "msilo": "msilo_cli"}
# Read before the first line of Python runs.
AT_THE_START: Final = ("LD_", "PYTHON", "TZ", "LC_", "LANG", "MALLOC_")
# Imported by a library when first used.
LATE: Final = (
    "typer._adapters",
    "typer._click.decorators",
    "rich.box",
    "rich.table",
    "rich.console",
    "sysconfig",
)
STREAMS: Final = (("stdin", "r", "strict"), ("stdout", "w", "strict"), ("stderr", "w", "backslashreplace"))
REQUEST_BYTES: Final = 1 << 18
# The exit code of an interpreter that could not write what its standard output held.
FLUSH_FAILED: Final = 120


def is_forked(environment: Mapping[str, str]) -> bool:
    """True where a fork of this process behaves as a program with that environment does."""
    names = {name for name in {*environment, *os.environ} if name.startswith(AT_THE_START)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


class Process:
    """One process of `msilod` or `msilo`, with the words of `subprocess.Popen`. The parent is the fork server."""

    def __init__(self, words: list[str], pid: int, end: int, stdout: IO[str] | None) -> None:
        self.args = words
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = stdout
        # Readable, with the wait status, once the process has ended.
        self._end = end

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; the negative number of a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._end, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            status = os.read(self._end, 16)
            os.close(self._end)
            assert status, "the fork server has ended"
            self.returncode = os.waitstatus_to_exitcode(int(status))
        return self.returncode

    def poll(self) -> int | None:
        """The exit code, None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, sign: int) -> None:
        """Does nothing once the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The client's side of the fork server, one per process of pytest; started when first asked."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def fork(
        self, words: list[str], environment: Mapping[str, str], streams: tuple[int, int, int]
    ) -> tuple[int, int]:
        """The pid, and the descriptor that tells the wait status."""
        mask = os.umask(0)
        os.umask(mask)
        request = json.dumps([words, dict(environment), os.getcwd(), mask], ensure_ascii=False)
        end, theirs = os.pipe()
        descriptors = array.array("i", [*streams, theirs])
        with self._lock:
            if self._socket is None:
                self._socket = self._start()
            self._socket.sendmsg(
                [request.encode("utf-8", "surrogateescape")],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
            )
            os.close(theirs)
            return int(self._socket.recv(16)), end

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.processes", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], cwd=Path(__file__).parents[1]
            )
        atexit.register(self._stop)
        return ours

    def _stop(self) -> None:
        assert self._socket is not None
        assert self._process is not None
        self._socket.close()
        self._process.wait()


_server: Final = _Server()


def start(
    program: str, *words: str, environment: Mapping[str, str], stderr: IO[str]
) -> "Process | subprocess.Popen[str]":
    """Start `msilod` or `msilo`; its standard output is a pipe."""
    if not is_forked(environment):
        command = [sys.executable, "-m", MODULES[program], *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
    ours, theirs = os.pipe()
    try:
        with open(os.devnull) as nothing:
            streams = (nothing.fileno(), theirs, stderr.fileno())
            pid, end = _server.fork([program, *words], environment, streams)
    finally:
        os.close(theirs)
    return Process([program, *words], pid, end, os.fdopen(ours, encoding="utf-8"))


def _memory() -> TextIO:
    return cast("TextIO", open(os.memfd_create("stream"), "w+", encoding="utf-8"))


def run(
    program: str, *words: str, environment: Mapping[str, str], stdin: str | None = None, timeout: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """Run `msilod` or `msilo` to its end. Raises subprocess.TimeoutExpired."""
    if not is_forked(environment):
        command = [sys.executable, "-m", MODULES[program], *words]
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=timeout,
            check=False,
        )
    with _memory() as given, _memory() as out, _memory() as err:
        given.write(stdin or "")
        given.flush()
        given.seek(0)
        pid, end = _server.fork([program, *words], environment, (given.fileno(), out.fileno(), err.fileno()))
        process = Process([program, *words], pid, end, None)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([program, *words], code, out.read(), err.read())


# --- the server's side ------------------------------------------------------------------------------


def _import_all() -> None:
    """Every module of ours, and by these every library."""
    for package in (msilod, msilo_cli):
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            parts = file.relative_to(root.parent).with_suffix("").parts
            importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    for name in LATE:
        with suppress(ImportError):
            importlib.import_module(name)


def _serve(requests: socket.socket) -> Callable[[], None]:
    """Fork for each request until the client is gone. Returns in each forked process: its program."""
    ends: dict[int, tuple[int, int]] = {}
    waiting = selectors.DefaultSelector()
    waiting.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fd in ends:
                waiting.unregister(key.fd)
                _tell_end(key.fd, *ends.pop(key.fd))
                continue
            request, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
            if not request:
                sys.exit(0)
            pid = os.fork()
            if not pid:
                waiting.close()
                requests.close()
                return _become(descriptors, *json.loads(request.decode("utf-8", "surrogateescape")))
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            gone = os.pidfd_open(pid)
            ends[gone] = (pid, descriptors[3])
            waiting.register(gone, selectors.EVENT_READ)
            requests.send(str(pid).encode())


def _tell_end(gone: int, pid: int, end: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(gone)
    with suppress(BrokenPipeError):
        os.write(end, str(status).encode())
    os.close(end)


def _become(
    descriptors: list[int], words: list[str], environment: dict[str, str], folder: str, mask: int
) -> Callable[[], None]:
    """Take over streams, environment, folder and umask, as after exec; the program that is to run."""
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, 1 << 16)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.umask(mask)
    for number, (name, mode, errors) in enumerate(STREAMS):
        stream = open(number, mode, 1 if number == 2 else -1, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    module = importlib.import_module(f"{MODULES[words[0]]}.__main__")
    sys.argv = [str(module.__file__), *words[1:]]
    # The name of the program in its usage.
    sys.modules["__main__"].__package__ = MODULES[words[0]]
    program: Callable[[], None] = module.main
    return program


def _end(program: Callable[[], None]) -> NoReturn:
    """Run a program to its end and leave as the interpreter does, without the 0.03 s that freeing each module takes."""
    code: int | str | None = None
    try:
        program()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = FLUSH_FAILED
    os._exit(code or 0)


def main() -> None:
    """Serve; in a forked process, run the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_all()
    gc.collect()
    gc.freeze()
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    _end(program)


if __name__ == "__main__":
    main()
