"""registrar/phones.py: bindings of one restarted phone, and bindings of several phones."""

import pytest

from msilod.registrar.binding import Binding
from msilod.registrar.phones import newest_of_each_phone
from msilod.sip.flow import TCP, UDP, Endpoint, Flow

END = Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
STREAM = Endpoint(TCP, "192.0.2.1", 5060, b"SIP/2.0/TCP 192.0.2.1:5060")
EDGE = ("<sip:198.51.100.7;lr>",)


def binding(
    contact: str,
    instance: str = "",
    path: tuple[str, ...] = (),
    port: int = 5060,
    connection: int = 0,
    reg_id: int = 0,
) -> Binding:
    flow = Flow(STREAM if connection else END, "198.51.100.9", port, connection)
    return Binding(
        "bob@example.test", contact, "c", 1, 9e9, 0.0, path=path, flow=flow, instance=instance, reg_id=reg_id
    )


ONE = {
    "another parameter": [
        binding("sip:bob@198.51.100.9;rinstance=1"),
        binding("sip:bob@198.51.100.9;rinstance=2"),
    ],
    "a public place that never registered": [binding("sip:bob@8.8.8.8;a"), binding("sip:bob@8.8.8.8;b")],
    "one instance": [
        binding("sip:bob@8.8.8.8;a", "<urn:uuid:1>"),
        binding("sip:bob@8.8.8.8;b", "<urn:uuid:1>"),
    ],
    "one that says its instance": [
        binding("sip:bob@8.8.8.8;a"),
        binding("sip:bob@8.8.8.8;b", "<urn:uuid:1>"),
    ],
    "an escaped user part": [binding("sip:bob@8.8.8.8;a"), binding("sip:%62ob@8.8.8.8")],
    "behind one NAT by one flow": [binding("sip:bob@10.0.0.5;a"), binding("sip:bob@10.0.0.5;b")],
    "behind an edge proxy": [
        binding("sip:bob@10.0.0.5;a", path=EDGE),
        binding("sip:bob@10.0.0.5;b", path=EDGE),
    ],
}
TWO = {
    "user parts": [binding("sip:x1@8.8.8.8"), binding("sip:x2@8.8.8.8")],
    "ports": [binding("sip:bob@8.8.8.8"), binding("sip:bob@8.8.8.8:5070")],
    "instances": [binding("sip:bob@8.8.8.8;a", "<urn:uuid:1>"), binding("sip:bob@8.8.8.8;b", "<urn:uuid:2>")],
    "flows behind one NAT": [binding("sip:bob@10.0.0.5;a", port=1024), binding("sip:bob@10.0.0.5;b", port=1025)],
    "connections": [binding("sip:bob@x.invalid", connection=1), binding("sip:bob@x.invalid;b", connection=2)],
    "contacts behind an edge proxy": [binding("sip:bob@10.0.0.5", path=EDGE), binding("sip:bob@10.0.0.6", path=EDGE)],
    "users behind an edge proxy": [binding("sip:b1@10.0.0.5", path=EDGE), binding("sip:b2@10.0.0.5", path=EDGE)],
    "flows of an outbound phone": [
        binding("sip:bob@10.0.0.5", "<urn:uuid:1>", reg_id=1), binding("sip:bob@10.0.0.5;b", "<urn:uuid:1>", reg_id=2)
    ],
}  # fmt: skip


@pytest.mark.parametrize("bindings", ONE.values(), ids=ONE)
@pytest.mark.parametrize("is_last_newer", [True, False])
def test_a_restarted_phone_keeps_only_its_newest_binding(
    bindings: list[Binding], is_last_newer: bool
) -> None:
    bindings[0].registered_at, bindings[1].registered_at = (1.0, 2.0) if is_last_newer else (2.0, 1.0)
    assert newest_of_each_phone(bindings) == [bindings[is_last_newer]]


@pytest.mark.parametrize("bindings", TWO.values(), ids=TWO)
def test_two_phones_stay_two_bindings(bindings: list[Binding]) -> None:
    assert newest_of_each_phone(bindings) == bindings


def test_ten_restarts_are_one_phone_and_the_others_keep_their_order() -> None:
    restarts = [binding(f"sip:bob@8.8.8.8;rinstance={n}") for n in range(10)]
    for number, one in enumerate(restarts):
        one.registered_at = float(number)
    first, last = binding("sip:first@8.8.8.8"), binding("sip:last@8.8.8.8")
    assert newest_of_each_phone([first, *restarts, last]) == [first, restarts[9], last]
