"""The daemon's side of the writer's process: batches go out on a socket, answers come in. Only `close` waits.

A thread instead of a process would share the interpreter with the daemon: each statement releases the interpreter's
lock and has to get the lock back, and packing the values of a row is Python.

The owner of the loop calls `receive` when `socket` is readable, and `push` when `wants_room` is set and the socket is
writable. A job on the socket is taken; before, the job can be withdrawn. At most MAX_TAKEN jobs are on the socket, so a
hanging disk keeps few senders from their 503.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from msilod.errors import MsilodError, SiloLost, StoreError, UnavailableError
from msilod.store.engine.choice import name_of
from msilod.store.jobs import Batch, Failed, Job, Keeping, Result
from msilod.store.writer.contract import Deliver, StoreWriter, is_removed
from msilod.store.writer.parcel import Parcel
from msilod.store.writer.pipe import Answer, Frames, Opening, pack_batch, pack_opening, unpack_answer

MAX_TAKEN: Final = 512
# Jobs handed over during a commit, so that the next transaction begins at once. Fewer jobs wait for more jobs.
AHEAD: Final = 8
BUFFER: Final = 1 << 22
READ: Final = 1 << 16
# Seconds that `close` waits for a writer that answers nothing, and then for its end.
CLOSING: Final = 30.0
NOT_THEIRS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessWriter(StoreWriter):
    """`url` is the db_url with a full path, `owner` the name of the daemon in leases.

    The process starts with a delay. Commits of other processes after `seen` (`Hold.seen`) are reported as foreign. The
    process inherits `lock`, a descriptor of the hold: the hold lasts until both processes have ended.
    """

    def __init__(
        self,
        url: str,
        table: str,
        owner: str,
        deliver: Deliver,
        seen: Sequence[int] = (),
        lock: int | None = None,
    ) -> None:
        super().__init__()
        self._name = name_of(url)
        self._deliver = deliver
        self._parcels: deque[Parcel] = deque()
        self.taken = 0
        self._unsent = memoryview(b"")
        self._frames = Frames()
        self._buffer = memoryview(bytearray(READ))
        self._is_telling = False
        self.when_full: Callable[[], None] = _nothing
        self.socket, theirs = socket.socketpair()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        opening = Opening(url, table, owner, tuple(seen))
        with theirs:
            # The buffer of the socket keeps the frame until the process reads.
            self.socket.sendall(pack_opening(opening))
            self.process = _start(theirs.fileno(), lock)
        self.socket.setblocking(False)

    @property
    def wants_room(self) -> bool:
        """The socket is full, with part of a frame still to send."""
        return bool(self._unsent)

    def configure(self, keeping: Keeping) -> None:
        """Send the values in a separate frame, which does not count as taken: these frames are few."""
        self._send(Parcel(()), pack_batch(Batch(keeping=keeping)))

    def flush(self) -> None:
        """Hand over jobs within the bound, and tell results that have arrived."""
        is_busy = bool(self._parcels)
        if self._collected and (not is_busy or len(self._collected) >= AHEAD):
            self.push()
        if is_busy and not self._is_telling:
            self._take_answers()

    def push(self) -> None:
        """Continue to hand over jobs."""
        if self._unsent:
            self._write()
        while self._collected and not self._unsent and self.taken < MAX_TAKEN:
            room = MAX_TAKEN - self.taken
            jobs, self._collected = self._collected[:room], self._collected[room:]
            self._hand_over(jobs)

    def _hand_over(self, jobs: list[Job]) -> None:
        parcel = Parcel(jobs)
        batch = parcel.batch()
        try:
            packed = pack_batch(batch)
        except MemoryError:
            raise
        except Exception as error:
            self._refuse(parcel, str(error))
        else:
            self._send(parcel, packed)

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        """A parcel could not be packed or read: a bad row must not fail the other jobs."""
        if len(parcel) > 1:
            for job in parcel.jobs():
                self._hand_over([job])
        else:
            self._tell(parcel.results(parcel.batch().failed(StoreError(f"the silo: {reason}"))))

    def _send(self, parcel: Parcel, packed: bytes) -> None:
        self._parcels.append(parcel)
        self.taken += len(parcel)
        self._unsent = memoryview(b"".join((self._unsent, packed)) if self._unsent else packed)
        self._write()

    def _write(self) -> None:
        """Write as many bytes as the socket takes."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            # The process has ended. `receive` raises the error.
            self._unsent = memoryview(b"")
        if self._unsent:
            self.when_full()

    def receive(self) -> None:
        """Tell the results of commits, and hand over more jobs.

        Raises the reason from the last frame of the process, or StoreError.
        """
        if not self._take_answers():
            self.failure = self.failure or StoreError(
                f"the process that writes {self._name} has ended; nothing can be stored without it"
            )
            raise self.failure

    def _take_answers(self) -> bool:
        """False when no more answers can come."""
        try:
            count = self.socket.recv_into(self._buffer)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        for content in self._frames.feed(self._buffer[:count]):
            self._answered(unpack_answer(content))
            self.push()
        return count > 0

    def _ended(self, answer: Answer) -> None:
        """The process has sent the reason for the end. Jobs before their commit fail, and are told so once. Jobs in a
        commit get no answer (law 1).
        """
        failure: MsilodError = StoreError(answer.refusal)
        if answer.end == UnavailableError.exit_code:
            failure = SiloLost(answer.refusal) if answer.wants_check else UnavailableError(answer.refusal)
        self.failure = failure
        for _ in range(min(answer.batches, len(self._parcels))):
            self._parcels.popleft()
        rest = [*self._parcels, Parcel(self._collected)]
        self._parcels.clear()
        self._collected, self._unsent, self.taken = [], memoryview(b""), 0
        failed = Failed(answer.refusal)
        self._tell([(job.done, failed) for parcel in rest for job in parcel.adds])

    def _answered(self, answer: Answer) -> None:
        if answer.end:
            self._ended(answer)
            return
        parcel = Parcel.of([self._parcels.popleft() for _ in range(answer.batches)])
        self.taken -= len(parcel)
        if answer.refusal:
            self._refuse(parcel, answer.refusal)
        else:
            if parcel.adds:
                self.commits.observe(answer.seconds)
            self._tell(parcel.results(answer.outcome(parcel.calls)))

    def _tell(self, results: Sequence[Result]) -> None:
        """Callbacks may ask for more jobs and hand jobs over; other results are not told meanwhile."""
        was_telling, self._is_telling = self._is_telling, True
        try:
            self._deliver(results)
        finally:
            self._is_telling = was_telling

    def withdraw(self, job: Job) -> bool:
        """A job is taken or withdrawn, never both: a job on the socket is taken."""
        return is_removed(job, self._collected)

    def close(self) -> None:
        """Commit the waiting jobs and end the process. Waits at most twice CLOSING after the last answer."""
        self.flush()
        events = select.poll()
        until = time.monotonic() + CLOSING
        while self._parcels or self._collected:
            events.register(self.socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            if not events.poll(max(0.0, until - time.monotonic()) * 1000):
                # The process holds the lock until the end; an error of the next start names the process.
                break
            waiting = len(self._parcels)
            self.push()
            if not self._take_answers():
                # The process has ended; the loop of the daemon has raised the error.
                break
            if len(self._parcels) != waiting:
                until = time.monotonic() + CLOSING
        self._await_end()

    def _await_end(self) -> None:
        """The socket is closed for writing; the process may still report a loss of the silo."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(CLOSING)
            while not self.failure:
                count = self.socket.recv_into(self._buffer)
                for content in self._frames.feed(self._buffer[:count]):
                    self._answered(unpack_answer(content))
                if not count:
                    break
        self.socket.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSING)


def _start(pipe: int, lock: int | None) -> subprocess.Popen[bytes]:
    """Start the process, in the daemon's environment. Signals in NOT_THEIRS are blocked from the first instruction."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_THEIRS)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "msilod.store.writer.child", str(pipe)],
            pass_fds=(pipe,) if lock is None else (pipe, lock),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _nothing() -> None:
    """Before the loop sets `when_full`: only `close` makes room."""
