"""T16: the whole daemon connects to a server by TLS, and accepts only the right certificate (RFC 5922 §7)."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.sip.flow import BY_LENGTH
from msilod.sip.framing import StreamFramer
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone
from tests.transport.authority import Authority


class TlsServer:
    """A server for one connection. MESSAGEs are answered with 200."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = int(self.listener.getsockname()[1])

    def __enter__(self) -> "TlsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> ssl.SSLSocket:
        plain, _ = self.listener.accept()
        plain.settimeout(PATIENCE)
        return self.context.wrap_socket(plain, server_side=True)

    def take(self, line: ssl.SSLSocket) -> Request:
        framer, frames = StreamFramer(), list[bytes]()
        while not frames:
            data = line.recv(65535)
            assert data, "the daemon has hung up"
            frames += [frame for frame in framer.feed(data) if isinstance(frame, bytes)]
        request = parse(frames[0], BY_LENGTH)
        assert isinstance(request, Request)
        line.sendall(build_response(request, 200, to_tag=b"hop").to_bytes())
        return request


def started(start_daemon: Callable[..., Daemon], authority: Authority, hop: str) -> Daemon:
    """A daemon with deliveries through `hop`."""
    folder = authority.folder
    daemon = start_daemon(
        f'[silo]\nnext_hop = "{hop}"\n[tls]\ncertificate = "{folder}/server.pem"\n'
        f'private_key = "{folder}/server.key"\nca = "{folder}/ca.pem"\n',
        listen=("tls:127.0.0.1",),
    )
    return daemon


@pytest.mark.parametrize("hop", ["sip:127.0.0.1:{};transport=tls", "sips:127.0.0.1:{}"])
def test_t16_deliveries_go_over_one_connection_to_whom_was_meant(
    start_daemon: Callable[..., Daemon], tmp_path: Path, hop: str
) -> None:
    authority = Authority(tmp_path)
    authority.issue("127.0.0.1")
    with TlsServer(*authority.issue("127.0.0.1", as_file="hop")) as server:
        daemon = started(start_daemon, authority, hop.format(server.port))
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            for text in ("one", "two"):
                assert alice.text("bob", text).status == 202
            bob.register()
            with server.accept() as line:
                got = [server.take(line), server.take(line)]
                assert [request.body for request in got] == [b"one", b"two"]
                assert got[0].via.transport == b"TLS"
                assert got[0].via.port == daemon.ports["tls:127.0.0.1"]
        assert daemon.rows() == []


def test_t16_nothing_is_said_to_anybody_else(start_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("127.0.0.1")
    with TlsServer(*authority.issue("*.example.test", "hop.test", as_file="hop")) as server:
        daemon = started(start_daemon, authority, f"sips:127.0.0.1:{server.port}")
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            assert alice.text("bob", "secret").status == 202
            bob.register()
            with server.accept() as line:
                # The handshake is all: then the daemon hangs up.
                assert line.recv(100) == b""
        assert [row["body"] for row in daemon.rows()] == ["secret"]


def test_t17_what_was_sent_to_sips_goes_by_a_next_hop_that_is_tls(
    start_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    authority.issue("127.0.0.1")
    with TlsServer(*authority.issue("127.0.0.1", as_file="hop")) as server:
        daemon = started(start_daemon, authority, f"sip:127.0.0.1:{server.port};transport=tls")
        with Phone("alice", daemon.address) as alice:
            alice.send(alice.message("bob", "secret", uri="sips:bob@example.test"))
            assert alice.response().status == 202
            assert alice.text("bob", "open").status == 202
            assert daemon.msilo("dump", "bob@example.test").returncode == 0
            with server.accept() as line:
                got = [server.take(line), server.take(line)]
        assert [(request.uri, request.body) for request in got] == [
            (b"sips:bob@example.test", b"secret"),
            (b"sip:bob@example.test", b"open"),
        ]
