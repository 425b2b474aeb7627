"""Clients that come by TLS, ask one thing and go, so many a minute: a process of its own paces them evenly.

Rules: each connects, shakes hands in full (no session of an earlier one is offered), has an OPTIONS answered with
200 and closes. Whoever is slow holds up nobody, as long as fewer than MOST are under way. What failed is
counted by its reason, and never as done.
"""

import multiprocessing
import socket
import ssl
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any, Final

from tests.bench.load.crew import LoadFailed, Pipe
from tests.bench.load.stream_agent import message_end
from tests.bench.load.wire import options_request

MOST: Final = 64
TIMEOUT: Final = 10.0


class NoAnswer(Exception):
    """A visit that ended otherwise than with a full handshake and a 200."""


@dataclass
class Visits:
    """`done`: of each that ended well the monotonic time of its begin and the seconds it took. `failed`: why."""

    done: list[tuple[float, float]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, others: Iterable["Visits"]) -> "Visits":
        """Takes those in."""
        for other in others:
            self.done += other.done
            self.failed += other.failed
        return self

    def within(self, begin: float, end: float) -> "Visits":
        """Those that began in that time; what failed counts at any time."""
        return Visits([visit for visit in self.done if begin <= visit[0] <= end], self.failed)


class TlsClients:
    """They believe `context`'s authority that the server at that address is it."""

    def __init__(self, server: tuple[str, int], context: ssl.SSLContext, domain: bytes) -> None:
        self.server = server
        self.context = context
        self.domain = domain
        self.visits = Visits()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Pipe[Any, Any] | None = None

    def start(self, per_minute: float) -> None:
        """From now on they come."""
        forking = multiprocessing.get_context("fork")
        self._pipe, theirs = forking.Pipe()
        self._process = forking.Process(target=self.come, args=(theirs, per_minute), daemon=True)
        self._process.start()
        theirs.close()

    def stop(self) -> Visits:
        """No more of them; what became of all since `start`. LoadFailed: their process is gone."""
        assert self._pipe is not None
        assert self._process is not None
        try:
            self._pipe.send(None)
            visits: Visits = self._pipe.recv()
        except (EOFError, OSError):
            raise LoadFailed("the process of the TLS clients was gone without a word") from None
        finally:
            self._pipe.close()
            self._process.join()
        return visits

    def come(self, pipe: "Pipe[Any, Any]", per_minute: float) -> None:
        """The process: a visit is due every so often until a word comes; those under way then are waited for."""
        with ThreadPoolExecutor(MOST) as pool:
            began = monotonic()
            for number in count():
                due = began + number * 60 / per_minute
                if pipe.poll(max(due - monotonic(), 0.0)):
                    break
                pool.submit(self.visit, number)
            pool.shutdown(cancel_futures=True)
        pipe.send(self.visits)

    def visit(self, number: int) -> None:
        """One of them, from the connect to the answer."""
        began = monotonic()
        try:
            self._ask(number)
        except (OSError, NoAnswer) as error:
            self.visits.failed[str(error) or type(error).__name__] += 1
        else:
            self.visits.done.append((began, monotonic() - began))

    def _ask(self, number: int) -> None:
        line = socket.create_connection(self.server, TIMEOUT)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line, self.context.wrap_socket(line, server_hostname=self.server[0]) as tls:
            if tls.session_reused:
                raise NoAnswer("the handshake was not a full one")
            request = options_request(self.domain, tls.getsockname()[1], number)
            tls.sendall(request.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS", 1))
            answer = b""
            while message_end(answer, 0) < 0:
                data = tls.recv(4096)
                if not data:
                    raise NoAnswer("closed without an answer")
                answer += data
        if not answer.startswith(b"SIP/2.0 200 "):
            raise NoAnswer(answer[8:11].decode("latin-1"))
