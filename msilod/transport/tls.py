"""TLS: certificates, handshakes and connections of TLS 1.2 and newer (RFC 3261 §26.3, RFC 5922).

Rules: a handshake takes half a millisecond of CPU time or more. So only one handshake begins per round of the event
loop, and datagrams are read in between. A handshake has `handshake` seconds, and the number of handshakes is bounded.
A dialled peer must prove the domain in the URI. A new certificate is used for new connections; open connections stay.
"""

import os
import socket
import ssl
import stat
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import trio

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.transport.identity import names_domain
from msilod.transport.streams import Streams, counted
from msilod.transport.tcp import TcpConnection
from msilod.transport.validity import Validity, validity

# Each handshake takes about 30 kB. One address, or one IPv6 /64 network, has a tenth of the handshakes.
MAX_HANDSHAKES: Final = 2000
MAX_HANDSHAKES_PER_ADDRESS: Final = 200
# Bytes. The trust store of Debian has a quarter of a million.
MAX_PEM: Final = 10_000_000
_NO_FILE: Final = "there is no such file; write the path of a PEM file"

T = TypeVar("T")


class BadTlsFile(ValueError):
    """`key` of [tls] names a file that cannot be used; the text says the reason and the remedy."""

    def __init__(self, key: str, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.key = key


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificates shown to clients, and the verification of dialled peers.

    `path` and `validity` are those of the certificate shown; `validity` is None when the times cannot be read.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    path: Path
    validity: Validity | None

    def fault(self, system: float) -> str:
        """Why the certificate is not valid at `system`, in seconds since 1970; "" if it is valid."""
        fault = "" if self.validity is None else self.validity.fault(system)
        return fault and f"{self.path}: {fault}, so clients refuse it; write a valid one"


def load_certificates(certificate: Path, private_key: Path, ca: Path | None) -> Certificates:
    """Read the PEM files. `ca` None: the system's trust store. Raises BadTlsFile."""
    _check_readable("certificate", certificate)
    _check_readable("private_key", private_key)
    _check_is_certificate("certificate", certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ca is not None:
        _check_readable("ca", ca)
        _check_is_certificate("ca", ca)
    client = ssl.create_default_context(cafile=ca)
    # RFC 5922 has other rules than HTTPS: see identity.py.
    client.check_hostname = False
    for context in (server, client):
        # No renegotiation: a peer could cause new keys again and again, and a write would have to wait for reads.
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_chain(context, certificate, private_key)
    return Certificates(server, client, certificate, validity(certificate.read_bytes()))


def _load_chain(context: ssl.SSLContext, certificate: Path, private_key: Path) -> None:
    try:
        # An empty passphrase: OpenSSL would else ask the terminal for one.
        context.load_cert_chain(certificate, private_key, password=b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"does not belong to the certificate in {certificate}; name the key it was made with"
        else:
            problem = "holds no private key that can be read; write one in PEM, without a passphrase"
        raise BadTlsFile("private_key", private_key, problem) from error


def _check_readable(key: str, path: Path) -> None:
    """Raise BadTlsFile unless OpenSSL can read the file without waiting; the event loop waits for OpenSSL."""
    try:
        # A FIFO without a writer would block here, and then in OpenSSL.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise BadTlsFile(key, path, _NO_FILE) from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); let the user that msilod runs as read it"
        raise BadTlsFile(key, path, problem) from error
    if not stat.S_ISREG(status.st_mode):
        raise BadTlsFile(key, path, "cannot be read (no regular file); name a PEM file")
    if status.st_size > MAX_PEM:
        raise BadTlsFile(key, path, f"is larger than {MAX_PEM:,} bytes; name a PEM file")


def _check_is_certificate(key: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise BadTlsFile(
            key, path, "holds no certificate; write one in PEM, with those that lead to its root behind it"
        ) from error


class Turnstile:
    """Lets one handshake begin per round of the event loop, and bounds the handshakes in progress.

    At a limit (of one address, or of all) the oldest handshake is ended for the new handshake. An honest peer needs
    less than a second. A peer that stops in the middle would keep the others out for ten seconds.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()
        # The oldest comes first.
        self._under_way: dict[trio.CancelScope, str] = {}
        self._by_address: Counter[str] = Counter()

    async def shake(self, sock: socket.socket, host: str, handshake: Callable[[], Awaitable[T]]) -> T | None:
        """Run the server's side of a handshake with `host`; None when the handshake failed, or had to make room."""
        address = counted(host)
        try:
            # A peer that connects and sends no bytes delays no other peer, and costs no more than on TCP.
            await trio.lowlevel.wait_readable(sock)
            self._make_room(address)
            with trio.CancelScope() as scope:
                self._under_way[scope] = address
                self._by_address[address] += 1
                try:
                    return await self.begin(handshake)
                finally:
                    self._leave(scope)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        return None

    def _make_room(self, address: str) -> None:
        if self._by_address[address] >= MAX_HANDSHAKES_PER_ADDRESS:
            oldest = next(scope for scope, other in self._under_way.items() if other == address)
        elif len(self._under_way) >= MAX_HANDSHAKES:
            oldest = next(iter(self._under_way))
        else:
            return
        self._leave(oldest)
        oldest.cancel()

    def _leave(self, scope: trio.CancelScope) -> None:
        address = self._under_way.pop(scope, None)
        if address is None:
            return
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    async def begin(self, handshake: Callable[[], Awaitable[T]]) -> T:
        """Wait for a round of the loop in which no other begins."""
        async with self._lock:
            await trio.lowlevel.checkpoint()
        return await handshake()


class TlsConnection(TcpConnection):
    """One TLS connection: accepted, or dialled to `domain` and then `shake`n before being served.

    OpenSSL reads and writes the socket itself. With a trio.SSLStream in between, a handshake beside stores took 14
    steps and 2.7 ms of the loop; without, 7 steps and 1.7 ms. A record is 16 kB at most and a read takes more, so no
    bytes remain in OpenSSL, where the poller does not see bytes.
    """

    __slots__ = ("_context", "_is_shaken", "_turnstile")

    def __init__(
        self,
        streams: Streams,
        sock: socket.socket,
        flow: Flow,
        context: ssl.SSLContext,
        turnstile: Turnstile,
        domain: str = "",
    ) -> None:
        super().__init__(streams, sock, flow, domain)
        self.deadline = trio.current_time() + streams.limits.handshake
        self._context = context
        self._turnstile = turnstile
        self._is_shaken = False

    async def shake(self) -> None:
        """The client's side of the handshake. Raises TransportError, also for a certificate of another domain."""
        domain = self.peer[3]
        try:
            sock = await self._handshake()
            if not names_domain(sock.getpeercert() or {}, domain):
                raise TransportError(f"tls to {domain}: the certificate is for another domain (RFC 5922)")
        except OSError as error:
            self._socket.close()
            raise TransportError(f"tls to {domain}: {_reason(error)}") from error
        except BaseException:
            self._socket.close()
            raise

    async def _handshake(self) -> ssl.SSLSocket:
        """Replace the socket by an SSL socket; the old socket object is detached. Raises OSError."""
        domain = self.peer[3]
        self._socket = sock = self._context.wrap_socket(
            self._socket,
            server_side=not domain,
            server_hostname=domain or None,
            do_handshake_on_connect=False,
        )
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(sock)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(sock)
            else:
                self._is_shaken = True
                return sock

    def on_deadline(self, now: float) -> None:
        """End a late handshake. After the handshake as on TCP."""
        if self._is_shaken:
            super().on_deadline(now)
        else:
            self.close()

    def flush(self) -> None:
        """As on TCP. Before the end of the handshake the bytes would leave unencrypted."""
        if self._is_shaken:
            super().flush()

    async def _run(self) -> None:
        if not self._is_shaken:
            if await self._turnstile.shake(self._socket, self.flow.host, self._handshake) is None:
                return
            self.flush()
        self.deadline = trio.current_time() + self.streams.limits.idle
        await super()._run()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate cannot be trusted: {error.verify_message}"
    return "the handshake failed"
