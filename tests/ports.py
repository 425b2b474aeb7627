"""Ports: chooses ports for servers of the tests, so that tests that run at the same time do not meet.

The kernel gives its ephemeral ports, 32768 and up on Linux, to the clients of all tests. A port that a test has tried
and closed may be taken before the server of the test binds it. The ports here are below, and each test process has
some of its own.
"""

import os
import socket
from itertools import count
from typing import Final

_FIRST: Final = 10_000
# The process ids of the workers of one run are near each other, so that the remainders differ.
_PROCESSES: Final = 220
_PORTS_OF_PROCESS: Final = 100
_numbers = count()


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that is free for UDP and for TCP."""
    for _ in range(_PORTS_OF_PROCESS):
        offset = next(_numbers) % _PORTS_OF_PROCESS
        port = _FIRST + os.getpid() % _PROCESSES * _PORTS_OF_PROCESS + offset
        if all(_is_free(kind, host, port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port
    raise AssertionError(f"no port of this process is free on {host}")


def _is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as trying:
        # The daemon's listeners do the same: a port with connections in TIME_WAIT is free.
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        try:
            trying.bind((host, port))
        except OSError:
            return False
        return True
