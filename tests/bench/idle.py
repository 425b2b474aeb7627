"""What do idle phones cost? `python -m tests.bench.idle`, from the root of the source tree.

Ten thousand TCP connections, each of which has registered one user, and then bindings by UDP up to a hundred
thousand; all of them real, over loopback. The source addresses are 127.1.0.1 and the following, a thousand
connections each, so that no port is used up. Printed is the memory of the daemon (PSS, MiB) empty, with the
connections, and with everything; at most 500 is wanted.
"""

import argparse
import resource
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench.load.servers import DOMAIN, Msilod, ServerFailed
from tests.bench.load.wire import register_template, registers, user_name

EACH_ADDRESS: Final = 1000
# Requests on the way at a time: far below what a socket's buffer holds.
WINDOW: Final = 50
RUN: Final = b"0000"
TIMEOUT: Final = 20.0


def connected(address: tuple[str, int], count: int) -> list[socket.socket]:
    """So many connections, none of which has said anything."""
    found = []
    for number in range(count):
        line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        line.settimeout(TIMEOUT)
        line.bind((f"127.1.0.{1 + number // EACH_ADDRESS}", 0))
        line.connect(address)
        found.append(line)
    return found


def requests(users: range, port: int, transport: bytes) -> Iterator[bytes]:
    """A REGISTER of each."""
    template = register_template(DOMAIN.encode(), port, RUN)
    for _, data in registers(template, map(user_name, users), 1):
        yield data.replace(b"SIP/2.0/UDP", b"SIP/2.0/" + transport, 1)


def register_by_tcp(lines: Sequence[socket.socket]) -> None:
    """User n over line n. ServerFailed: one was not answered with 200."""
    for number, line in enumerate(lines):
        own = line.getsockname()[1]
        for data in requests(range(number, number + 1), own, b"TCP"):
            line.sendall(data)
    for line in lines:
        expect(line.recv(4096))


def register_by_udp(address: tuple[str, int], users: range) -> None:
    """Everybody from one phone, a window at a time. ServerFailed: one was not answered with 200."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(TIMEOUT)
        phone.connect(address)
        waiting = 0
        for data in requests(users, phone.getsockname()[1], b"UDP"):
            phone.send(data)
            waiting += 1
            if waiting == WINDOW:
                for _ in range(waiting):
                    expect(phone.recv(4096))
                waiting = 0
        for _ in range(waiting):
            expect(phone.recv(4096))


def expect(answer: bytes) -> None:
    """Only 200 will do."""
    if not answer.startswith(b"SIP/2.0 200 "):
        raise ServerFailed(f"a REGISTER was answered {answer[:60]!r}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    add = made.add_argument
    add("--connections", type=int, default=10_000, help="TCP connections (default %(default)s)")
    add("--bindings", type=int, default=100_000, help="bindings in all (default %(default)s)")
    add("--command", default="", help="the daemon's program (default: this Python's -m msilod)")
    add("--directory", type=Path, default=Path("/var/tmp"), help="for the silo (default %(default)s)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1: a phone was refused."""
    options = parser().parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="idle-", dir=options.directory) as directory:
        server = Msilod(options.command)
        lines: list[socket.socket] = []
        try:
            server.start(Path(directory))
            _say(server, "empty")
            lines = connected(server.tcp_address, options.connections)
            register_by_tcp(lines)
            _say(server, f"{len(lines)} TCP connections, as many bindings")
            register_by_udp(server.address, range(len(lines), options.bindings))
            _say(server, f"{len(lines)} TCP connections, {options.bindings} bindings")
        except ServerFailed as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            for line in lines:
                line.close()
            server.stop()
    return 0


def _say(server: Msilod, what: str) -> None:
    sys.stdout.write(f"{server.sample().pss / 1024:8.1f} MiB  {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
