"""Each transport to each other, over IPv4 and IPv6, on a real daemon; and the end of a connection (R13)."""

import os
import ssl
from collections.abc import Callable, Iterator
from itertools import count, product
from pathlib import Path

import pytest

from msilod.control.protocol import ControlClient, ControlError
from msilod.sip.message import Response
from msilod.sip.parser import parse
from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import STREAMS, Line
from tests.transport.authority import Authority

SHARED = Path(os.environ.get("MSILOD_SHARED") or Path(__file__).parents[2].parent / "shared")
TRANSPORTS = ("udp", *STREAMS)
# A body as in RFC 4475 §3.1.1.11: NUL, bare CR and LF, and bytes outside UTF-8.
TORTURE = bytes(range(256)) + b"\x00\xff\xfe\r\n\n\r--7a9cbec02ceef655\r\n\x89\xe2\x28"
Dial = Callable[..., Line]
_serial = count(1)


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.issue("127.0.0.1", "::1", "example.test")
    return authority


@pytest.fixture(scope="module")
def daemon(tls_files: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests of this file; each test has own users."""
    folder = tls_files.folder
    made = Daemon(
        tmp_path_factory.mktemp("silo"),
        f'[tls]\ncertificate = "{folder}/server.pem"\nprivate_key = "{folder}/server.key"\nca = "{folder}/ca.pem"\n',
    )
    made.listen = tuple(
        f"{transport}:{host}"
        for transport, host in product(TRANSPORTS, ("127.0.0.1", "[::1]"))
        if (transport, host) not in (("udp", "127.0.0.1"), ("tcp", "127.0.0.1"))
    )
    yield made.start()
    made.end()


@pytest.fixture
def dial(daemon: Daemon, tls_files: Authority) -> Iterator[Dial]:
    """Makes phones: user, transport, and the address of the daemon to talk to."""
    made: list[Line] = []
    context: ssl.SSLContext = tls_files.client()

    def make(user: str, transport: str, host: str = "127.0.0.1") -> Line:
        spec = f"{transport}:[{host}]" if ":" in host else f"{transport}:{host}"
        made.append(Line(user, transport, (host, daemon.ports[spec]), context))
        return made[-1]

    yield make
    for line in made:
        line.hang_up()


def within(line: Line, seconds: float) -> int:
    """The status of a response within `seconds`."""
    response = line.receive(seconds)
    assert isinstance(response, Response)
    return response.status


def reload(daemon: Daemon) -> None:
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("reload")


def named(name: str) -> str:
    """A user name for one test only."""
    return f"{name}{next(_serial)}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("sender", "recipient"), list(product(TRANSPORTS, TRANSPORTS)))
def test_t12_a_text_goes_from_every_transport_to_every_other(
    dial: Dial, sender: str, recipient: str, host: str
) -> None:
    """RFC 3261 §18, RFC 7118: stored without a binding, relayed with one, with the right Via."""
    alice, bob = dial(named("alice"), sender, host), dial(named("bob"), recipient, host)
    assert bob.register().status == 200
    alice.send(alice.message(bob.user, "zw\u00f6lf \U0001f600"))
    relayed = bob.take()
    assert relayed.body.decode() == "zw\u00f6lf \U0001f600"
    assert relayed.uri.decode() == bob.contact
    assert relayed.via.transport == recipient.upper().encode()
    assert relayed.via.host.decode() == (f"[{host}]" if ":" in host else host)
    below = relayed.headers.split(b"via")[1]
    assert f"received={host}".encode() in below
    assert alice.response().status == 200
    assert bob.register(expires=0).status == 200
    assert alice.text(bob.user, "while away").status == 202
    assert bob.register().status == 200
    assert bob.take().body == b"while away"


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("is_text", [True, False])
def test_t12_bodies_pass_whatever_their_bytes(dial: Dial, transport: str, is_text: bool) -> None:
    alice, bob = dial(named("alice"), transport), dial(named("bob"), transport)
    bob.is_text = is_text
    alice.is_text = False
    for body in (TORTURE, b"x" * 4096, b""):
        sent = alice.message(bob.user, body, content_type="multipart/mixed;boundary=7a9cbec02ceef655")
        alice.send(sent)
        assert alice.response().status == 202
    assert bob.register().status == 200
    assert [bob.take().body for _ in range(3)] == [TORTURE, b"x" * 4096, b""]


@pytest.mark.parametrize("transport", STREAMS)
def test_t12_the_body_of_mpart01_passes(dial: Dial, transport: str) -> None:
    """RFC 4475 §3.1.1.11: in a binary frame to us, and in one from us."""
    vector = SHARED / "vectors" / "rfc4475" / "mpart01.dat"
    if not vector.is_file():
        pytest.skip(f"no vectors at {SHARED}: set MSILOD_SHARED")
    alice, bob = dial(named("alice"), transport), dial(named("bob"), transport)
    alice.is_text = False
    original = parse(vector.read_bytes())
    content_type = original.headers.get(b"content-type") or b""
    alice.send(alice.message(bob.user, original.body, content_type=content_type.decode()))
    assert alice.response().status == 202
    assert bob.register().status == 200
    got = bob.take()
    assert (got.body, got.headers.get(b"content-type")) == (original.body, content_type)
    assert len(got.body) == 553


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_t12_two_messages_in_one_are_400(dial: Dial, transport: str) -> None:
    alice = dial(named("alice"), transport)
    alice.send(alice.message("nobody", "one") + alice.message("nobody", "two"))
    assert alice.response().status == 400
    assert alice.text(named("bob"), "still here").status == 202


@pytest.mark.parametrize("transport", STREAMS)
def test_r13_a_closed_connection_takes_its_bindings_flow(daemon: Daemon, dial: Dial, transport: str) -> None:
    """RFC 5626 §6: the next MESSAGE is stored at once, and delivered when the phone is back."""
    alice, bob = dial(named("alice"), "udp"), dial(named("bob"), transport)
    assert bob.register().status == 200
    bob.hang_up()
    alice.send(alice.message(bob.user, "while away"))
    assert within(alice, 3.0) == 202, "long before fr_timer"
    back = dial(bob.user, transport)
    assert back.register().status == 200
    assert back.take().body == b"while away"


@pytest.mark.parametrize("transport", STREAMS)
def test_r13_a_message_on_the_wire_when_the_connection_ends_is_stored(dial: Dial, transport: str) -> None:
    alice, bob = dial(named("alice"), "udp"), dial(named("bob"), transport)
    assert bob.register().status == 200
    alice.send(alice.message(bob.user, "half way"))
    assert bob.request().body == b"half way"
    bob.hang_up()
    assert within(alice, 3.0) == 202, "long before fr_timer"
    back = dial(bob.user, transport)
    assert back.register().status == 200
    assert back.take().body == b"half way"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_t13_the_flow_counts_and_not_the_transport_of_the_contact(dial: Dial, transport: str) -> None:
    """JsSIP registers `transport=ws` over wss, others nothing at all over TCP (RFC 7118 §5.3)."""
    alice, bob = dial(named("alice"), "udp"), dial(named("bob"), transport)
    for contact in (f"<sip:{bob.user}@q3x7.invalid;transport=ws>", f"<sip:{bob.user}@10.9.8.7:5060>"):
        assert bob.register(contact=contact).status == 200
        alice.send(alice.message(bob.user, "over the flow"))
        assert bob.take().uri.decode() in (contact.strip("<>"), f"sip:{bob.user}@q3x7.invalid;transport=ws")
        assert alice.response().status == 200
        assert bob.register(expires=0, contact=contact).status == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_t18_keep_alives(dial: Dial, transport: str, host: str) -> None:
    bob = dial(named("bob"), transport, host)
    assert bob.register().status == 200
    bob.send(b"\r\n\r\n")
    if transport == "udp":
        assert bob.is_silent(0.2)
    elif transport in ("ws", "wss"):
        bob.socket.settimeout(5)
        bob._read()
        assert bob.frames.pop() == b"\r\n"
    else:
        bob.socket.settimeout(5)
        assert bob.socket.recv(100) == b"\r\n"
    assert bob.register().status == 200


def test_status_names_listeners_and_counts_connections(daemon: Daemon, dial: Dial) -> None:
    lines = [dial(named("bob"), transport) for transport in STREAMS]
    assert all(line.register().status == 200 for line in lines)
    done = daemon.msilo("status")
    assert done.returncode == 0
    for transport in STREAMS:
        assert f"{transport}:127.0.0.1:{daemon.ports[f'{transport}:127.0.0.1']}" in done.stdout
        assert f"{transport} " in done.stdout.partition("connections")[2]


def test_t15_hup_takes_new_certificates_and_drops_nobody(
    daemon: Daemon, dial: Dial, tls_files: Authority, tmp_path: Path
) -> None:
    bob = dial(named("bob"), "tls")
    assert bob.register().status == 200
    before = (tls_files.folder / "server.pem").read_bytes(), (tls_files.folder / "server.key").read_bytes()
    tls_files.issue("127.0.0.1", "renewed.test")
    reload(daemon)
    renewed = dial(named("carol"), "tls")
    assert isinstance(renewed.socket, ssl.SSLSocket)
    assert ("DNS", "renewed.test") in (renewed.socket.getpeercert() or {})["subjectAltName"]
    assert bob.register().status == 200, "the open connection goes on"
    (tls_files.folder / "server.key").write_text("no key")
    with pytest.raises(ControlError, match=r"tls\.private_key"):
        reload(daemon)
    assert dial(named("dave"), "tls").register().status == 200, "the old certificate stays"
    (tls_files.folder / "server.pem").write_bytes(before[0])
    (tls_files.folder / "server.key").write_bytes(before[1])
    reload(daemon)
