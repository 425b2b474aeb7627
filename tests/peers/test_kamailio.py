"""Kamailio as the neighbour: the proxy before us, which adds Path and Record-Route, and the next hop behind us."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.bench.load.servers import answers, modules
from tests.calls.caller import Caller, values
from tests.peers.conftest import program
from tests.ports import free_port
from tests.scenarios.conftest import Daemon

pytestmark = pytest.mark.peer

BOB = "sip:bob@example.test"


class Kamailio:
    """A Kamailio that sends requests without a Route to the port `next_hop`. `options` are those of the file."""

    def __init__(self, folder: Path, next_hop: int, options: Sequence[str] = (), port: int = 0) -> None:
        self.port = port or free_port()
        self.log = (folder / f"kamailio-{self.port}.log").open("wb")
        command = [program("kamailio"), "-f", str(Path(__file__).parent / "neighbour.cfg"), "-DD", "-E"]
        command += ["-m", "64", "-M", "8", "-L", modules(), "-Y", str(folder)]
        transport = ";transport=tcp" if "WITH_TCP" in options else ""
        command += ["-A", f"PORT={self.port}", "-A", f'NEXT="sip:127.0.0.1:{next_hop}{transport}"']
        command += [word for option in options for word in ("-A", option)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)

    def wait(self) -> "Kamailio":
        """Until it answers."""
        ready, end = answers(("127.0.0.1", self.port)), monotonic() + 30
        while not next(ready):
            assert monotonic() < end
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(
                    f"Kamailio ended with {self.process.wait(0.05)}: {Path(self.log.name).read_text()}"
                )
        return self

    def stop(self) -> None:
        """With its children, who take their time at a polite word."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[Callable[..., Kamailio]]:
    """Starts neighbours; `kamailio(port)` sends to that port."""
    running: list[Kamailio] = []

    def start(next_hop: int, options: Sequence[str] = (), port: int = 0) -> Kamailio:
        running.append(Kamailio(tmp_path, next_hop, options, port))
        return running[-1].wait()

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def phones() -> Iterator[Callable[..., Caller]]:
    """Makes phones that talk to a port, at an address of loopback."""
    made: list[Caller] = []

    def make(user: str, port: int, host: str = "127.0.0.1") -> Caller:
        made.append(Caller(user, ("127.0.0.1", port), host=host))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


Start = Callable[..., Kamailio]
Phones = Callable[..., Caller]


def test_r11_registered_through_it_and_reached_by_its_path(
    daemon: Daemon, kamailio: Start, phones: Phones
) -> None:
    edge = kamailio(daemon.port)
    alice, bob = phones("alice", daemon.port), phones("bob", edge.port)
    assert alice.text("bob", "for later").status == 202
    assert bob.register(extra="Supported: path\r\n").status == 200
    kept = bob.take()
    assert kept.body == b"for later"
    assert len(values(kept, b"via")) == 2, "ours, and Kamailio's"
    alice.send(alice.message("bob", "now"))
    assert bob.take().body == b"now"
    assert alice.response().status in (200, 202), "202 when the first one's end is not committed yet (law 7)"
    assert daemon.rows() == []


def test_p5_a_call_through_it_on_both_sides(daemon: Daemon, kamailio: Start, phones: Phones) -> None:
    """alice and bob are both behind the edge: the dialog's route set has it twice, and us between."""
    edge = kamailio(daemon.port)
    alice, bob = phones("alice", edge.port), phones("bob", edge.port)
    assert bob.register(extra="Supported: path\r\n").status == 200
    alice.send(alice.invite(BOB))
    invite = bob.request(b"INVITE")
    bob.ring(invite)
    bob.accept(invite)
    while (accepted := alice.response()).status < 200:
        pass
    caller, callee = alice.as_caller(accepted), bob.as_callee(invite)
    assert len(caller.routes) >= 2
    caller.send(b"ACK", cseq=1)
    assert bob.request(b"ACK").cseq == 1
    callee.send(b"BYE")
    alice.answer(alice.request(b"BYE"))
    while (ended := bob.response()).status < 200:
        pass
    assert ended.status == 200


def test_x9_a_call_through_it_is_given_up(daemon: Daemon, kamailio: Start, phones: Phones) -> None:
    edge = kamailio(daemon.port)
    alice, bob = phones("alice", edge.port), phones("bob", edge.port)
    assert bob.register(extra="Supported: path\r\n").status == 200
    sent = alice.invite(BOB)
    alice.send(sent)
    invite = bob.request(b"INVITE")
    bob.ring(invite)
    while alice.response().status != 180:
        pass
    alice.send(alice.of_same_hop(sent, b"CANCEL"))
    bob.answer(bob.request(b"CANCEL"))
    bob.answer(invite, 487)
    statuses = [alice.response().status]
    while 487 not in statuses:
        statuses.append(alice.response().status)


def test_p3_it_is_the_server_of_a_foreign_domain(
    start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones
) -> None:
    daemon = start_daemon('[proxy]\nrelay = "anybody"\n')
    alice, carol = phones("alice", daemon.port), phones("carol", 0)
    foreign = kamailio(carol.port)
    carol.server = ("127.0.0.1", foreign.port)
    for method in ("MESSAGE", "INVITE"):
        sent = alice.invite(f"sip:carol@127.0.0.1:{foreign.port}", method=method)
        alice.send(sent)
        request = carol.request(method.encode())
        assert len(values(request, b"via")) == 3
        carol.accept(request)
        while (final := alice.response()).status < 200:
            pass
        assert final.status == 200
    caller = alice.as_caller(final)
    caller.send(b"ACK", cseq=1)
    assert carol.request(b"ACK").cseq == 1
    caller.send(b"BYE")
    carol.answer(carol.request(b"BYE"))
    assert alice.response().status in (100, 200)


def test_p4_it_is_the_outbound_proxy_of_the_silo(
    start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones
) -> None:
    outbound = kamailio(9)
    daemon = start_daemon(f'[silo]\nnext_hop = "sip:127.0.0.1:{outbound.port};lr"\n')
    alice, bob = phones("alice", daemon.port), phones("bob", daemon.port)
    assert alice.text("bob", "by the way").status == 202
    assert bob.register().status == 200
    got = bob.take()
    assert got.body == b"by the way"
    assert len(values(got, b"via")) == 2


def test_p6_two_that_send_to_each_other_end_it(
    start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones
) -> None:
    """A to B to A: a foreign name whose server sends everything back to us."""
    daemon = start_daemon('[proxy]\nrelay = "anybody"\n')
    mirror = kamailio(daemon.port)
    alice = phones("alice", daemon.port)
    sent = alice.invite(f"sip:carol@127.0.0.1:{mirror.port}")
    alice.send(sent)
    assert alice.final(sent).status in (482, 483)
