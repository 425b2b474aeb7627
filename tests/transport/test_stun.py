"""T18: STUN Binding on the SIP port (RFC 5389, RFC 5626 §4.4.2)."""

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.transport.stun import MAGIC, answer, is_stun
from tests.transport.ear import MESSAGE, phone, serving

TRANSACTION = bytes(range(12))


def binding(attributes: bytes = b"", kind: int = 1) -> bytes:
    return struct.pack("!HH", kind, len(attributes)) + MAGIC + TRANSACTION + attributes


def mapped(response: bytes) -> tuple[str, int]:
    """The address in a success response, as a client reads the address."""
    kind, length = struct.unpack_from("!HH", response)
    assert (kind, length, response[4:20]) == (0x0101, len(response) - 20, MAGIC + TRANSACTION)
    name, size, _, family, port = struct.unpack_from("!HHBBH", response, 20)
    assert name == 0x0020
    assert (family, size) in ((1, 8), (2, 20))
    hidden = response[28:]
    shown = bytes([one ^ other for one, other in zip(hidden, MAGIC + TRANSACTION, strict=False)])
    return str(ipaddress.ip_address(shown)), port ^ 0x2112


@pytest.mark.parametrize(
    ("host", "shown"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1")],
)
def test_t18_the_answer_to_a_binding_request_has_the_address_of_the_client(host: str, shown: str) -> None:
    response = answer(binding(), host, 32853)
    assert response is not None
    assert mapped(response) == (shown, 32853)


def test_t18_the_answer_equals_the_example_of_rfc_5769() -> None:
    """RFC 5769 §2.2: 192.0.2.1 port 32853, without SOFTWARE and credentials."""
    transaction = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    response = answer(struct.pack("!HH", 1, 0) + MAGIC + transaction, "192.0.2.1", 32853)
    assert response is not None
    assert response[20:] == bytes.fromhex("002000080001a147e112a643")


@pytest.mark.parametrize("kind", [0x0101, 0x0111, 0x0011, 0x0003])
def test_t18_other_stun_messages_are_not_answered(kind: int) -> None:
    assert answer(binding(kind=kind), "192.0.2.1", 1) is None


def test_t18_an_unknown_required_attribute_is_420() -> None:
    response = answer(binding(struct.pack("!HH4s", 0x0002, 4, b"abcd") * 9), "192.0.2.1", 1)
    assert response is not None
    assert response[:2] == b"\x01\x11"
    assert response[24:28] == b"\x00\x00\x04\x14"
    assert len(response) < 72, "no longer than the request"
    optional = struct.pack("!HH4s", 0x8022, 3, b"sip")
    response = answer(binding(optional), "192.0.2.1", 1)
    assert response is not None
    assert mapped(response) == ("192.0.2.1", 1)


@given(st.binary(max_size=64))
def test_any_bytes_are_either_stun_or_not_and_never_raise(data: bytes) -> None:
    for head in (data, binding(data)):
        if is_stun(head):
            answer(head, "192.0.2.1", 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_t18_stun_and_sip_share_a_port(host: str) -> None:
    spec = f"udp:[{host}]:0" if ":" in host else f"udp:{host}:0"
    async with serving(spec) as (transports, ear):
        with phone(host) as one:
            address = (host, transports.listening()[0].port)
            for data in (
                binding(),
                MESSAGE,
                b"\r\n\r\n",
                b"\x00\x00\x00\x00",
                binding()[:19],
                b"\r\n" + MESSAGE,
            ):
                one.sendto(data, address)
            await ear.until(2)
            assert [data.lstrip() for data, _ in ear.received] == [MESSAGE, MESSAGE]
            assert mapped(one.recv(100)) == one.getsockname()[:2]
            one.settimeout(0.05)
            with pytest.raises(socket.timeout):
                one.recv(100)
