"""The target set, RFC 3261 §16.5 (rows P3, R7)."""

import pytest

from msilod.proxy.target_set import Target, q_groups, target_set
from msilod.registrar.binding import Binding
from msilod.sip.flow import Flow
from tests.proxy.wire import FLOW


def binding(contact: str, q: float = 1.0, flow: Flow = FLOW) -> Binding:
    return Binding("bob@example.test", contact, "c", 1, 9e9, 0.0, q, path=("<sip:p;lr>",), flow=flow)


def test_p3_a_binding_becomes_a_target() -> None:
    bound = binding("sip:bob@192.0.2.9", 0.5)
    (target,) = target_set([bound])
    assert (target.uri, target.flow, target.path, target.q, target.binding) == (
        "sip:bob@192.0.2.9", FLOW, ("<sip:p;lr>",), 0.5, bound
    )  # fmt: skip


@pytest.mark.parametrize("contacts", [["sip:x@y"], ["sip:x@y", "sip:x@y"], ["sip:x@y", "sip:z@y", "sip:x@y"]])
def test_p3_the_same_target_is_never_added_twice(contacts: list[str]) -> None:
    targets = target_set(binding(contact) for contact in contacts)
    assert [target.uri for target in targets] == list(dict.fromkeys(contacts))


def test_p3_another_flow_is_another_target() -> None:
    assert (
        len(target_set([binding("sip:x@y"), binding("sip:x@y", flow=Flow(FLOW.endpoint, "192.0.2.9", 1))]))
        == 2
    )


def flow_of_a_phone(contact: str, registered_at: float, instance: str = "<urn:uuid:1>") -> Binding:
    bound = binding(contact)
    bound.instance, bound.registered_at = instance, registered_at
    return bound


def test_p13_a_device_is_one_target_and_its_latest_flow_is_first() -> None:
    bindings = [
        flow_of_a_phone("sip:a@y", 1.0),
        flow_of_a_phone("sip:other@y", 9.0, "<urn:uuid:2>"),
        flow_of_a_phone("sip:b@y", 3.0),
        flow_of_a_phone("sip:c@y", 2.0),
        flow_of_a_phone("sip:c@y", 2.0),
    ]
    target, other = target_set(bindings)
    assert (target.uri, other.uri) == ("sip:b@y", "sip:other@y")
    turned = []
    while target.turn():
        turned.append((target.uri, target.binding))
    assert turned == [("sip:c@y", bindings[3]), ("sip:a@y", bindings[0])]
    assert other.turn() is False


def test_p3_no_bindings_no_targets() -> None:
    assert target_set([]) == []
    assert q_groups([]) == []


def test_r7_the_order_of_the_bindings_is_kept() -> None:
    assert [t.uri for t in target_set([binding("sip:a@y", 0.9), binding("sip:b@y", 0.1)])] == [
        "sip:a@y",
        "sip:b@y",
    ]


def test_r7_targets_are_grouped_by_q_best_first() -> None:
    targets = [Target(f"sip:{name}@y", q=q) for name, q in (("a", 0.1), ("b", 1.0), ("c", 0.1), ("d", 0.5))]
    assert [[target.uri[4] for target in group] for group in q_groups(targets)] == [["b"], ["d"], ["a", "c"]]
