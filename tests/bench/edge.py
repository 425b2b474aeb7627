"""How soon is everybody in again? `python -m tests.bench.edge`, from the root of the source tree.

10,000 phones behind one edge proxy register all at once: first as new phones, then as after a restart of the edge, when
their bindings are still there. One process of plain Python is the edge and the phones. Each phone has an address of its
own, which the edge writes into `received`; the edge's Via and Path stand on top. A phone sends REGISTER without a
password, answers the challenge, waits as long as a Retry-After says, and sends again after 500 ms, 1 s, 2 s, 4 s, 4 s
... (RFC 3261 17.1.2.2); after 32 s without an answer it begins anew.

Printed are the times until half, 99 % and all phones were in, what the phones heard, how often they had to send again,
and the daemon's processor time and memory. 30 s are wanted; the exit code is 1 where more was needed. The daemon has
the limits of loopback on, and `[auth] edges` names the edge.
"""

import argparse
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import md5
from heapq import heappop, heappush
from pathlib import Path
from select import select
from time import monotonic
from typing import Final

from tests.bench.load.report import headline, this_machine
from tests.bench.load.servers import DOMAIN, Msilod, ServerFailed
from tests.bench.load.tally import percentile

WANTED: Final = 30.0
# A round in which somebody is not in by then is over.
LONGEST: Final = 120.0
T1: Final = 0.5
T2: Final = 4.0
GIVE_UP: Final = 32.0
# What the edge's socket holds; the kernel may give less.
BUFFER: Final = 4 * 1024 * 1024
# The daemon is heard after so many datagrams have been sent.
BATCH: Final = 50
ROUNDS: Final = ("first", "again")
_CONFIG: Final = '[auth]\nlimit_loopback = true\nedges = ["127.0.0.1"]\n'


def hashed(text: str) -> str:
    """MD5 in hexadecimal digits."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()


class Phone:
    """One phone with the password `secret`. `number` makes its name and its address."""

    __slots__ = ("call_id", "cseq", "data", "is_in", "number", "secret")

    def __init__(self, number: int) -> None:
        self.number = number
        self.cseq = 0
        self.call_id = ""
        self.data = b""
        self.is_in = True
        self.secret = hashed(f"phone{number}:{DOMAIN}:secret")

    def begin(self, name: str) -> None:
        """Forget the registration of before; `name` is that of the round."""
        self.is_in = False
        self.call_id = f"{name}-{self.number}"

    def ask(self, edge: int, nonce: str = "") -> bytes:
        """The next REGISTER as the edge at that port sends it on, with credentials when there is a nonce."""
        self.cseq += 1
        number, name = self.number, f"phone{self.number}"
        address = f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        proof = ""
        if nonce:
            response = hashed(f"{self.secret}:{nonce}:00000001:c:auth:{hashed(f'REGISTER:sip:{DOMAIN}')}")
            proof = (
                f'Authorization: Digest username="{name}", realm="{DOMAIN}", nonce="{nonce}", uri="sip:{DOMAIN}", '
                f'response="{response}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001\r\n'
            )
        self.data = (
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{edge};branch=z9hG4bKe{self.call_id}.{self.cseq}\r\n"
            f"Via: SIP/2.0/UDP 192.168.0.9:5060;branch=z9hG4bKp{self.cseq};rport=5060;received=100.{address}\r\n"
            f"Path: <sip:127.0.0.1:{edge};lr>\r\nMax-Forwards: 69\r\n"
            f"From: <sip:{name}@{DOMAIN}>;tag=t{self.cseq}\r\nTo: <sip:{name}@{DOMAIN}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} REGISTER\r\nContact: <sip:{name}@100.{address}:5060>\r\n"
            f"Expires: 3600\r\nSupported: path\r\n{proof}Content-Length: 0\r\n\r\n"
        ).encode()
        return self.data


@dataclass
class Round:
    """The result of one round: seconds until each phone was in, and counts of answers and retransmissions."""

    name: str
    phones: int
    times: list[float] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    again: int = 0
    cpu: float = 0.0
    grown: float = 0.0

    @property
    def is_good(self) -> bool:
        """Everybody was in in time."""
        return len(self.times) == self.phones and max(self.times, default=0.0) <= WANTED

    def line(self) -> str:
        """One row of the table."""
        ordered = sorted(self.times)
        took = [f"{percentile(ordered, share) or 0.0:>8.1f}" for share in (0.5, 0.99, 1.0)]
        heard = ", ".join(f"{status}: {number}" for status, number in sorted(self.heard.items()))
        missed = "" if self.is_good else f"  MISSED: {len(self.times)} of {self.phones} are in"
        return f"{self.name:<6} {' '.join(took)} {self.again:>11} {self.cpu:>9.1f} {self.grown:>10.1f}  {heard}{missed}"


HEADER: Final = "round    half s   99 % s    all s  sent again  cpu sec.  grown MiB  heard"


class Edge:
    """The edge and its phones, on one socket."""

    def __init__(self, server: tuple[str, int], phones: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(server)
        self._socket.setblocking(False)
        self._port = int(self._socket.getsockname()[1])
        self._phones = [Phone(number) for number in range(phones)]
        # Time, phone, and the CSeq and interval of what is to be sent again; the interval 0 is a new attempt.
        self._due: list[tuple[float, int, int, float]] = []
        self._began = 0.0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def play(self, name: str) -> Round:
        """One round: all phones register at once."""
        played = Round(name, len(self._phones))
        self._began = monotonic()
        self._due = []
        for phone in self._phones:
            phone.begin(name)
            heappush(self._due, (self._began, phone.number, phone.cseq, 0.0))
        while len(played.times) < len(self._phones) and monotonic() < self._began + LONGEST:
            self._send_due(played)
            wait = self._due[0][0] - monotonic() if self._due else 1.0
            select([self._socket], [], [], min(max(wait, 0.0), 1.0))
            self._hear(played)
        return played

    def _send_due(self, played: Round) -> None:
        for _ in range(BATCH):
            if not self._due or self._due[0][0] > monotonic():
                return
            _, number, cseq, interval = heappop(self._due)
            phone = self._phones[number]
            if phone.is_in or phone.cseq != cseq:
                continue
            if not interval:
                self._ask(phone)
                continue
            played.again += 1
            self._send(phone.data)
            interval = min(2 * interval, T2)
            heappush(self._due, (monotonic() + interval, number, cseq, interval))

    def _ask(self, phone: Phone, nonce: str = "") -> None:
        self._send(phone.ask(self._port, nonce))
        now = monotonic()
        heappush(self._due, (now + T1, phone.number, phone.cseq, T1))
        heappush(self._due, (now + GIVE_UP, phone.number, phone.cseq, 0.0))

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError:
            # The buffer is full, which a network is as well at times: the phone sends again.
            return

    def _hear(self, played: Round) -> None:
        for _ in range(4 * BATCH):
            try:
                data = self._socket.recv(65_536)
            except OSError:
                return
            if data.startswith(b"SIP/2.0 "):
                self._take(data.decode("latin-1"), played)

    def _take(self, answer: str, played: Round) -> None:
        status, call_id, cseq = int(answer[8:11]), value(answer, "Call-ID"), value(answer, "CSeq")
        number = int(call_id.rpartition("-")[2])
        phone = self._phones[number]
        if status < 200 or phone.is_in or phone.call_id != call_id or cseq != f"{phone.cseq} REGISTER":
            return
        played.heard[str(status)] += 1
        if status == 200:
            phone.is_in = True
            played.times.append(monotonic() - self._began)
        elif status == 401:
            self._ask(phone, answer.partition('nonce="')[2].partition('"')[0])
        else:
            # What was sent is answered: nothing of it is sent again, and a new attempt has another CSeq.
            phone.cseq += 1
            after = int(value(answer, "Retry-After") or T2)
            heappush(self._due, (monotonic() + after, number, phone.cseq, 0.0))


def value(message: str, name: str) -> str:
    """The first value of a header; "" without one."""
    return message.partition(f"\r\n{name}: ")[2].partition("\r\n")[0]


def add_phones(folder: Path, phones: int) -> None:
    """A silo with the users phone0, phone1 ... of the password `secret`, in one transaction."""
    state = {"STATE_DIRECTORY": str(folder), "RUNTIME_DIRECTORY": str(folder)}
    upgrade = [sys.executable, "-m", "msilo_cli", "--db-url", f"sqlite:///{folder}/silo.db", "db", "upgrade"]
    subprocess.run(upgrade, check=True, capture_output=True, env=state)
    rows = [(f"phone{number}@{DOMAIN}", Phone(number).secret) for number in range(phones)]
    with closing(sqlite3.connect(folder / "silo.db")) as database, database:
        database.executemany(
            "INSERT INTO silo_user (aor, algorithm, realm, ha1, ha1_at_domain, ha1_at_realm) "
            f"VALUES (?, 'MD5', '{DOMAIN}', ?, '', '')",
            rows,
        )
        database.execute("INSERT INTO silo_user_change (aor, at) VALUES (?, 0)", (rows[-1][0],))


def measure(server: Msilod, edge: Edge, name: str) -> Round:
    """One round, with what the daemon spent on it."""
    before = server.sample()
    played = edge.play(name)
    after = server.sample()
    played.cpu, played.grown = after.cpu - before.cpu, (after.rss - before.rss) / 1024
    return played


def main(arguments: Sequence[str] | None = None) -> int:
    """0 all were in in time; 1 they were not, or the server failed; 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.edge", description=__doc__)
    add = parser.add_argument
    add("--phones", type=int, default=10_000, help="behind the edge (default %(default)s)")
    add("--command", default="", help="the daemon's program (default: this Python's -m msilod)")
    add("--directory", type=Path, default=Path("/var/tmp"), help="on a real disk (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.phones < 1:
        parser.error("--phones is at least 1")
    server = Msilod(options.command)
    server.config = _CONFIG
    sys.stderr.write(f"{server.version()}; {headline(this_machine(options.directory))}\n")
    with tempfile.TemporaryDirectory(prefix="edge-", dir=options.directory) as text:
        add_phones(Path(text), options.phones)
        try:
            server.start(Path(text))
            with closing(Edge(server.address, options.phones)) as edge:
                rounds = [measure(server, edge, name) for name in ROUNDS]
        except ServerFailed as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            server.stop()
    sys.stdout.write("\n".join([HEADER, *(each.line() for each in rounds)]) + "\n")
    return 0 if all(each.is_good for each in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
