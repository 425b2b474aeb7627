"""Security 5: OPTIONS with distinct 2 kB Request-URIs of 650 parameters grew a cache to 1.9 GB."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

import msilod
from msilod.errors import MalformedMessage, SipError
from msilod.reaching.paths import CACHED_LITERAL_BYTES
from msilod.routing.aliases import CACHED_NAME_BYTES, Aliases
from msilod.routing.domains import CACHED_URI_BYTES
from msilod.routing.myself import Myself
from msilod.silo.compose import delivery_request as delivery
from msilod.sip.flow import Endpoint
from msilod.sip.uri import SipUri

MYSELF = Myself(
    ["example.test"], [Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")], ["192.0.2.1"]
)
ROOT = Path(msilod.__file__).parent


def distinct(shape: str) -> Iterator[bytes]:
    """URIs of the largest size, each one new."""
    parameters = {"fifty": 50, "none": 0, "large": 1}[shape]
    for number in count():
        head = b"sip:u%d@example.test" % number
        each = {"fifty": 34, "none": 0, "large": 1_900}[shape]
        yield (
            head
            + b"".join(b";p%d=%b" % (place, b"x" * each) for place in range(parameters))[: 2_040 - len(head)]
        )


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Bytes allocated by Python since the start."""
    gc.collect()
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_uri_has_50_parameters_at_most() -> None:
    assert len(SipUri.parse(b"sip:a@b.test" + b"".join(b";p%d" % n for n in range(50))).params) == 50
    with pytest.raises(MalformedMessage) as raised:
        SipUri.parse(b"sip:a@b.test" + b"".join(b";p%d" % n for n in range(51)))
    assert raised.value.status == 400


# Each count is at least twice the capacity of the cache.
@pytest.mark.parametrize(
    ("name", "limit", "shape", "many"),
    [
        ("named", CACHED_URI_BYTES, "fifty", 3_000),
        ("named", CACHED_URI_BYTES, "large", 4_000),
        ("named", CACHED_URI_BYTES, "none", 40_000),
        ("aliases", CACHED_NAME_BYTES, "large", 3_000),
    ],
)
def test_distinct_uris_fill_a_cache_up_to_its_bytes_and_no_further(
    name: str, limit: int, shape: str, many: int
) -> None:
    aliases = Aliases({"x[0-9]+": "y"})
    read: dict[str, Callable[[bytes], object]] = {
        "named": MYSELF.identify,
        "aliases": lambda uri: aliases.resolve(uri.decode()),
    }
    MYSELF.configure(["example.test"])
    called = read[name] if name != "named" else MYSELF.identify
    uris = distinct(shape)
    with growth() as grown:
        for _ in range(many):
            with suppress(SipError):
                called(next(uris))
        gc.collect()
        assert grown() < 1.1 * limit


def test_ways_to_contacts_are_bounded_too() -> None:
    path = tuple(f"sip:edge{place}.example.test;lr;x={'y' * 1_000}" for place in range(10))
    with growth() as grown:
        for uri in (next(uris) for uris in [distinct("fifty")] * 500):
            delivery._way((uri.decode(), path, ""))
        gc.collect()
        assert grown() < 1.1 * delivery._CACHED_WAY_BYTES


def test_every_cache_is_bounded_in_bytes() -> None:
    """functools.lru_cache counts entries, so only caches with keys of bounded size may use lru_cache."""
    found = {
        (str(file.relative_to(ROOT)), line.split("lru_cache(")[1].split(")")[0])
        for file in ROOT.rglob("*.py")
        for line in file.read_text().splitlines()
        if "lru_cache(" in line
    }
    assert found == {
        # Addresses of sources and of hops: 50 bytes.
        ("auth/nonce.py", "CACHED_HOMES"),
        ("auth/source.py", "CACHED_SOURCES"),
        ("auth/trust.py", "CACHED_SOURCES"),
        ("sip/hop.py", "CACHED"),
        # 80 bytes by MAX_REMEMBERED of sip/via.py, and 160 by MAX_USUAL of sip/address.py.
        ("sip/via.py", "4096"),
        ("sip/address.py", "16_384"),
        # Credentials have 2,048 bytes at most: 9 MB.
        ("sip/digest.py", "CACHED_HA2"),
        # One line of a header, 8 kB at most: 4 MB each.
        ("registrar/register_contact.py", "512"),
        ("registrar/gruu.py", "512"),
    }
    in_bytes = (
        CACHED_URI_BYTES, CACHED_NAME_BYTES, CACHED_LITERAL_BYTES, delivery._CACHED_WAY_BYTES,
    )  # fmt: skip
    assert sum(in_bytes) <= 40_000_000
