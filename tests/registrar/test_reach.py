"""registrar/reach.py: bindings that are useful after the end of their connection (R10, R13)."""

import pytest

from msilod.registrar.binding import Binding
from msilod.registrar.reach import means_what_it_says, outlives_its_connection
from msilod.sip.flow import TCP, TLS, WS, WSS
from msilod.sip.uri import SipUri

SOURCE = "192.0.2.9"


@pytest.mark.parametrize(
    ("contact", "means_it"),
    [
        (f"sip:bob@{SOURCE}:5070", True),
        ("sip:bob@8.8.8.8", True),
        ("sip:bob@[2600::1]", True),
        ("sip:bob@10.0.0.1", False),
        ("sip:bob@127.0.0.1", False),
        ("sip:bob@0.0.0.0", False),
        ("sip:bob@phone.example.net", False),
        ("sip:bob@x7.invalid", False),
    ],
)
def test_r10_the_way_to_a_contact(contact: str, means_it: bool) -> None:
    assert means_what_it_says(SipUri.parse(contact), SOURCE) == means_it


def binding(contact: str, path: tuple[str, ...] = (), instance: str = "", reg_id: int = 0) -> Binding:
    return Binding("bob@x", contact, "r1", 1, 2.0, 1.0, path=path, instance=instance, reg_id=reg_id)


@pytest.mark.parametrize(
    ("held", "transport", "outlives"),
    [
        (binding(f"sip:bob@{SOURCE}:5070"), TCP, True),
        (binding(f"sip:bob@{SOURCE}:5070"), TLS, False),
        (binding(f"sip:bob@{SOURCE}:5070"), WS, False),
        (binding(f"sip:bob@{SOURCE}:5070"), WSS, False),
        (binding("sip:bob@x7.invalid"), TCP, False),
        (binding("sip:bob@10.0.0.1"), TCP, False),
        (binding("sip:bob@x7.invalid", ("<sip:edge.example.net;lr>",)), WS, True),
        (binding(f"sip:bob@{SOURCE}", instance="<urn:x>", reg_id=1), TCP, False),
        (binding(f"sip:bob@{SOURCE}", instance="<urn:x>"), TCP, True),
        (binding(f"sip:bob@{SOURCE}", reg_id=1), TCP, True),
    ],
)
def test_r13_some_bindings_outlive_their_connection(held: Binding, transport: str, outlives: bool) -> None:
    assert outlives_its_connection(held, transport, SOURCE) == outlives
