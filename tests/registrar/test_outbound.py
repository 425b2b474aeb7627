"""registrar/outbound.py: instance and reg-id are the key of a binding (RFC 5626 §6, R12)."""

from collections.abc import Sequence

import pytest

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.registrar.registration import Registration
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from tests.registrar.wire import AOR, DESK, FLOW, STREAM, WALL, apply, register, said_no_more

PHONE = ';+sip.instance="<urn:uuid:1>"'
OTHER_PHONE = ';+sip.instance="<urn:uuid:2>"'
ONE, TWO = Flow(STREAM, "192.0.2.9", 40000, 7), Flow(STREAM, "192.0.2.9", 40001, 8)
SUPPORTED = "Supported: path, Outbound\r\n"
HOP = "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKedge\r\n"
APPLIED = [(b"Require", b"outbound"), (b"Supported", b"path, outbound"), (b"Flow-Timer", b"120")]


def flows(registration: Registration) -> list[tuple[str, int, Flow | None]]:
    return [(b.contact, b.reg_id, b.flow) for b in registration.bindings]


def refused(request: Request, before: Sequence[Binding] = ()) -> int:
    with pytest.raises(RequestRefused) as caught:
        apply(request, before)
    return caught.value.status


def test_r12_two_flows_may_have_the_same_contact() -> None:
    first = apply(register(f"{DESK}{PHONE};reg-id=1"), flow=ONE)
    both = apply(register(f"{DESK}{PHONE};reg-id=2", call_id="r2", extra=SUPPORTED), first.bindings, flow=TWO)
    contact = DESK.strip("<>")
    assert flows(both) == [(contact, 1, ONE), (contact, 2, TWO)]
    assert both.headers == APPLIED
    location = LocationService()
    location.store(first)
    location.store(both)
    assert len(location.bindings(AOR, WALL)) == 2
    location.undo(both, first.bindings)
    assert location.bindings(AOR, WALL) == first.bindings


def test_r12_r13_the_same_reg_id_replaces_the_flow_whatever_the_uri() -> None:
    first = apply(register(f"<sip:a@x.invalid>{PHONE};reg-id=1"), flow=ONE)
    again = apply(register(f"<sip:b@y.invalid>{PHONE};reg-id=1", call_id="r2"), first.bindings, flow=TWO)
    assert flows(again) == [("sip:b@y.invalid", 1, TWO)]
    assert again.removed == first.bindings
    assert again.must_commit_first


def test_r12_the_same_contact_and_reg_id_of_another_phone_is_another_binding() -> None:
    first = apply(register(f"{DESK}{PHONE};reg-id=1"))
    assert len(apply(register(f"{DESK}{OTHER_PHONE};reg-id=1", call_id="r2"), first.bindings).bindings) == 2


@pytest.mark.parametrize(
    "parameters", [";reg-id=1", f"{PHONE};reg-id=0", f"{PHONE};reg-id=x", f"{PHONE};reg-id=4294967296"]
)
def test_r12_a_reg_id_without_instance_or_outbound_is_ignored(parameters: str) -> None:
    first = apply(register(f"{DESK}{parameters}", extra=SUPPORTED))
    assert (first.bindings[0].reg_id, first.headers) == (0, [])
    moved = apply(register(f"<sip:bob@192.0.2.88>{parameters}", cseq=2), first.bindings)
    assert len(moved.bindings) == 2, "the URI is the key"


def test_r12_only_one_contact_with_reg_id_may_stay() -> None:
    one, two = f"{DESK}{PHONE};reg-id=1", f"{DESK}{PHONE};reg-id=2"
    assert refused(register(one, two)) == 400
    first = apply(register(two))
    both = apply(register(one, f"{two};expires=0", cseq=2), first.bindings)
    assert flows(both) == [(DESK.strip("<>"), 1, FLOW)]


@pytest.mark.parametrize("path", ["", "Path: <sip:edge.test;lr>\r\n"])
def test_r12_a_first_hop_without_outbound_is_439_or_the_reg_id_is_ignored(path: str) -> None:
    contact = f"{DESK}{PHONE};reg-id=1"
    assert refused(register(contact, extra=HOP + path + SUPPORTED)) == 439
    plain = apply(register(contact, extra=HOP + path))
    assert plain.bindings[0].reg_id == 0
    assert b"Require" not in dict(plain.headers)


def test_r12_a_first_hop_that_keeps_flows_is_recognized_by_ob() -> None:
    path = "Path: <sip:edge.test;lr;ob>\r\n"
    done = apply(register(f"{DESK}{PHONE};reg-id=1", extra=HOP + path + SUPPORTED))
    assert (done.bindings[0].reg_id, done.bindings[0].path) == (1, ("<sip:edge.test;lr;ob>",))
    assert done.headers == [(b"Path", b"<sip:edge.test;lr;ob>"), *APPLIED]


def test_r12_a_response_without_reg_id_has_no_outbound_option() -> None:
    assert apply(register(f"{DESK}{PHONE}", extra=SUPPORTED)).headers == []


@pytest.mark.parametrize("is_said_again", [True, False])
def test_r12_the_response_to_a_refresh_is_the_same(is_said_again: bool) -> None:
    contact = f"{DESK}{PHONE};reg-id=1"
    first = apply(register(contact, extra=SUPPORTED))
    if not is_said_again:
        said_no_more(first.bindings)
    again = apply(register(contact, cseq=2, extra=SUPPORTED), first.bindings)
    assert (again.headers, again.must_commit_first, len(again.bindings)) == (APPLIED, False, 1)


def test_r12_un_registering_a_flow_leaves_the_others() -> None:
    first = apply(register(f"{DESK}{PHONE};reg-id=1"))
    both = apply(register(f"{DESK}{PHONE};reg-id=2", call_id="r2"), first.bindings)
    left = apply(register(f"{DESK}{PHONE};reg-id=2;expires=0", call_id="r2", cseq=2), both.bindings)
    assert [b.reg_id for b in left.bindings] == [1]
    assert left.headers == []
