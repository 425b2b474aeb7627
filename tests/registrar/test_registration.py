"""process(): RFC 3261 §10.3, all or nothing (rows R1 to R9, R11 of the checklist)."""

import pytest

from msilod.errors import MalformedMessage, RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.registrar.registration import RegistrarPolicy, Registration, process
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse

ENDPOINT = Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060")
FLOW = Flow(ENDPOINT, "192.0.2.9", 5062)
POLICY = RegistrarPolicy(max_contacts=3)
AOR = "bob@example.test"
WALL = 1_800_000_000.0
DESK = "<sip:bob@192.0.2.9:5062>"
SOFT = "<sip:bob@192.0.2.10:5064;transport=udp>"


def register(*contacts: str, cseq: int = 1, call_id: str = "r1", extra: str = "") -> Request:
    lines = "".join(f"Contact: {contact}\r\n" for contact in contacts)
    data = (
        "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK1\r\n"
        "From: <sip:bob@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}{extra}Content-Length: 0\r\n\r\n"
    )
    request = parse(data.encode())
    assert isinstance(request, Request)
    return request


def apply(
    request: Request, before: list[Binding] | None = None, wall: float = WALL, flow: Flow = FLOW
) -> Registration:
    return process(request, AOR, before or [], POLICY, flow, wall)


def status_of(request: Request, before: list[Binding] | None = None) -> int:
    kept = [(binding.contact, binding.cseq) for binding in before or []]
    with pytest.raises((RequestRefused, MalformedMessage)) as caught:
        apply(request, before)
    assert [(binding.contact, binding.cseq) for binding in before or []] == kept, "nothing is changed"
    return caught.value.status


def contacts(registration: Registration) -> list[str]:
    return [binding.contact for binding in registration.bindings]


def test_r3_no_contact_is_a_query() -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(cseq=2), before)
    assert registration.is_query
    assert registration.contact_lines == [b"<sip:bob@192.0.2.9:5062>;expires=3600"]
    assert registration.touched == []


def test_r3_star_removes_all() -> None:
    before = apply(register(DESK, SOFT)).bindings
    registration = apply(register("*", cseq=2, extra="Expires: 0\r\n"), before)
    assert registration.bindings == []
    assert len(registration.removed) == 2
    assert registration.must_commit_first


@pytest.mark.parametrize(
    ("values", "extra"), [(["*"], "Expires: 60\r\n"), (["*"], ""), (["*", DESK], "Expires: 0\r\n")]
)
def test_r3_star_only_alone_and_with_expires_0(values: list[str], extra: str) -> None:
    assert status_of(register(*values, extra=extra)) == 400


def test_r3_star_with_an_old_cseq_aborts() -> None:
    before = apply(register(DESK, cseq=5)).bindings
    assert status_of(register("*", cseq=5, extra="Expires: 0\r\n"), before) == 500


@pytest.mark.parametrize(
    ("contact", "extra", "seconds"),
    [
        (DESK, "", 3600),
        (DESK, "Expires: 120\r\n", 120),
        (DESK + ";expires=90", "Expires: 120\r\n", 90),
        (DESK, "Expires: 999999999\r\n", 86400),
        (DESK, "Expires: soon\r\n", 3600),
        (DESK, "Expires: 99999999999999999999\r\n", 3600),
    ],
)
def test_r4_f9_expires(contact: str, extra: str, seconds: int) -> None:
    assert apply(register(contact, extra=extra)).bindings[0].expires_at == WALL + seconds


def test_r4_too_brief_is_423_with_min_expires() -> None:
    with pytest.raises(RequestRefused) as caught:
        apply(register(DESK, extra="Expires: 30\r\n"))
    assert (caught.value.status, caught.value.headers) == (423, ((b"Min-Expires", b"60"),))


def test_r4_zero_removes_and_is_never_423() -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(DESK + ";expires=0", cseq=2), before)
    assert registration.bindings == []
    assert registration.touched == []
    assert apply(register(DESK, extra="Expires: 0\r\n")).removed == [], "nothing was there"


@pytest.mark.parametrize("bad", ["<sip:bob@192.0.2.9:5062>;q=2", "<mailto:bob@x>", "sip:", "<sip:a b@c>"])
def test_r4_one_bad_contact_and_nothing_is_changed(bad: str) -> None:
    before = apply(register(DESK)).bindings
    assert status_of(register(SOFT, bad, cseq=2), before) in (400, 416)


def test_r5_the_same_uri_under_another_call_id_is_replaced() -> None:
    before = apply(register(DESK, cseq=9)).bindings
    registration = apply(register("<sip:%62ob@192.0.2.9:5062>", cseq=1, call_id="r2"), before)
    assert contacts(registration) == ["sip:%62ob@192.0.2.9:5062"]
    assert registration.removed, "the old spelling goes from the disk, too"


def test_r5_an_old_cseq_is_500() -> None:
    before = apply(register(DESK, cseq=5)).bindings
    assert status_of(register(DESK, cseq=5), before) == 500
    assert status_of(register(DESK, cseq=4), before) == 500


def test_r6_all_bindings_are_listed_with_what_is_left() -> None:
    before = apply(register(DESK + ";q=0.5", extra="Expires: 100\r\n")).bindings
    registration = apply(register(SOFT, call_id="r2"), before, WALL + 40)
    assert registration.contact_lines == [
        b"<sip:bob@192.0.2.10:5064;transport=udp>;expires=3600",
        b"<sip:bob@192.0.2.9:5062>;q=0.5;expires=60",
    ]


def test_r6_a_refresh_needs_no_commit_and_anything_new_does() -> None:
    first = apply(register(DESK))
    assert first.must_commit_first
    second = apply(register(DESK, cseq=2), first.bindings, WALL + 5)
    assert not second.must_commit_first
    assert second.bindings[0].expires_at == WALL + 5 + 3600
    assert second.bindings[0].cseq == 2
    for changed in (
        apply(register(DESK, cseq=3), second.bindings, flow=Flow(ENDPOINT, "192.0.2.9", 6000)),
        apply(register(DESK, cseq=3, extra="Allow: INVITE\r\n"), second.bindings),
        apply(register(DESK, call_id="new"), second.bindings),
    ):
        assert changed.must_commit_first


def test_r6_a_refresh_in_the_same_words_equals_one_that_is_parsed() -> None:
    first = apply(register(DESK + ";q=0.3", extra="Expires: 500\r\nAllow: MESSAGE\r\n"))
    again = apply(
        register(DESK + ";q=0.3", cseq=2, extra="Expires: 500\r\nAllow: MESSAGE\r\n"),
        first.bindings,
        WALL + 9,
    )
    for binding in first.bindings:
        binding.said = ()
    parsed = apply(
        register(DESK + ";q=0.3", cseq=2, extra="Expires: 500\r\nAllow: MESSAGE\r\n"),
        first.bindings,
        WALL + 9,
    )
    assert again.bindings == parsed.bindings
    assert again.contact_lines == parsed.contact_lines
    assert [b.cseq for b in first.bindings] == [1], "what is kept meanwhile is not touched"


@pytest.mark.parametrize(("q", "value"), [("0", 0.0), ("0.25", 0.25), ("1", 1.0), ("1.000", 1.0)])
def test_r7_q_orders_the_targets(q: str, value: float) -> None:
    registration = apply(register(f"{DESK};q={q}", SOFT + ";q=0.1"))
    assert sorted((b.q for b in registration.bindings), reverse=True) == [b.q for b in registration.bindings]
    assert value in [b.q for b in registration.bindings]


@pytest.mark.parametrize("q", ["2", "1.5", "0.1234", "-1", "x", ""])
def test_r7_a_bad_q_is_400(q: str) -> None:
    assert status_of(register(f"{DESK};q={q}")) == 400


def test_r9_caps_and_contacts_that_would_loop() -> None:
    many = [f"<sip:bob@192.0.2.9:{port}>" for port in range(6000, 6004)]
    assert status_of(register(*many)) == 403
    assert status_of(register(*(f"<sip:b@192.0.2.9:{port}>" for port in range(6000, 6100)))) == 403
    assert status_of(register("<sip:bob@example.test>")) == 403
    assert status_of(register(f"<sip:{'b' * 3000}@192.0.2.9>")) in (400, 403)


def test_r11_path_is_kept_in_order_and_told() -> None:
    registration = apply(register(DESK, extra="Path: <sip:p1.test;lr>,<sip:p2.test;lr>\r\n"))
    assert registration.bindings[0].path == ("<sip:p1.test;lr>", "<sip:p2.test;lr>")
    assert (b"Path", b"<sip:p1.test;lr>") in registration.headers


@pytest.mark.parametrize(
    ("contact", "extra", "takes"),
    [
        (DESK, "", True),
        (DESK, "Allow: INVITE, ACK\r\n", False),
        (DESK, "Allow: INVITE, MESSAGE\r\n", True),
        (DESK + ';methods="INVITE,ACK"', "", False),
        (DESK + ';methods="INVITE,MESSAGE"', "Allow: INVITE\r\n", True),
    ],
)
def test_whether_a_contact_takes_messages(contact: str, extra: str, takes: bool) -> None:
    assert apply(register(contact, extra=extra)).bindings[0].takes_messages is takes


def test_the_same_contact_twice_is_one_binding() -> None:
    assert len(apply(register(DESK, DESK, cseq=2)).bindings) == 1


# --- the location service ----------------------------------------------------------------------------


def test_the_location_service_never_returns_what_has_expired() -> None:
    location = LocationService()
    location.store(apply(register(DESK, extra="Expires: 100\r\n")))
    assert len(location.bindings(AOR, WALL + 99)) == 1
    assert location.bindings(AOR, WALL + 100) == []
    assert [b.contact for b in location.expire(WALL + 100, 10)] == ["sip:bob@192.0.2.9:5062"]
    assert (len(location), location.aor_count) == (0, 0)
    assert location.expire(WALL + 1000, 10) == []


def test_a_refreshed_binding_is_not_swept_at_its_first_end() -> None:
    location = LocationService()
    first = apply(register(DESK, extra="Expires: 100\r\n"))
    location.store(first)
    location.store(apply(register(DESK, cseq=2, extra="Expires: 100\r\n"), first.bindings, WALL + 50))
    assert location.expire(WALL + 120, 10) == []
    assert len(location.bindings(AOR, WALL + 120)) == 1
    assert len(location.expire(WALL + 150, 10)) == 1


def test_whose_contact_is_it() -> None:
    location = LocationService()
    location.store(apply(register(DESK)))
    assert location.aors_for_contact("sip:%62ob@192.0.2.9:5062") == [AOR]
    assert location.aors_for_contact("sip:bob@192.0.2.9:5063") == []
    location.restore(AOR, [])
    assert location.aors_for_contact("sip:bob@192.0.2.9:5062") == []


def test_loading_groups_by_recipient() -> None:
    location = LocationService()
    location.load(apply(register(DESK, SOFT)).bindings)
    assert len(location) == 2
    assert len(list(location.all())) == 2
