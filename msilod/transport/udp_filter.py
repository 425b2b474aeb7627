"""UDP filter: a filter in the kernel that drops the datagrams of some sources unread (socket(7), Linux).

A datagram dropped in the kernel costs the daemon no time and takes no room in the socket's buffer. Without a filter
the buffer overflows and datagrams of other sources are lost: 20,000 datagrams of 60 kB a second fill 4 MB in 3 ms. The
filter is a program of classic BPF (Documentation/networking/filter.rst of Linux), of a few instructions per source.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

SO_ATTACH_FILTER: Final = 26
SO_DETACH_FILTER: Final = 27
# The kernel takes 4,096; net.core.optmem_max of older kernels has room for 2,500.
MAX_INSTRUCTIONS: Final = 2_000

# The kernel passes one datagram of SAMPLE by unknown sources while few of these datagrams are read.
SAMPLE: Final = 8
# Known sources that the filter names one by one. With more sources, the filter names their networks.
MAX_KNOWN: Final = 1_200

# code, jump if true, jump if false, operand
Instruction = tuple[int, int, int, int]
_LOAD_WORD: Final = 0x20
_LOAD_HALF: Final = 0x28
_JUMP: Final = 0x05
_JUMP_IF_EQUAL: Final = 0x15
_LOAD_LENGTH: Final = 0x80
_JUMP_IF_GREATER: Final = 0x25
_RETURN: Final = 0x06
# The length in the filter includes the UDP header.
UDP_HEADER: Final = 8
_AND: Final = 0x54
# A random word (SKF_AD_OFF + SKF_AD_RANDOM).
_RANDOM: Final = 0xFFFFF000 + 56
# The first word behind the UDP header; responses begin with these bytes.
_PAYLOAD: Final = 8
_SIP: Final = int.from_bytes(b"SIP/", "big")
# Offsets from here on count from the IP header, other offsets from the UDP header. The source port comes first.
_NETWORK: Final = 0xFFF00000
_SOURCE_OF_IPV4: Final = _NETWORK + 12
_SOURCE_OF_IPV6: Final = _NETWORK + 8
_SOURCE_PORT: Final = 0
_ACCEPT: Final = (_RETURN, 0, 0, 0xFFFFFFFF)
_DROP: Final = (_RETURN, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Strangers:
    """The datagrams to drop from sources other than `known` and outside of `networks` (text as for `program`).

    `longest`: datagrams with more bytes are dropped from all sources; 0 for no limit. Of the other datagrams, one of
    SAMPLE passes, and all responses pass unless `samples_responses`.
    """

    known: Collection[str]
    networks: Collection[IPv4Network | IPv6Network]
    longest: int = 0
    samples_responses: bool = False


def program(
    sources: Mapping[str, Set[int]], is_v6: bool, strangers: Strangers | None = None
) -> list[Instruction]:
    """Drop datagrams of `sources`, except from the ports given for a source. Empty when no datagram is to be dropped.

    With `strangers`, drop also most datagrams of sources that are not in `strangers`.

    A source is an IPv4 address or an IPv6 /64 network. Sources of the other address family, and sources beyond
    MAX_INSTRUCTIONS, are left out.
    """
    found: list[Instruction] = []
    rest = _sampled(strangers, is_v6) if strangers is not None else [_ACCEPT]
    if strangers is not None and strangers.longest:
        found += [(_LOAD_LENGTH, 0, 0, 0), (_JUMP_IF_GREATER, 0, 1, UDP_HEADER + strangers.longest), _DROP]
    for source, ports in sources.items():
        if (":" in source) is not is_v6:
            continue
        block = _verdict(ports)
        for place, word in reversed(list(enumerate(_words(source)))):
            start = (_SOURCE_OF_IPV6 if is_v6 else _SOURCE_OF_IPV4) + 4 * place
            # A conditional jump reaches 255 instructions only. So the conditional jump skips an unconditional jump.
            block = [
                (_LOAD_WORD, 0, 0, start),
                (_JUMP_IF_EQUAL, 1, 0, word),
                (_JUMP, 0, 0, len(block)),
                *block,
            ]
        if len(found) + len(block) + len(rest) <= MAX_INSTRUCTIONS:
            found += block
    return [*found, *rest] if found or strangers is not None else []


def _sampled(strangers: Strangers, is_v6: bool) -> list[Instruction]:
    """Accept known sources and one datagram of SAMPLE of the rest. An IPv6 source is compared by its first 32 bits."""
    load = (_LOAD_WORD, 0, 0, _SOURCE_OF_IPV6 if is_v6 else _SOURCE_OF_IPV4)
    found: list[Instruction] = []
    if not strangers.samples_responses:
        found += [(_LOAD_WORD, 0, 0, _PAYLOAD), (_JUMP_IF_EQUAL, 0, 1, _SIP), _ACCEPT]
    for network in strangers.networks:
        if (network.version == 6) is is_v6:
            mask = int(network.netmask) >> (96 if is_v6 else 0)
            word = int(network.network_address) >> (96 if is_v6 else 0)
            found += [load, (_AND, 0, 0, mask), (_JUMP_IF_EQUAL, 0, 1, word), _ACCEPT]
    words, mask = _narrowed({_words(source)[0] for source in strangers.known if (":" in source) is is_v6})
    found += [load, (_AND, 0, 0, mask)]
    # In groups, since a conditional jump reaches 255 instructions only. An accept follows each group.
    for start in range(0, len(words), 200):
        group = words[start : start + 200]
        found += [(_JUMP_IF_EQUAL, len(group) - place, 0, word) for place, word in enumerate(group)]
        found += [(_JUMP, 0, 0, 1), _ACCEPT]
    return [
        *found,
        (_LOAD_WORD, 0, 0, _RANDOM),
        (_JUMP_IF_GREATER, 0, 1, 0xFFFFFFFF // SAMPLE),
        _DROP,
        _ACCEPT,
    ]


def _narrowed(words: set[int]) -> tuple[list[int], int]:
    """The words under the longest mask that leaves at most MAX_KNOWN different words."""
    mask = 0xFFFFFFFF
    while len(words) > MAX_KNOWN:
        mask = mask << 1 & 0xFFFFFFFF
        words = {word & mask for word in words}
    return sorted(words), mask


def _words(source: str) -> list[int]:
    if ":" in source:
        network = int(IPv6Network(source).network_address) >> 64
        return [network >> 32, network & 0xFFFFFFFF]
    return [int(IPv4Address(source))]


def _verdict(ports: Set[int]) -> list[Instruction]:
    if not ports:
        return [_DROP]
    block: list[Instruction] = [(_LOAD_HALF, 0, 0, _SOURCE_PORT)]
    for port in ports:
        block += [(_JUMP_IF_EQUAL, 0, 1, port), _ACCEPT]
    return [*block, _DROP]


def attach(sock: socket.socket, instructions: list[Instruction]) -> bool:
    """Replace the program of the socket; an empty program removes the filter. False where the kernel has no filters."""
    try:
        if not instructions:
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            return True
        code = b"".join([struct.pack("=HBBI", *one) for one in instructions])
        # The buffer must live until the kernel has copied the program.
        buffer = ctypes.create_string_buffer(code, len(code))
        head = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)
        return True
    except OSError as error:
        # ENOENT: there was no filter to remove.
        return error.errno == errno.ENOENT
