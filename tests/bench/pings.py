"""Microseconds of the daemon's thread for one ping of a phone behind NAT: the OPTIONS request, and its answer.

    python tests/bench/pings.py [ROUNDS]

The sockets are real ones on loopback, and their system calls count; what the phones do does not. 100,000 phones with a
ping each 25 s are 4,000 a second: 25 us each are a tenth of a core. The best of several rounds counts.
"""

import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.clock import Clock
from msilod.config import Config
from msilod.daemon.wiring import build
from msilod.registrar.binding import Binding
from msilod.registrar.keep_alive import SLOTS_PER_SECOND
from msilod.routing import default
from msilod.sip.flow import Flow
from msilod.store.engine.choice import sqlite_url
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.transport.listen import ListenSpec
from msilod.transport.transports import Transports

PHONES = 10_000
PERIOD = 25
# What a desk phone answers to OPTIONS, behind the fields that it copies.
TAIL = (
    b'Contact: <sip:u0000@10.0.0.5:5060;transport=udp>;methods="INVITE,ACK,BYE,CANCEL"\r\n'
    b"User-Agent: Desk Phone T46U 108.86.0.20\r\n"
    b"Allow: INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, PUBLISH, MESSAGE\r\n"
    b"Accept: application/sdp, text/plain\r\nSupported: replaces, timer, norefersub\r\nContent-Length: 0\r\n\r\n"
)


class Hands(Clock):
    """A clock that is set."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0
        self.now = lambda: self.at


def answered(request: bytes) -> bytes:
    """The 200 of a phone: Via, From, To, Call-ID and CSeq as they came."""
    lines = request.split(b"\r\n")
    copied = [line for line in lines[1:] if line[:3] in (b"Via", b"Fro", b"To:", b"Cal", b"CSe")]
    return b"SIP/2.0 200 OK\r\n" + b"\r\n".join(copied) + b"\r\n" + TAIL


class Pinged:
    """A daemon, and its phones behind one socket."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.silo = Silo(sqlite_url(folder / "silo.db"), "silo", Limits())
        self.silo.start("bench", None)
        self.transports = Transports([ListenSpec("udp", "127.0.0.1", 0)])
        self.endpoint = self.transports.udp[0]
        self.clock = Hands()
        self.slots = 0
        self.parts = build(
            Config(domains=["bench.test"]), self.clock, self.transports, self.silo, nursery, default
        )
        self.phones = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phones.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.phones.bind(("127.0.0.1", 0))
        self.phones.setblocking(False)
        host, port = self.phones.getsockname()
        wall = self.clock.wall()
        self.parts.location.load(
            Binding(
                f"u{number:05}@bench.test", "sip:u0000@10.0.0.5:5060;transport=udp", "c", 1, wall + 3600, wall,
                flow=Flow(self.endpoint.endpoint, host, port),
            )
            for number in range(PHONES)
        )  # fmt: skip
        self.parts.pings.load(PERIOD)

    def turn(self) -> tuple[float, float]:
        """Seconds to ping all phones once, and to hear their answers."""
        sending = hearing = 0.0
        sent = 0
        for _ in range(PERIOD * SLOTS_PER_SECOND):
            self.slots += 1
            # The middle of a slot.
            self.clock.at = (self.slots + 0.5) / SLOTS_PER_SECOND
            began = thread_time()
            self.parts.pings.send_due()
            sending += thread_time() - began
            while True:
                try:
                    request = self.phones.recv(65536)
                except BlockingIOError:
                    break
                sent += 1
                self.phones.sendto(answered(request), self.endpoint.socket.getsockname())
            began = thread_time()
            while self.endpoint.drain(self.parts.receiver):
                self.parts.receiver.after_batch()
            hearing += thread_time() - began
        heard = sum(b.pings is not None and not b.pings.token for b in self.parts.location.all())
        assert sent == heard == PHONES, (sent, heard)
        return sending, hearing

    def close(self) -> None:
        """Let go of ports and files."""
        self.phones.close()
        self.transports.close()
        self.silo.close()


async def best(rounds: int) -> tuple[float, float]:
    """The best of the rounds."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        async with trio.open_nursery() as nursery:
            pinged = Pinged(Path(folder), nursery)
            found = min((pinged.turn() for _ in range(rounds)), key=sum)
            pinged.close()
            nursery.cancel_scope.cancel()
    return found


def main() -> None:
    """A line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    sending, hearing = (1e6 * spent / PHONES for spent in trio.run(best, rounds))
    share = 100_000 / PERIOD * (sending + hearing) / 1e6
    sys.stdout.write(
        f"{sending + hearing:8.2f} us a ping: {sending:.2f} to send it, {hearing:.2f} to hear the answer; "
        f"100,000 phones are {share:.3f} of a core\n"
    )


if __name__ == "__main__":
    main()
