"""The `trusted` networks: the peers with believed assertions."""

import pytest

from msilod.auth.trust import Trust
from msilod.config import Config, problems
from msilod.sip.flow import UDP, Endpoint, Flow

ENDPOINT = Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060")


def flow(host: str) -> Flow:
    return Flow(ENDPOINT, host, 5060)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", True), ("192.0.3.7", False), ("198.51.100.1", True), ("198.51.100.2", False),
        ("2001:db8::7", True), ("2001:db9::7", False), ("::ffff:192.0.2.7", True), ("fe80::1%eth0", True),
    ],
)  # fmt: skip
def test_an_address_is_matched_with_the_networks(host: str, expected: bool) -> None:
    trust = Trust(["192.0.2.9/24", "198.51.100.1", "2001:db8::/32", "fe80::/10"])
    assert trust.trusts(flow(host)) is expected
    assert trust.trusts(flow(host)) is expected, "the second time from memory"


def test_no_peer_is_trusted_by_default_and_a_reload_changes_the_networks() -> None:
    trust = Trust()
    assert not trust.trusts(flow("127.0.0.1"))
    trust.configure(["127.0.0.0/8"])
    assert trust.trusts(flow("127.0.0.1"))
    trust.configure([])
    assert not trust.trusts(flow("127.0.0.1"))


def test_a_text_that_is_no_network_is_reported_with_its_key() -> None:
    assert [key for key, _ in problems(Config(trusted=["192.0.2.0/24", "proxy.example.test"]))] == ["trusted"]
