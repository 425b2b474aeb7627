"""The costs of strangers for users: `python -m tests.bench.flood`, from the root of the source tree.

One daemon with users and the limits of loopback on. Phones on 127.0.0.1 send MESSAGEs and REGISTER refreshes with their
passwords at a steady rate, first alone and then beside five sources, 127.0.0.2 to 127.0.0.6, that send datagrams of one
kind for some seconds: 20,000 a second together. Printed for each kind are the answers that phones had (as a share of
those they had alone), the 50th and 99th percentile of the time to an answer (a phone sends again after 500 ms, as RFC
3261 17.1.2.2 has it), what the strangers really sent, how many of their datagrams the daemon was heard to refuse, and
what its memory has grown by. Wanted are half the rate, 500 ms and 100 MB; the exit code is 1 where that is missed.

The datagrams are made beforehand and handed to the kernel in batches, by sendmmsg(2): one process of plain Python
reaches 100,000 small ones a second.
"""

import argparse
import ctypes
import multiprocessing
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any, Final

from msilod.store.tables.users import UserRow, UserTable
from tests.bench.load.report import headline, this_machine
from tests.bench.load.servers import DOMAIN, Msilod
from tests.bench.load.tally import percentile

SOURCES: Final = 5
# So often a second a source sends a batch.
BATCHES: Final = 200
WANTED_SHARE: Final = 0.5
WANTED_MS: Final = 500.0
WANTED_MIB: Final = 100.0
T1: Final = 0.5
GIVE_UP: Final = 32.0
REALM: Final = DOMAIN
_CONFIG: Final = """
[auth]
algorithms = ["MD5"]
limit_loopback = true

[silo]
max_messages = 1000000
max_bytes = 1000000000
"""

# --- what strangers send -----------------------------------------------------------------------------


def request(
    method: str, uri: str, number: int, sender: str = "alice@" + DOMAIN, more: str = "", body: bytes = b""
) -> bytes:
    """A request as a stranger makes it; `number` makes it another one than all others."""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKf{number};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:{sender}>;tag=f{number}\r\nTo: <sip:phone0@{DOMAIN}>\r\nCall-ID: flood{number}\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:x@10.0.0.1>\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def forged(number: int) -> bytes:
    """Credentials in a nonce that was never ours."""
    digest = (
        f'Authorization: Digest username="alice", realm="{REALM}", nonce="{number:032d}", uri="sip:{DOMAIN}", '
        f'response="{number:032x}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001\r\n'
    )
    return request("REGISTER", f"sip:{DOMAIN}", number, more=digest)


def long_uri(number: int) -> bytes:
    """OPTIONS to a new URI of 2 kB."""
    params = "".join(f";p{place}={'x' * 30}" for place in range(48))
    return request("OPTIONS", f"sip:phone0@{DOMAIN}{params};n={number}", number)


def response(number: int) -> bytes:
    """A response to nothing."""
    return (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKf{number}\r\nFrom: <sip:a@b.test>;tag=1\r\n"
        f"To: <sip:c@d.test>;tag=2\r\nCall-ID: flood{number}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    ).encode()


_random = Random(1)
# Name: the function that makes the datagram of a number, and how many different ones there are.
KINDS: Final[dict[str, tuple[Callable[[int], bytes], int]]] = {
    "invite": (lambda n: request("INVITE", f"sip:phone0@{DOMAIN}", n), 5_000),
    "invite-60k": (lambda n: request("INVITE", f"sip:phone0@{DOMAIN}", n, body=b"x" * 60_000), 500),
    "invite-foreign": (lambda n: request("INVITE", f"sip:phone0@{DOMAIN}", n, "m@foreign.test"), 5_000),
    "register": (lambda n: request("REGISTER", f"sip:{DOMAIN}", n), 5_000),
    "register-forged": (forged, 5_000),
    "options-2k": (long_uri, 20_000),
    "message": (
        lambda n: request("MESSAGE", f"sip:phone0@{DOMAIN}", n, "m@foreign.test", body=b"hello"),
        5_000,
    ),
    "ack": (lambda n: request("ACK", f"sip:phone0@{DOMAIN}", n), 5_000),
    "cancel": (lambda n: request("CANCEL", f"sip:phone0@{DOMAIN}", n), 5_000),
    "garbage": (lambda n: b"x" + _random.randbytes(400), 2_000),
    "malformed": (
        lambda n: request("INVITE", f"sip:phone0@{DOMAIN}", n).replace(b"CSeq: 1", b"CSeq: x"),
        5_000,
    ),
    "response": (response, 5_000),
    "stun": (lambda n: b"\x00\x01\x00\x00\x21\x12\xa4\x42" + n.to_bytes(12, "big"), 5_000),
}


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    # struct mmsghdr: a msghdr and the bytes of it that were sent (sendmmsg(2)).
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("sent", ctypes.c_uint32),
    )  # fmt: skip


class Flooder:
    """Datagrams of one kind, sent again and again from all SOURCES."""

    def __init__(self, kind: str, server: tuple[str, int], sources: int) -> None:
        make, many = KINDS[kind]
        # Kept: the kernel reads them from here.
        self._buffers = [ctypes.create_string_buffer(data, len(data)) for data in map(make, range(many))]
        self._vectors = (_Vector * many)(
            *[_Vector(ctypes.addressof(buffer), len(buffer)) for buffer in self._buffers]
        )
        size = ctypes.sizeof(_Vector)
        self._headers = (_Header * many)()
        for place in range(many):
            vector = ctypes.cast(ctypes.addressof(self._vectors) + place * size, ctypes.POINTER(_Vector))
            self._headers[place].vectors = vector
            self._headers[place].vector_count = 1
        self._many = many
        self._next = 0
        self._sockets = []
        for host in source_addresses(sources):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((host, 0))
            sock.connect(server)
            self._sockets.append(sock)
        self._libc = ctypes.CDLL(None)

    def run(self, rate: int, seconds: float) -> tuple[int, int]:
        """Datagrams sent, and datagrams that came back and found room: the answers."""
        sent, began = 0, monotonic()
        each = max(1, rate // len(self._sockets) // BATCHES)
        while (now := monotonic()) < began + seconds:
            # A machine that was busy elsewhere for a while is not made up for: no burst of more than 50 ms.
            due = int((now - began) * rate)
            if sent < due - rate // 20:
                began += (due - rate // 20 - sent) / rate
            if sent >= due:
                sleep(1 / BATCHES / 2)
                continue
            for sock in self._sockets:
                sent += self._send(sock, each)
        return sent, sum(_unread(sock) for sock in self._sockets)

    def _send(self, sock: socket.socket, number: int) -> int:
        if self._next + number > self._many:
            self._next = 0
        start = ctypes.byref(self._headers, self._next * ctypes.sizeof(_Header))
        done = int(self._libc.sendmmsg(sock.fileno(), start, min(number, self._many), 0))
        self._next += max(done, 1)
        return max(done, 0)


def source_addresses(many: int) -> list[str]:
    """127.0.0.2 and those behind it. With many of them none sends enough to be shed: as if all were forged."""
    return [f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(2, 2 + many)]


def _unread(sock: socket.socket) -> int:
    sock.setblocking(False)
    for number in count():
        try:
            sock.recv(1)
        except OSError:
            return number
    return 0


def flood(kind: str, server: tuple[str, int], sources: int, rate: int, seconds: float, pipe: Any) -> None:
    """A process's work: say when the datagrams are made, and send when told to."""
    flooder = Flooder(kind, server, sources)
    pipe.send("ready")
    pipe.recv()
    pipe.send(flooder.run(rate, seconds))


# --- what users do -----------------------------------------------------------------------------------


@dataclass
class Done:
    """The results of phones in one span: seconds to each final answer, and statuses of failures."""

    times: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)

    def fault(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1


class Phone:
    """One user with one socket and one transaction at a time."""

    def __init__(self, name: str, server: tuple[str, int]) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(server)
        self.socket.setblocking(False)
        self.port = int(self.socket.getsockname()[1])
        self.nonce = ""
        self.count = 0
        self.cseq = 0
        self.data = b""
        self.is_message = False
        self.branch = b""
        self.began = 0.0
        self.interval = T1
        self.is_busy = False

    def begin(self, is_message: bool, now: float) -> None:
        """A MESSAGE to a user without a binding, or a refresh."""
        self.is_busy, self.is_message, self.began = True, is_message, now
        self._say()

    def _say(self) -> None:
        self.cseq += 1
        self.interval = T1
        method = "MESSAGE" if self.is_message else "REGISTER"
        uri = f"sip:away{self.cseq % 100}@{DOMAIN}" if self.is_message else f"sip:{DOMAIN}"
        to = uri if self.is_message else f"sip:{self.name}@{DOMAIN}"
        branch = f"z9hG4bK{self.name}x{self.cseq}"
        self.branch = branch.encode()
        contact = (
            ""
            if self.is_message
            else f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>\r\nExpires: 3600\r\n"
        )
        body = "hello" if self.is_message else ""
        kind = "Content-Type: text/plain\r\n" if self.is_message else ""
        self.data = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.name}@{DOMAIN}>;tag=t{self.name}\r\nTo: <{to}>\r\n"
            f"Call-ID: {method}{self.name}\r\nCSeq: {self.cseq} {method}\r\n{contact}{self._proof(method, uri)}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        self.socket.send(self.data)

    def _proof(self, method: str, uri: str) -> str:
        if not self.nonce:
            return ""
        self.count += 1

        def hashed(text: str) -> str:
            return md5(text.encode(), usedforsecurity=False).hexdigest()

        nc = f"{self.count:08x}"
        secret = hashed(f"{self.name}:{REALM}:secret")
        answer = hashed(f"{secret}:{self.nonce}:{nc}:c:auth:{hashed(f'{method}:{uri}')}")
        name = "Proxy-Authorization" if self.is_message else "Authorization"
        return (
            f'{name}: Digest username="{self.name}", realm="{REALM}", nonce="{self.nonce}", uri="{uri}", '
            f'response="{answer}", algorithm=MD5, cnonce="c", qop=auth, nc={nc}\r\n'
        )

    def hear(self, data: bytes) -> int:
        """The status of a final answer to the last request, 0 for other messages; a challenge is answered."""
        status = int(data[8:11])
        if status < 200 or self.branch not in data or not self.is_busy:
            return 0
        if status in (401, 407):
            self.nonce = data.partition(b'nonce="')[2].partition(b'"')[0].decode()
            self.count = 0
            self._say()
            return 0
        self.is_busy = False
        return status


def phones(server: tuple[str, int], many: int, rate: float, pipe: Any) -> None:
    """A process's work: register everybody, then one span for each number of seconds that comes."""
    crowd = [Phone(f"phone{number}", server) for number in range(many)]
    with selectors.DefaultSelector() as selector:
        for phone in crowd:
            selector.register(phone.socket, selectors.EVENT_READ, phone)
        span(selector, crowd, 100.0, many / 100.0 + 1, only_register=True)
        pipe.send("ready")
        while (seconds := pipe.recv()) is not None:
            pipe.send(span(selector, crowd, rate, seconds))


def span(
    selector: selectors.BaseSelector,
    crowd: list[Phone],
    rate: float,
    seconds: float,
    only_register: bool = False,
) -> Done:
    """Begin `rate` transactions a second without waiting for answers; a transaction without a free phone is a fault."""
    done, began, sent = Done(), monotonic(), 0
    resend: list[tuple[float, int, int]] = []
    free = [place for place, phone in enumerate(crowd) if not phone.is_busy]
    busy = {phone.socket: place for place, phone in enumerate(crowd)}
    while (now := monotonic()) < began + seconds:
        while sent < (now - began) * rate:
            sent += 1
            if not free:
                done.fault("no phone is free")
                continue
            place = free.pop(0)
            crowd[place].begin(sent % 2 == 0 and not only_register, monotonic())
            heappush(resend, (monotonic() + T1, place, crowd[place].cseq))
        while resend and resend[0][0] <= now:
            _, place, cseq = heappop(resend)
            phone = crowd[place]
            if not phone.is_busy or phone.cseq != cseq:
                if phone.is_busy:
                    heappush(resend, (now + T1, place, phone.cseq))
            elif now - phone.began > GIVE_UP:
                phone.is_busy = False
                free.append(place)
                done.fault("no answer")
            else:
                phone.socket.send(phone.data)
                phone.interval = min(2 * phone.interval, 4.0)
                heappush(resend, (now + phone.interval, place, cseq))
        for key, _ in selector.select(0.002):
            _take(key.data, busy, free, done)
    late = sum(phone.is_busy and now - phone.began > T1 for phone in crowd)
    if late:
        done.faults["not answered yet"] = late
        # They count as answers that came at the end: leaving them out would make a server look fast that is silent.
        done.times += [now - phone.began for phone in crowd if phone.is_busy and now - phone.began > T1]
    return done


def _take(phone: Phone, busy: dict[socket.socket, int], free: list[int], done: Done) -> None:
    while True:
        try:
            data = phone.socket.recv(65_536)
        except OSError:
            return
        if not data.startswith(b"SIP/2.0 "):
            continue
        status = phone.hear(data)
        if not status:
            continue
        free.append(busy[phone.socket])
        if status < 300:
            done.times.append(monotonic() - phone.began)
        else:
            done.fault(str(status))


# --- both --------------------------------------------------------------------------------------------


@dataclass
class Row:
    """One kind of flood, and its costs for users and the daemon."""

    kind: str
    done: Done
    sent: float
    answered: int
    grown: float
    cpu: float

    def percentile(self, share: float) -> float:
        return (percentile(sorted(self.done.times), share) or 0.0) * 1_000


class Crowd:
    """The phones, in a process of their own."""

    def __init__(self, server: tuple[str, int], many: int, rate: float) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=phones, args=(server, many, rate, theirs))
        self._process.start()
        self._pipe.recv()

    def begin(self, seconds: float) -> None:
        self._pipe.send(seconds)

    def end(self) -> Done:
        done = self._pipe.recv()
        assert isinstance(done, Done)
        return done

    def stop(self) -> None:
        self._pipe.send(None)
        self._process.join()


def measure(kind: str, server: Msilod, crowd: Crowd, sources: int, rate: int, seconds: float) -> Row:
    """One span; "" is the phones alone."""
    before = server.sample()
    if not kind:
        crowd.begin(seconds)
        after_done = crowd.end()
        after = server.sample()
        return Row(
            "alone", after_done, 0, 0, (after.rss - before.rss) / 1024, (after.cpu - before.cpu) / seconds
        )
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=flood, args=(kind, server.address, sources, rate, seconds + 1, theirs)
    )
    process.start()
    ours.recv()
    ours.send("go")
    # The strangers are at it before the span begins.
    sleep(0.5)
    crowd.begin(seconds)
    done = crowd.end()
    sent, answered = ours.recv()
    process.join()
    after = server.sample()
    return Row(
        kind,
        done,
        sent / (seconds + 1),
        answered,
        (after.rss - before.rss) / 1024,
        (after.cpu - before.cpu) / seconds,
    )


def add_users(silo: Path, names: Iterator[str]) -> None:
    """Users with the password `secret`, as msilo user add makes them."""
    table = UserTable(silo, "silo")
    for name in names:
        digest = md5(f"{name}:{REALM}:secret".encode(), usedforsecurity=False).digest()
        table.set(f"{name}@{DOMAIN}", [UserRow(f"{name}@{DOMAIN}", "MD5", REALM, digest)])
    table.close()


def report(rows: list[Row]) -> tuple[str, bool]:
    """The table, and whether all is as it is wanted."""
    alone = next(row for row in rows if row.kind == "alone")
    lines = [
        "kind             strangers/s  refused/s   users    p50 ms    p99 ms   grown MiB   cores  faults"
    ]
    is_good = True
    for row in rows:
        share = len(row.done.times) / max(len(alone.done.times), 1)
        p99 = row.percentile(0.99)
        missed = share < WANTED_SHARE or p99 >= WANTED_MS or row.grown > WANTED_MIB
        is_good &= not missed
        faults = ", ".join(f"{name}: {number}" for name, number in sorted(row.done.faults.items()))
        lines.append(
            f"{row.kind:<16} {row.sent:>11,.0f} {row.answered:>10} {share:>6.0%} {row.percentile(0.5):>9.1f} "
            f"{p99:>9.1f} {row.grown:>11.1f} {row.cpu:>7.2f}  {faults}{'  MISSED' if missed else ''}"
        )
    grown = sum(row.grown for row in rows if row.kind != "alone")
    is_good &= grown <= WANTED_MIB
    lines.append(f"grown by all kinds together: {grown:.1f} MiB, at most {WANTED_MIB:.0f} are wanted")
    return "\n".join(lines) + "\n", is_good


def main() -> int:
    """Run all kinds, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.flood", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], help="all of them by default")
    parser.add_argument("--rate", type=int, default=20_000, help="datagrams a second of all sources")
    parser.add_argument("--sources", type=int, default=SOURCES, help="addresses that they come from")
    parser.add_argument("--users", type=int, default=200, help="phones")
    parser.add_argument("--offered", type=float, default=200.0, help="transactions a second of all phones")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each kind")
    parser.add_argument("--command", default="", help="what starts msilod")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        server = Msilod(options.command)
        server.config = _CONFIG
        sys.stderr.write(f"{headline(this_machine(folder))}\n{server.version()}\n")
        state = {"STATE_DIRECTORY": text, "RUNTIME_DIRECTORY": text}
        upgrade = [
            sys.executable,
            "-m",
            "msilo_cli",
            "--db-url",
            f"sqlite:///{folder}/silo.db",
            "db",
            "upgrade",
        ]
        subprocess.run(upgrade, check=True, capture_output=True, env=state)
        add_users(folder / "silo.db", (f"phone{number}" for number in range(options.users)))
        add_users(folder / "silo.db", (f"away{number}" for number in range(100)))
        server.start(folder)
        try:
            crowd = Crowd(server.address, options.users, options.offered)
            try:
                for kind in ["", *(options.kinds or KINDS)]:
                    rows.append(measure(kind, server, crowd, options.sources, options.rate, options.seconds))
                    sys.stderr.write(f"{rows[-1].kind} ")
                    sys.stderr.flush()
            finally:
                crowd.stop()
        finally:
            server.stop()
    found, is_good = report(rows)
    sys.stdout.write(f"\n{found}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
