"""One Contact value: expiry, q, and the refused values (rows R4, R7, R9, F9, F11, F13)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msilod.errors import MalformedMessage, RequestRefused, SipError
from msilod.registrar.policy import RegistrarPolicy
from msilod.registrar.register_contact import MAX_METHODS, RegisterContact, method_set, read_contact
from msilod.registrar.registration import Registration
from msilod.sip.message import build_response
from msilod.sip.uri import SipUri
from tests.registrar.wire import AOR, DESK, POLICY, apply, contact_lines, register


def is_myself(uri: SipUri) -> bool:
    return uri.host in ("example.test", "192.0.2.1") and uri.port in (None, 5060)


def read(
    value: str, extra: str = "", policy: RegistrarPolicy = POLICY, knows_us: bool = True
) -> RegisterContact:
    return read_contact(
        register(value, extra=extra), AOR, value.encode("latin-1"), policy, is_myself if knows_us else None
    )


def refusal(value: str, extra: str = "", policy: RegistrarPolicy = POLICY, knows_us: bool = True) -> SipError:
    with pytest.raises((RequestRefused, MalformedMessage)) as caught:
        read(value, extra, policy, knows_us)
    return caught.value


@pytest.mark.parametrize(
    ("contact", "extra", "seconds"),
    [
        (DESK, "", 3600),
        (DESK, "Expires: 120\r\n", 120),
        (DESK + ";expires=90", "Expires: 120\r\n", 90),
        (DESK + ';expires="90"', "", 90),
        (DESK + ';expires="0"', "Expires: 120\r\n", 0),
        (DESK + ';expires="Thu, 01 Dec 2026 16:00:00 GMT"', "Expires: 120\r\n", 3600),
        (DESK + ';expires=""', "", 3600),
        (DESK + ';expires=" 0"', "", 3600),
        (DESK + ';expires="\\0"', "", 3600),
        (DESK + ";expires=soon", "Expires: 120\r\n", 3600),
        (DESK + ";expires", "Expires: 120\r\n", 3600),
        (DESK, "Expires: 999999999\r\n", 86400),
        (DESK, "Expires: 4294967295\r\n", 86400),
        (DESK, "Expires: soon\r\n", 3600),
        (DESK, "Expires: -1\r\n", 3600),
        (DESK, "Expires: 1_000\r\n", 3600),
        (DESK, "Expires: 99999999999999999999\r\n", 3600),
        (DESK, "Expires: " + "9" * 5000 + "\r\n", 3600),
        (DESK, "Expires: 0060\r\n", 60),
        (DESK + ";expires=0", "Expires: 120\r\n", 0),
        (DESK, "Expires: 0\r\n", 0),
        ("sip:bob@192.0.2.9;expires=90", "", 90),
    ],
)
def test_r4_f9_f11_the_expiry_of_a_contact(contact: str, extra: str, seconds: int) -> None:
    assert read(contact, extra).expires == seconds


@pytest.mark.parametrize(("asked", "status"), [(1, 423), (59, 423), (60, 0), (0, 0)])
def test_r4_too_brief_is_423_with_min_expires(asked: int, status: int) -> None:
    if not status:
        assert read(DESK, f"Expires: {asked}\r\n").expires == asked
        return
    for contact, extra in ((DESK, f"Expires: {asked}\r\n"), (f"{DESK};expires={asked}", "")):
        caught = refusal(contact, extra)
        assert (caught.status, caught.headers) == (423, ((b"Min-Expires", b"60"),))


def test_r4_an_hour_is_never_too_brief() -> None:
    slow = RegistrarPolicy(min_expires=7200)
    assert read(DESK, "Expires: 3600\r\n", slow).expires == 3600
    assert refusal(DESK, "Expires: 3599\r\n", slow).headers == ((b"Min-Expires", b"7200"),)


def test_r4_the_default_is_not_above_the_maximum() -> None:
    assert read(DESK, policy=RegistrarPolicy(default_expires=9000, max_expires=600)).expires == 600


@pytest.mark.parametrize(
    ("q", "value"),
    [("0", 0.0), ("0.", 0.0), ("0.25", 0.25), ("0.001", 0.001), ("1", 1.0), ("1.0", 1.0), ("1.000", 1.0)],
)
def test_r7_q_has_three_decimals(q: str, value: float) -> None:
    assert read(f"{DESK};q={q}").q == value
    line = contact_lines(apply(register(f"{DESK};q={q}")))[0]
    assert line == b"<sip:bob@192.0.2.9:5062>%b;expires=3600" % (b"" if value == 1 else b";q=%g" % value)


@pytest.mark.parametrize(
    "q", ["2", "1.5", "1.001", "0.1234", "-1", "+1", "x", "", "0.x", ".5", "00", "1_0", '"1"']
)
def test_r7_a_bad_q_is_400(q: str) -> None:
    assert refusal(f"{DESK};q={q}").status == 400


@pytest.mark.parametrize(
    "contact",
    ["<sip:bob@example.test>", "sip:%62ob@EXAMPLE.test", "<sips:bob@example.test;x=1>"],
)
@pytest.mark.parametrize("knows_us", [True, False])
def test_r9_the_aor_itself_is_403(contact: str, knows_us: bool) -> None:
    assert refusal(contact, knows_us=knows_us).status == 403


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:192.0.2.1>",
        "<sip:bob@192.0.2.1:5060;x=2>",
        "<sip:example.test:5060>",
        "<sip:carol@example.test>",
    ],
)
def test_r9_a_contact_that_leads_to_this_server_is_403(contact: str) -> None:
    assert refusal(contact).status == 403
    assert read(contact, knows_us=False).expires == 3600


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:bob@192.0.2.1:5062>",
        "<sip:bob@phone.example.test>",
        "<sip:abc@x7.invalid;transport=ws>",
        "<sip:bob@example.test?Route=%3Csip:sip.example.test%3E>",
    ],
)
def test_r9_a_contact_with_another_port_or_host_is_accepted(contact: str) -> None:
    assert read(contact).uri_text == contact[1:-1]


@pytest.mark.parametrize(
    "contact", ["<mailto:bob@x>", "<tel:+1234>", "<http://x/>", "<sip:>", "<bob@x>", "<sip:a@>"]
)
def test_r9_a_contact_without_a_sip_uri_is_400(contact: str) -> None:
    assert refusal(contact).status == 400


def test_r9_lengths_are_bounded() -> None:
    assert refusal(f"<sip:{'b' * 3000}@192.0.2.9>").status == 403
    assert refusal(f"<sip:b@192.0.2.9>;x={'y' * 5000}").status == 400


def test_the_uri_and_other_parameters_are_kept_as_sent() -> None:
    contact = read(
        '"Bob" <sip:%62ob@Host.invalid;ob;transport=ws?x=y>;+sip.ice;reg-id=1;Q=0.5;'
        '+sip.instance="<urn:uuid:f81d4fae>";Expires=60;methods="INVITE, MESSAGE"'
    )
    assert contact.uri_text == "sip:%62ob@Host.invalid;ob;transport=ws?x=y"
    assert contact.params == (
        ';+sip.ice;reg-id=1;+sip.instance="<urn:uuid:f81d4fae>";methods="INVITE, MESSAGE"'
    )
    assert (contact.instance, contact.reg_id) == ('"<urn:uuid:f81d4fae>"', 1)
    assert set(contact.methods or ()) == {"INVITE", "MESSAGE"}


def test_f13_a_contact_with_forbidden_bytes_is_400_and_the_answer_can_be_sent() -> None:
    for control in "\0\x01\x1b\x7f":
        assert refusal(f'{DESK};x="a\\{control}b"').status == 400


@pytest.mark.parametrize("value", ['"caf\xc3\xa9"', '"tab\there"', '"\xff"'])
def test_f13_every_other_contact_can_be_written_in_a_response(value: str) -> None:
    registration = apply(register(f"{DESK};x={value}"))
    headers = [(b"Contact", line) for line in contact_lines(registration)]
    answer = build_response(register(DESK), 200, headers=headers)
    assert answer.headers.get_all(b"contact") == contact_lines(registration)
    if "\xff" not in value:
        assert f";x={value};".encode("latin-1") in contact_lines(registration)[0]


@pytest.mark.parametrize(
    ("value", "methods"),
    [
        (b"INVITE, message", {"INVITE", "MESSAGE"}),
        (b"INVITE,,\tACK ,", {"INVITE", "ACK"}),
        (b"IN VITE, MESSAGE, a\0b", {"MESSAGE"}),
        (b"", None),
        (b" , ", None),
    ],
)
def test_methods(value: bytes, methods: set[str] | None) -> None:
    found = method_set(value)
    assert (None if found is None else set(found)) == methods


def test_methods_are_bounded() -> None:
    assert len(method_set(b",".join(b"M%d" % n for n in range(MAX_METHODS))) or ()) == MAX_METHODS
    with pytest.raises(MalformedMessage):
        method_set(b",".join(b"M%d" % n for n in range(MAX_METHODS + 1)))


PIECES = st.sampled_from(
    ["<", ">", ";", ",", '"', "=", "\\", "*", "?", "@", ":", "%", "%00", "\0", "\xff", "\t", " ", "sip:", "sips:",
     "bob", "192.0.2.9", "[::1]", "q", "0.5", "expires", "60", "methods", "+sip.instance", "<sip:bob@192.0.2.9>", "lr"]
)  # fmt: skip
LINE = st.lists(PIECES, max_size=12).map("".join)


def outcome(contact: str, extra: str) -> Registration | int:
    """The result of a REGISTER, or the status of the refusal."""
    try:
        return apply(register(contact, extra=extra))
    except SipError as error:
        return error.status


@settings(deadline=None, max_examples=300)
@given(contact=LINE, path=LINE, expires=LINE, allow=LINE, agent=LINE)
def test_f13_any_contact_is_refused_or_can_be_written_in_a_response(
    contact: str, path: str, expires: str, allow: str, agent: str
) -> None:
    """Without this rule a client would get no answer after a commit, because the 200 could not be built."""
    extra = f"Path: {path}\r\nExpires: {expires}\r\nAllow: {allow}\r\nUser-Agent: {agent}\r\n"
    registration = outcome(contact, extra)
    if isinstance(registration, int):
        assert registration in (400, 403, 416, 423)
        return
    headers = [(b"Contact", line) for line in contact_lines(registration)] + registration.headers
    answer = build_response(register(DESK), 200, headers=headers)
    assert len(answer.headers.split(b"contact")) == len(registration.bindings)
    again = apply(register(contact, extra=extra, cseq=2), registration.bindings)
    assert again.added == []


@pytest.mark.parametrize(
    ("contact", "port", "is_refused"),
    [
        ("<sip:bob@192.0.2.1>", 5060, True),
        ("<sip:bob@192.0.2.1;transport=udp>", 25070, False),
        ("<sip:bob@192.0.2.1:25070>", 25070, True),
        ("<sip:bob@192.0.2.1;transport=tls>", 5061, True),
        ("<sip:bob@192.0.2.1;transport=tls>", 5060, False),
    ],
)
def test_r9_an_address_without_a_port_has_the_default_port(contact: str, port: int, is_refused: bool) -> None:
    """linphone beside a daemon on another port: the Contact is the address of both, without a port."""

    def owns(uri: SipUri) -> bool:
        return uri.host == "192.0.2.1" and uri.port in (None, port)

    def register_it() -> RegisterContact:
        return read_contact(register(contact), AOR, contact.encode(), POLICY, owns)

    if is_refused:
        with pytest.raises(RequestRefused):
            register_it()
    else:
        assert register_it().uri.user == "bob"
