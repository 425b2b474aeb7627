"""Every vector on a real daemon: as a datagram, on a stream whole, byte by byte, and two in a segment."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE
from tests.vectors.bodies import LENGTHS, TYPES
from tests.vectors.heads import FIELDS, START_LINES
from tests.vectors.values import ADDRESSES, NUMBERS, VIAS
from tests.vectors.vector import NOTHING, WAITS, Vector, vector

VECTORS = (*START_LINES, *FIELDS, *ADDRESSES, *NUMBERS, *VIAS, *LENGTHS, *TYPES)
named = pytest.mark.parametrize("one", VECTORS, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all vectors: the daemon must survive every vector."""
    daemon = Daemon(tmp_path_factory.mktemp("vectors"), "[silo]\nmax_messages = 100000\n").start()
    yield daemon
    assert daemon.stop() == 0
    assert "could not be" not in (daemon.folder / "log").read_text()


def token_of(one: Vector) -> bytes:
    return b"fence" + one.name.replace("_", "").encode()


def fence(one: Vector) -> bytes:
    """A request behind a vector. The answer to the fence shows that the vector has been handled."""
    line = b"OPTIONS sip:example.test SIP/2.0"
    return vector(token_of(one).decode(), "", start=line, cseq=b"CSeq: 1 OPTIONS", body=b"").data


def answers(received: list[bytes], one: Vector) -> list[int]:
    """The statuses received beside the answer to the fence, read without the parser under test."""
    fenced = [data for data in received if token_of(one) in data]
    assert fenced, "the fence was not answered"
    return [int(data.split(b" ")[1]) for data in received if data not in fenced]


def again(one: Vector) -> bytes:
    """The same vector as another transaction."""
    name = one.name.replace("_", "").encode()
    return one.data.replace(name, name + b"2")


@named
def test_on_udp_a_vector_gets_its_status(server: Daemon, one: Vector) -> None:
    received = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(PATIENCE)
        udp.sendto(one.data, server.address)
        if one.udp != NOTHING:
            # A store is answered after its commit, and the fence does not wait for the commit.
            received.append(udp.recv(65535))
        udp.sendto(fence(one), server.address)
        received.append(udp.recv(65535))
    assert answers(received, one) == ([one.udp] if one.udp != NOTHING else []), one.why


class Stream:
    """A TCP connection to the daemon that reads whole responses."""

    def __init__(self, server: Daemon) -> None:
        self.socket = socket.create_connection(server.address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def answer(self) -> bytes:
        """The next response; responses have no body. b"" after the end of the connection."""
        while b"\r\n\r\n" not in self.pending:
            try:
                data = self.socket.recv(65535)
            except ConnectionResetError:
                # A close with unread bytes: TCP then sends a reset.
                return b""
            if not data:
                return b""
            self.pending += data
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return head.lstrip(b"\r\n")


@pytest.fixture
def stream(server: Daemon) -> Iterator[Stream]:
    made = Stream(server)
    yield made
    made.socket.close()


def check(stream: Stream, one: Vector, count: int = 1) -> None:
    """Check the answers to `count` copies of a sent vector, and the state of the stream."""
    if one.stream == WAITS:
        stream.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stream.answer()
        return
    received = [stream.answer() for _ in range(count)] if one.stream != NOTHING else []
    if one.closes:
        assert stream.answer() == b"", "the connection is closed"
        received.append(token_of(one))
    else:
        stream.socket.sendall(fence(one))
        received.append(stream.answer())
    assert answers(received, one) == ([one.stream] * count if one.stream != NOTHING else []), one.why


@named
def test_on_a_stream_a_vector_gets_its_status(stream: Stream, one: Vector) -> None:
    stream.socket.sendall(one.data)
    check(stream, one)


@named
def test_on_a_stream_byte_by_byte_a_vector_gets_its_status(stream: Stream, one: Vector) -> None:
    # Beyond this size the kernel joins the segments in any case.
    with contextlib.suppress(ConnectionError):
        for at in range(min(len(one.data), 600)):
            stream.socket.sendall(one.data[at : at + 1])
        stream.socket.sendall(one.data[600:])
    if one.closes:
        # The kernel drops the answer when bytes arrive after the close of the stream.
        while stream.answer():
            pass
        return
    check(stream, one)


@named
def test_two_vectors_in_one_segment_get_two_answers(stream: Stream, one: Vector) -> None:
    if one.closes or one.stream == WAITS:
        stream.socket.sendall(one.data + one.data)
        check(stream, one) if one.closes else None
        return
    stream.socket.sendall(one.data + again(one))
    check(stream, one, 2)
