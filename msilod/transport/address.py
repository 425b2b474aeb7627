"""Address: binds sockets, with error texts for the operator, and chooses the local address for a Via."""

import errno
import socket
from typing import Final

from msilod.errors import UnavailableError
from msilod.transport.listen import ListenSpec

# Bursts of REGISTERs after an outage must fit (design, speed 1).
BUFFER: Final = 8 * 1024 * 1024
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_WILDCARDS: Final = ("0.0.0.0", "::")
_ADVICE: Final = {
    errno.EADDRINUSE: "the port is taken (stop the other program, or choose another port)",
    errno.EACCES: "not permitted (ports below 1024 need CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def bound_socket(spec: ListenSpec, kind: int) -> socket.socket:
    """Return a bound, non-blocking socket. Raises UnavailableError, which names the listener and the remedy."""
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((spec.host, spec.port))
    except OSError as error:
        sock.close()
        advice = _ADVICE.get(error.errno or 0, error.strerror)
        raise UnavailableError(f"cannot listen on {spec}: {advice}") from error
    return sock


def enlarge_buffers(sock: socket.socket) -> None:
    """Set the largest buffers that the kernel allows; with CAP_NET_ADMIN there is no limit."""
    for plain, forced in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE), (socket.SO_SNDBUF, _SO_SNDBUFFORCE)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)


def local_addresses(host: str) -> list[str]:
    """The addresses of a listener on `host`. For a wildcard, the address of the default route is found."""
    if host not in _WILDCARDS:
        return [host]
    is_v6 = host == "::"
    found = ["::1" if is_v6 else "127.0.0.1"]
    # Connecting a datagram socket sends nothing; the addresses are for documentation (RFC 5737, RFC 3849).
    outside = _source_for("2001:db8::1" if is_v6 else "192.0.2.1", is_v6)
    if outside is not None and outside not in found:
        found.insert(0, outside)
    return found


def _source_for(remote: str, is_v6: bool) -> str | None:
    with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, 5060))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def sent_by(transport: str, host: str, port: int) -> bytes:
    """The head of our Via on a listener (RFC 3261 §18.1.1)."""
    address = local_addresses(host)[0]
    shown = f"[{address}]" if ":" in address else address
    return f"SIP/2.0/{transport.upper()} {shown}:{port}".encode()
