"""TLS on real sockets: T15, T16, reload, failed and endless handshakes."""

import socket
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing

from msilod.errors import TransportError
from msilod.transport import tls
from msilod.transport.streams import Limits
from msilod.transport.tls import BadTlsFile, load_certificates
from msilod.transport.transports import Transports
from tests.transport.authority import Authority
from tests.transport.ear import MESSAGE, all_of, dialled, much_follows_in_order, serving

LISTEN = "tls:127.0.0.1:0"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def secured(
    transports: Transports, authority: Authority, name: str = "127.0.0.1"
) -> trio.SSLStream[trio.SocketStream]:
    """A TLS client of the first listener, with a check of the name."""
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", transports.listening()[0].port, ssl_context=authority.client(), https_compatible=True
    )
    await stream.do_handshake()
    return stream


@pytest.mark.parametrize("step", [1, 1000])
async def test_t15_messages_pass_both_ways_over_tls(authority: Authority, step: int) -> None:
    async with serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, ear):
        async with await secured(transports, authority) as stream:
            for start in range(0, len(MESSAGE), step):
                await stream.send_all(MESSAGE[start : start + step])
            await ear.until(1)
            data, flow = ear.received[0]
            assert data == MESSAGE
            assert (flow.transport, flow.is_reliable) == ("tls", True)
            assert flow.endpoint.via.startswith(b"SIP/2.0/TLS 127.0.0.1:")
            transports.send(b"answer", flow)
            transports.flush()
            assert await stream.receive_some() == b"answer"
            await stream.send_all(b"\r\n\r\n")
            assert await stream.receive_some() == b"\r\n"
        await ear.until(1, "gone")
        assert not transports.is_open(flow)


async def test_bytes_beyond_the_buffer_of_the_kernel_follow_in_order(authority: Authority) -> None:
    async with (
        serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, ear),
        await secured(transports, authority) as stream,
    ):
        await much_follows_in_order(transports, ear, stream)


async def test_a_message_in_many_tls_records_is_read_completely(authority: Authority) -> None:
    large = MESSAGE.replace(b"Length: 2\r\n\r\nhi", b"Length: 60000\r\n\r\n" + b"x" * 60_000)
    async with (
        serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, ear),
        await secured(transports, authority) as stream,
    ):
        await stream.send_all(large + MESSAGE)
        await ear.until(2)
        assert [data for data, _ in ear.received] == [large, MESSAGE]


async def test_nothing_is_sent_before_the_end_of_the_handshake(authority: Authority) -> None:
    async with (
        serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, _),
        dialled(transports) as plain,
    ):
        await trio.testing.wait_all_tasks_blocked()
        (connection,) = transports.streams.connections.values()
        transports.send(b"answer", connection.flow)
        transports.flush()
        stream = trio.SSLStream(plain, authority.client(), server_hostname="127.0.0.1")
        with trio.fail_after(10):
            assert await stream.receive_some() == b"answer"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_t15_tls_is_1_2_or_newer(authority: Authority, newest: ssl.TLSVersion) -> None:
    async with serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, _):
        context = authority.client()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
        stream = await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", transports.listening()[0].port, ssl_context=context, https_compatible=True
        )
        if newest == ssl.TLSVersion.TLSv1_2:
            await stream.do_handshake()
        else:
            with pytest.raises(trio.BrokenResourceError):
                await stream.do_handshake()
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("said", [MESSAGE, b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n"])
async def test_t15_a_connection_without_tls_is_closed_and_others_are_served(
    authority: Authority, said: bytes
) -> None:
    async with serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, ear):
        async with dialled(transports) as stream:
            await stream.send_all(said)
            await all_of(stream)
            await ear.until(1, "gone")
        async with await secured(transports, authority) as other:
            await other.send_all(MESSAGE)
            await ear.until(1)
        assert ear.errors == []


async def test_an_endless_handshake_is_closed(authority: Authority) -> None:
    limits = Limits(handshake=0.1, look=0.01)
    certificates = authority.certificates("127.0.0.1")
    async with serving(LISTEN, certificates=certificates, limits=limits) as (transports, ear):
        async with dialled(transports) as silent, dialled(transports) as half:
            await half.send_all(b"\x16\x03\x01")
            assert await all_of(silent) == b""
            assert await all_of(half) == b""
        await ear.until(2, "gone")


@pytest.mark.parametrize(("bound", "ended"), [("MAX_HANDSHAKES", 3), ("MAX_HANDSHAKES_PER_ADDRESS", 2)])
async def test_handshakes_are_bounded_and_the_oldest_makes_room(
    monkeypatch: pytest.MonkeyPatch, bound: str, ended: int
) -> None:
    """The oldest handshake makes room for a new one. All addresses of one IPv6 network share a count."""
    monkeypatch.setattr(tls, bound, 3)
    turnstile = tls.Turnstile()
    gone: list[str] = []
    near, far = socket.socketpair()
    far.send(b"x")

    async def shake(host: str) -> None:
        await turnstile.shake(near, host, trio.sleep_forever)
        gone.append(host)

    hosts = [*(f"2001:db8::{number}" for number in range(1, 6)), "2001:db8:0:1::1"]
    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(shake, host)
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert gone == hosts[:ended]
        nursery.cancel_scope.cancel()
    near.close()
    far.close()


async def test_one_handshake_begins_in_each_round_of_the_loop() -> None:
    rounds: list[int] = []

    class Rounds(trio.abc.Instrument):
        count = 0

        def before_io_wait(self, timeout: float) -> None:
            self.count += 1

    async def handshake() -> None:
        rounds.append(clock.count)

    clock = Rounds()
    turnstile = tls.Turnstile()
    trio.lowlevel.add_instrument(clock)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(turnstile.begin, handshake)
    assert len(set(rounds)) == 20


async def test_new_certificates_are_for_new_connections(authority: Authority, tmp_path: Path) -> None:
    async with serving(LISTEN, certificates=authority.certificates("127.0.0.1")) as (transports, ear):
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        async with await secured(transports, authority) as stream:
            transports.configure(other.certificates("127.0.0.1"), (), Limits())
            async with await secured(transports, other) as new:
                await new.send_all(MESSAGE)
                await ear.until(1)
            await stream.send_all(MESSAGE)
            await ear.until(2)


# --- connections that we open ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "domain", "is_taken"),
    [
        ("example.test", "example.test", True),
        ("*.example.test", "a.example.test", False),
        ("other.test", "example.test", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("example.test", "127.0.0.1", False),
    ],
)
async def test_t16_the_certificate_of_a_peer_must_name_the_wanted_domain(
    authority: Authority, name: str, domain: str, is_taken: bool
) -> None:
    certificates = authority.certificates(name)
    async with (
        serving(LISTEN, certificates=certificates) as (peer, ear),
        serving(LISTEN, certificates=certificates) as (transports, _),
    ):
        port = peer.listening()[0].port
        if not is_taken:
            with pytest.raises(TransportError, match="for another domain"):
                await transports.connect("tls", "127.0.0.1", port, domain, 5)
            assert transports.streams.connections == {}
            return
        flow = await transports.connect("tls", "127.0.0.1", port, domain, 5)
        assert await transports.connect("tls", "127.0.0.1", port, domain, 5) == flow
        assert transports.find_connection("tls", "127.0.0.1", port, "another.test") is None
        transports.send(MESSAGE, flow)
        transports.flush()
        await ear.until(1)


async def test_t16_a_peer_with_an_untrusted_certificate_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").certificates("example.test")
    async with (
        serving(LISTEN, certificates=stranger) as (peer, _),
        serving(LISTEN, certificates=authority.certificates("example.test")) as (transports, _),
    ):
        with pytest.raises(TransportError, match="cannot be trusted"):
            await transports.connect("tls", "127.0.0.1", peer.listening()[0].port, "example.test", 5)


async def test_two_dials_at_the_same_time_make_one_connection(authority: Authority) -> None:
    certificates = authority.certificates("example.test")
    async with (
        serving(LISTEN, certificates=certificates) as (peer, _),
        serving(LISTEN, certificates=certificates) as (transports, _),
    ):
        port, flows = peer.listening()[0].port, []

        async def dial() -> None:
            flows.append(await transports.connect("tls", "127.0.0.1", port, "example.test", 5))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(dial)
        assert len({flow.connection for flow in flows}) == 1


async def test_t11_an_accepted_tls_connection_is_not_reused_for_a_domain(authority: Authority) -> None:
    """`alias` without a client certificate is ignored (RFC 5923 §5): the peer has not proved a domain."""
    certificates = authority.certificates("127.0.0.1")
    async with (
        serving(LISTEN, certificates=certificates) as (transports, ear),
        await secured(transports, authority) as stream,
    ):
        await stream.send_all(MESSAGE.replace(b";branch", b";alias;branch"))
        await ear.until(1)
        flow = ear.received[0][1]
        assert transports.find_connection("tls", flow.host, flow.port, "example.test") is None


# --- files -------------------------------------------------------------------------------------------


def test_a_bad_file_is_reported_with_its_key(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("example.test")
    _, other = authority.issue("example.test", as_file="other")
    junk = tmp_path / "junk"
    junk.write_text("no PEM")
    for files, at, what in [
        ((tmp_path / "none", key, None), "certificate", "no such file"),
        ((certificate, tmp_path / "none", None), "private_key", "no such file"),
        ((tmp_path, key, None), "certificate", "cannot be read"),
        ((junk, key, None), "certificate", "holds no certificate"),
        ((certificate, junk, None), "private_key", "holds no private key"),
        ((certificate, other, None), "private_key", "does not belong"),
        ((certificate, key, junk), "ca", "holds no certificate"),
    ]:
        with pytest.raises(BadTlsFile, match=what) as caught:
            load_certificates(*files)
        assert caught.value.key == at


def test_a_key_with_a_passphrase_is_refused_without_a_prompt(authority: Authority, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    certificate, key = authority.issue("example.test")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(BadTlsFile, match="without a passphrase"):
        load_certificates(certificate, key, None)
