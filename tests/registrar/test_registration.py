"""process(): RFC 3261 §10.3, all or nothing (rows R1, R3 to R8, R10, R11, R18)."""

from copy import copy
from dataclasses import fields

import pytest

from msilod.errors import MalformedMessage, RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.registration import MAX_PATHS, RegistrarPolicy, Registration
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from tests.registrar.wire import (
    AOR,
    DESK,
    FLOW,
    POLICY,
    SOFT,
    WALL,
    apply,
    contact_lines,
    register,
    said_no_more,
)


def snapshot(bindings: list[Binding]) -> list[Binding]:
    """Copies of the present bindings. A comparison with the copies shows changes."""
    return [copy(binding) for binding in bindings]


def status_of(request: Request, before: list[Binding] | None = None) -> int:
    """The status of the refusal. A refusal changes nothing."""
    before = before or []
    kept = snapshot(before)
    with pytest.raises((RequestRefused, MalformedMessage)) as caught:
        apply(request, before)
    assert before == kept, "nothing is changed"
    return caught.value.status


def contacts(registration: Registration) -> list[str]:
    return [binding.contact for binding in registration.bindings]


# --- R1, R3 ------------------------------------------------------------------------------------------


def test_r1_kept_bindings_are_never_changed_in_place() -> None:
    before = apply(register(DESK, SOFT)).bindings
    kept = snapshot(before)
    apply(register(DESK + ";q=0.1", SOFT + ";expires=0", cseq=2), before)
    apply(register("*", cseq=2, extra="Expires: 0\r\n"), before)
    assert before == kept


def test_r1_record_route_is_ignored() -> None:
    registration = apply(register(DESK, extra="Record-Route: <sip:p.test;lr>\r\n"))
    assert registration.bindings[0].path == ()
    assert registration.headers == []


def test_r3_no_contact_is_a_query() -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(cseq=2), before)
    assert registration.is_query
    assert contact_lines(registration) == [b"<sip:bob@192.0.2.9:5062>;expires=3600"]
    assert registration.touched == []
    assert not registration.must_commit_first
    assert not apply(register(DESK)).is_query


def test_r3_star_removes_all() -> None:
    before = apply(register(DESK, SOFT)).bindings
    registration = apply(register("*", cseq=2, extra="Expires: 0\r\n"), before)
    assert registration.bindings == []
    assert registration.removed == before
    assert registration.must_commit_first
    assert contact_lines(registration) == []


def test_r3_star_without_bindings_needs_no_commit() -> None:
    registration = apply(register("*", extra="Expires: 0\r\n"))
    assert (registration.removed, registration.must_commit_first, registration.is_query) == ([], False, False)


@pytest.mark.parametrize(
    ("values", "extra"),
    [
        (["*"], "Expires: 60\r\n"),
        (["*"], ""),
        (["*"], "Expires: x\r\n"),
        (["*"], "Expires: -0\r\n"),
        (["*", DESK], "Expires: 0\r\n"),
        ([DESK, "*"], "Expires: 0\r\n"),
        (["*, *"], "Expires: 0\r\n"),
        (["*;expires=0"], "Expires: 0\r\n"),
    ],
)
def test_r3_star_is_permitted_only_alone_and_with_expires_0(values: list[str], extra: str) -> None:
    before = apply(register(DESK)).bindings
    assert status_of(register(*values, cseq=2, extra=extra), before) == 400


@pytest.mark.parametrize("cseq", [4, 5])
def test_r3_star_with_an_old_cseq_removes_nothing(cseq: int) -> None:
    first = apply(register(SOFT, call_id="other", cseq=1)).bindings
    both = apply(register(DESK, cseq=5), first).bindings
    assert status_of(register("*", cseq=cseq, extra="Expires: 0\r\n"), both) == 500


def test_r3_star_under_another_call_id_needs_no_higher_cseq() -> None:
    before = apply(register(DESK, cseq=500)).bindings
    registration = apply(register("*", cseq=1, call_id="r2", extra="Expires: 0\r\n"), before)
    assert registration.removed == before


# --- R4 ----------------------------------------------------------------------------------------------


def test_r4_zero_removes_and_never_gets_423() -> None:
    before = apply(register(DESK, SOFT)).bindings
    registration = apply(register(DESK + ";expires=0", cseq=2), before)
    assert contacts(registration) == ["sip:bob@192.0.2.10:5064;transport=udp"]
    assert [binding.contact for binding in registration.removed] == ["sip:bob@192.0.2.9:5062"]
    assert registration.must_commit_first
    assert apply(register(DESK, extra="Expires: 0\r\n")).removed == [], "nothing was there"


def test_r4_one_register_adds_one_contact_and_removes_another() -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(DESK + ";expires=0", SOFT, cseq=2), before)
    assert contacts(registration) == ["sip:bob@192.0.2.10:5064;transport=udp"]
    assert [b.contact for b in registration.added] == contacts(registration)
    assert registration.removed == before


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ("<sip:bob@192.0.2.8>;q=2", 400),
        ("<mailto:bob@x>", 400),
        ("sip:", 400),
        ("<sip:a b@c>", 400),
        ("<sip:bob@192.0.2.8>;expires=30", 423),
        ("<sip:bob@example.test>", 403),
    ],
)
def test_r4_one_bad_contact_changes_nothing(bad: str, status: int) -> None:
    before = apply(register(DESK)).bindings
    for values in ((SOFT, bad), (bad, SOFT), (DESK + ";expires=0", bad)):
        assert status_of(register(*values, cseq=2), before) == status


# --- R5 ----------------------------------------------------------------------------------------------


def test_r5_the_same_uri_under_another_call_id_replaces_the_binding() -> None:
    before = apply(register(DESK, cseq=9)).bindings
    registration = apply(register(DESK, cseq=1, call_id="r2"), before)
    assert contacts(registration) == ["sip:bob@192.0.2.9:5062"]
    assert (registration.bindings[0].call_id, registration.bindings[0].cseq) == ("r2", 1)
    assert registration.removed == [], "its row is written over"


def test_r5_another_spelling_replaces_the_binding_and_its_row() -> None:
    before = apply(register(DESK, cseq=9)).bindings
    registration = apply(register("<sip:%62ob@192.0.2.9:5062>", cseq=10), before)
    assert contacts(registration) == ["sip:%62ob@192.0.2.9:5062"]
    assert registration.removed == before


@pytest.mark.parametrize("cseq", [4, 5])
def test_r5_an_old_cseq_is_500(cseq: int) -> None:
    before = apply(register(DESK, cseq=5)).bindings
    # The same CSeq again is the same registration.
    assert cseq == 5 or status_of(register(DESK, cseq=cseq), before) == 500
    assert status_of(register(DESK + ";expires=0", cseq=cseq), before) == 500
    assert status_of(register(SOFT, DESK, cseq=cseq), before) == 500
    said_no_more(before)
    assert cseq == 5 or status_of(register(DESK, cseq=cseq), before) == 500


def test_r5_an_old_cseq_changes_no_other_contact() -> None:
    before = apply(register(DESK, cseq=5)).bindings
    assert len(apply(register(SOFT, cseq=4), before).bindings) == 2


@pytest.mark.parametrize(
    ("values", "expires"),
    [
        ([DESK, DESK], 3600),
        ([DESK, DESK + ";expires=90"], 90),
        ([DESK + ";x=1", "<sip:%62ob@192.0.2.9:5062>"], 3600),
    ],
)
def test_r5_the_same_contact_twice_in_one_register_is_one(values: list[str], expires: int) -> None:
    (made,) = apply(register(*values)).bindings
    assert made.expires_at == WALL + expires


def test_r5_the_last_of_two_equal_contacts_counts() -> None:
    before = apply(register(DESK)).bindings
    assert apply(register(DESK, DESK + ";expires=0", cseq=2), before).bindings == []
    assert len(apply(register(DESK + ";expires=0", DESK, cseq=2), before).bindings) == 1


# --- R7, R8, R9 --------------------------------------------------------------------------------------


def test_r7_q_orders_the_bindings() -> None:
    registration = apply(register(DESK + ";q=0.5", SOFT + ";q=0.1", "<sip:bob@192.0.2.7>"))
    assert [binding.q for binding in registration.bindings] == [1.0, 0.5, 0.1]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("sip:%61lice@192.0.2.9;transport=TCP", "sip:alice@192.0.2.9;Transport=tcp", True),
        ("sip:carol@192.0.2.9", "sip:carol@192.0.2.9;newparam=5", True),
        ("sip:carol@192.0.2.9;security=on", "sip:carol@192.0.2.9;newparam=5", True),
        ("sip:ALICE@192.0.2.9", "sip:alice@192.0.2.9", False),
        ("sip:bob@192.0.2.9", "sip:bob@192.0.2.9:5060", False),
        ("sip:bob@192.0.2.9", "sip:bob@192.0.2.9;transport=udp", False),
        ("sip:bob@192.0.2.9", "sip:bob@192.0.2.9?Subject=x", False),
        ("sip:bob@192.0.2.9", "sips:bob@192.0.2.9", False),
        ("sip:192.0.2.9", "sip:bob@192.0.2.9", False),
        ("sip:bob@[2001:db8::9]", "sip:bob@[2001:DB8:0::9]", True),
    ],
)
def test_r8_contacts_are_compared_as_uris(one: str, other: str, equal: bool) -> None:
    before = apply(register(f"<{one}>")).bindings
    again = register(f"<{other}>", cseq=2, scheme="sips")
    assert len(apply(again, before).bindings) == (1 if equal else 2)
    assert len(apply(register(f"<{one}>", f"<{other}>", scheme="sips")).bindings) == (1 if equal else 2)


def test_r9_too_many_contacts_in_one_register_are_403() -> None:
    many = [f"<sip:bob@192.0.2.9:{port}>" for port in range(6000, 6004)]
    assert status_of(register(*many)) == 403
    before = apply(register(*many[:3])).bindings
    assert len(apply(register(many[0] + ";expires=0", many[3], cseq=2), before).bindings) == 3
    assert status_of(register(*(f"<sip:b@192.0.2.9:{port}>" for port in range(6000, 6100)))) == 403


def test_r9_a_user_over_a_lowered_limit_may_keep_and_remove_contacts() -> None:
    many = [f"<sip:bob@192.0.2.9:{port}>" for port in range(6000, 6003)]
    before = apply(register(*many)).bindings
    said_no_more(before)
    lower = RegistrarPolicy(max_contacts=1)
    assert len(apply(register(many[0], cseq=2), before, policy=lower).bindings) == 3
    assert len(apply(register(many[0] + ";expires=0", cseq=2), before, policy=lower).bindings) == 2
    elsewhere = Flow(FLOW.endpoint, "192.0.2.77", 5060)
    with pytest.raises(RequestRefused):
        apply(register("<sip:bob@192.0.2.9:6009>", cseq=2), before, policy=lower, flow=elsewhere)


# --- R10, R11, R18 -----------------------------------------------------------------------------------


def test_r10_flow_and_user_agent_are_kept() -> None:
    (made,) = apply(register(DESK, extra="User-Agent: Phone 1.0 \r\n")).bindings
    assert (made.aor, made.flow, made.user_agent, made.call_id) == (AOR, FLOW, "Phone 1.0", "r1")


def test_r10_a_user_agent_is_kept_without_controls_and_in_bounds() -> None:
    (made,) = apply(register(DESK, extra="User-Agent: a\0b\x1b[31m\xff" + "x" * 500 + "\r\n")).bindings
    assert made.user_agent.startswith("ab[31m\\xffxx")
    assert len(made.user_agent) <= 260


def test_r11_path_is_kept_in_order_and_returned() -> None:
    extra = 'Path: <sip:p1.test;lr>,<sip:p2.test;lr>\r\nPath: "Edge, two" <sip:p3.test;lr>;x=1\r\n'
    registration = apply(register(DESK, extra=extra))
    path = ("<sip:p1.test;lr>", "<sip:p2.test;lr>", '"Edge, two" <sip:p3.test;lr>;x=1')
    assert registration.bindings[0].path == path
    assert registration.headers == [(b"Path", value.encode()) for value in path] + [(b"Supported", b"path")]
    again = apply(register(DESK, cseq=2, extra=extra), registration.bindings)
    assert again.headers == registration.headers
    assert apply(register(cseq=3), registration.bindings).headers == []


@pytest.mark.parametrize(
    "path", ["garbage", "<tel:110>", "<sip:p1.test", '"a\\\0" <sip:p1.test;lr>', "<sip:a b@p>"]
)
def test_r11_a_path_that_cannot_be_a_route_is_refused(path: str) -> None:
    assert status_of(register(DESK, extra=f"Path: <sip:p0.test;lr>, {path}\r\n")) in (400, 416)


def test_r11_the_length_of_a_path_is_bounded() -> None:
    hops = ", ".join(f"<sip:p{number}.test;lr>" for number in range(MAX_PATHS + 1))
    assert status_of(register(DESK, extra=f"Path: {hops}\r\n")) == 400


@pytest.mark.parametrize(
    ("contact", "extra", "takes"),
    [
        (DESK, "", True),
        (DESK, "Allow: INVITE, ACK\r\n", False),
        (DESK, "Allow: INVITE\r\nAllow: message\r\n", True),
        (DESK + ';methods="INVITE,ACK"', "", False),
        (DESK + ';methods="INVITE,MESSAGE"', "Allow: INVITE\r\n", True),
        (DESK + ';methods="INVITE"', "Allow: MESSAGE\r\n", False),
        (DESK, "Allow:\r\n", True),
    ],
)
def test_r18_methods_say_whether_a_contact_accepts_messages(contact: str, extra: str, takes: bool) -> None:
    assert apply(register(contact, extra=extra)).bindings[0].takes_messages is takes


def test_r18_only_bindings_named_in_a_register_are_touched() -> None:
    before = apply(register(DESK)).bindings
    for request, touched in (
        (register(DESK, cseq=2), ["sip:bob@192.0.2.9:5062"]),
        (register(SOFT, cseq=2), ["sip:bob@192.0.2.10:5064;transport=udp"]),
        (register(DESK + ";expires=0", SOFT, cseq=2), ["sip:bob@192.0.2.10:5064;transport=udp"]),
        (register(DESK + ";expires=0", cseq=2), []),
        (register("*", cseq=2, extra="Expires: 0\r\n"), []),
        (register(cseq=2), []),
    ):
        assert [binding.contact for binding in apply(request, before).touched] == touched


@pytest.mark.parametrize("value", [field.name for field in fields(POLICY)])
def test_a_policy_with_another_value_has_another_mark(value: str) -> None:
    if value == "mark":
        assert RegistrarPolicy().mark == RegistrarPolicy().mark
    else:
        assert RegistrarPolicy(**{value: 7}).mark != RegistrarPolicy().mark
