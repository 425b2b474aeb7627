"""The filter in the kernel: it drops the datagrams of the named sources only."""

import socket
from collections.abc import Iterator

import pytest

from msilod.transport.udp_filter import MAX_INSTRUCTIONS, attach, program


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def heard(ear: socket.socket, host: str, port: int = 0) -> bool:
    """True when the datagram arrives. Loopback delivers within the call of send."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.bind((host, port))
        mouth.sendto(b"x" * 2_000, ear.getsockname())
    try:
        return ear.recv(4_096) == b"x" * 2_000
    except BlockingIOError:
        return False


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def test_named_sources_are_dropped_except_for_excepted_ports_and_accepted_again_later(
    ear: socket.socket,
) -> None:
    port = free_port("127.0.0.3")
    shed = {"127.0.0.2": set[int](), "127.0.0.3": {port, 9}, "2001:db8::/64": set[int]()}
    if not attach(ear, program(shed, is_v6=False)):
        pytest.skip("this kernel has no socket filters")
    assert heard(ear, "127.0.0.1")
    assert not heard(ear, "127.0.0.2")
    assert not heard(ear, "127.0.0.3")
    assert heard(ear, "127.0.0.3", port)
    assert attach(ear, program({"127.0.0.1": set()}, is_v6=False))
    assert not heard(ear, "127.0.0.1")
    assert heard(ear, "127.0.0.2")
    assert attach(ear, [])
    assert heard(ear, "127.0.0.1")


def test_an_ipv6_network_is_dropped_and_the_next_network_is_not() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ear:
        try:
            ear.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 loopback here")
        ear.setblocking(False)

        def is_heard() -> bool:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as mouth:
                mouth.sendto(b"x", ear.getsockname())
            try:
                return ear.recv(10) == b"x"
            except BlockingIOError:
                return False

        if not attach(ear, program({"::/64": set()}, is_v6=True)):
            pytest.skip("this kernel has no socket filters")
        assert not is_heard()
        assert attach(ear, program({"0:0:0:1::/64": set(), "1::/64": set()}, is_v6=True))
        assert is_heard()


def test_a_filter_program_is_bounded_and_the_kernel_accepts_the_largest(ear: socket.socket) -> None:
    crowd = {f"192.0.2.{number}": set(range(1, 129)) for number in range(64)}
    found = program(crowd, is_v6=False)
    assert 1_500 < len(found) <= MAX_INSTRUCTIONS
    if not attach(ear, found):
        pytest.skip("this kernel has no socket filters")
    assert heard(ear, "127.0.0.1")
    assert program(crowd, is_v6=True) == []
