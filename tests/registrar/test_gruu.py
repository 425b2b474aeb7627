"""registrar/gruu.py: URIs for one device, computed and read without stored state (RFC 5627, R14)."""

import re

import pytest

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import Gruu, Gruus, asks_for_gruu
from msilod.routing.myself import Myself
from msilod.sip.uri import SipUri
from tests.registrar.wire import AOR, DESK, WALL, apply, contact_lines, register, said_no_more

URN = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
OTHER_URN = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
PHONE = f'{DESK};+sip.instance="<{URN}>"'
GRUUS = Gruus(b"s" * 32)
SUPPORTED = "Supported: path, Gruu\r\n"


def binding(instance: str = f'"<{URN}>"', call_id: str = "r1", cseq: int = 1, aor: str = AOR) -> Binding:
    return Binding(aor, "sip:bob@192.0.2.9:5062", call_id, cseq, WALL + 60, WALL, instance=instance)


def flow(reg_id: int, call_id: str = "r1") -> Binding:
    made = binding(call_id=call_id)
    made.reg_id = reg_id
    return made


def given(of: Binding, name: str, gruus: Gruus = GRUUS) -> str:
    found = re.search(f';{name}="([^"]*)"', gruus.parameters(of))
    assert found is not None
    return found[1]


def read(uri: str, gruus: Gruus = GRUUS) -> Gruu:
    parsed = SipUri.parse(uri)
    return gruus.read(parsed, parsed.aor())


def refused(gruu: Gruu, bindings: list[Binding], is_kept: bool = False) -> int:
    with pytest.raises(RequestRefused) as caught:
        gruu.refuse_unknown(bindings, is_kept)
    return caught.value.status


def test_r14_a_contact_with_gruu_support_gets_both_gruus() -> None:
    request = register(PHONE, extra=SUPPORTED)
    registration = apply(request)
    assert asks_for_gruu(request)
    assert b"gruu" not in contact_lines(registration)[0]
    (line,) = contact_lines(registration, GRUUS)
    assert f';+sip.instance="<{URN}>";pub-gruu="sip:{AOR};gr={URN}"'.encode() in line
    assert re.search(rb';temp-gruu="sip:[\w-]+@example.test;gr";expires=3600$', line)


def test_r14_the_option_may_be_in_a_second_supported_line() -> None:
    assert asks_for_gruu(register(PHONE, extra="Supported: path\r\nk: outbound ,gruu\r\n"))


@pytest.mark.parametrize("extra", ["", "Supported: path\r\n", "Supported: gruux\r\n"])
def test_r14_without_gruu_support_no_gruu_is_returned(extra: str) -> None:
    assert not asks_for_gruu(register(PHONE, extra=extra))


@pytest.mark.parametrize("instance", ["", '"<>"', '"<urn:x:' + "9" * 512 + '>"'])
def test_r14_no_instance_or_a_too_long_instance_gets_no_gruu(instance: str) -> None:
    assert GRUUS.parameters(binding(instance)) == ""


def test_r14_gruu_parameters_sent_by_a_phone_are_not_returned() -> None:
    registration = apply(register(f'{PHONE};pub-gruu="sip:eve@example.test;gr=1";temp-gruu="sip:x@y;gr"'))
    assert b"gruu" not in contact_lines(registration)[0]


@pytest.mark.parametrize("is_said_again", [True, False])
def test_r14_each_register_gets_a_new_temporary_gruu_and_the_same_public_gruu(is_said_again: bool) -> None:
    first = apply(register(PHONE, extra=SUPPORTED))
    if not is_said_again:
        said_no_more(first.bindings)
    (former,), (again,) = (
        first.bindings,
        apply(register(PHONE, cseq=2, extra=SUPPORTED), first.bindings).bindings,
    )
    assert given(former, "pub-gruu") == given(again, "pub-gruu")
    assert given(former, "temp-gruu") != given(again, "temp-gruu")
    for one in (former, again):
        assert read(given(one, "temp-gruu")).of([again]) == [again]


def test_r14_a_public_gruu_leads_to_all_flows_of_its_instance() -> None:
    gruu = read(f"sip:{AOR};gr={URN.upper()}")
    flows = [flow(1), flow(2, "r2"), binding(f'"<{OTHER_URN}>"')]
    assert gruu.aor == AOR
    assert gruu.of(flows) == flows[:2]


def test_r14_a_public_gruu_leads_to_the_last_refreshed_contact() -> None:
    """RFC 5627 section 6.1: a restarted phone has another port, and the old contact is still bound."""
    gruu, old, new = read(f"sip:{AOR};gr={URN}"), binding(), binding(call_id="r2")
    new.contact, new.registered_at = "sip:bob@192.0.2.9:5064", WALL + 10
    assert gruu.of([old, new]) == [new]
    old.registered_at = WALL + 20
    assert gruu.of([old, new]) == [old]


def test_r14_a_contact_without_outbound_is_not_mixed_with_flows() -> None:
    gruu, plain, first, second = read(f"sip:{AOR};gr={URN}"), binding(), flow(1), flow(2)
    first.registered_at = WALL + 10
    assert gruu.of([plain, first, second]) == [first, second]
    plain.registered_at = WALL + 20
    assert gruu.of([plain, first, second]) == [plain]


def test_r14_a_temporary_gruu_ends_with_its_call_id_though_the_old_contact_is_bound() -> None:
    """RFC 5627 section 5.4: the last registration of the device has another Call-ID."""
    old, new = binding(), binding(call_id="r2")
    new.registered_at = WALL + 10
    gruu = read(given(old, "temp-gruu"))
    assert gruu.of([old, new]) == []
    assert refused(gruu, [old, new]) == 404
    assert read(given(new, "temp-gruu")).of([old, new]) == [new]


def test_r14_an_instance_is_escaped_as_a_uri_parameter() -> None:
    odd = binding('"<urn:x:a;b=c%41é>"')
    public = given(odd, "pub-gruu")
    assert public.endswith(";gr=urn:x:a%3Bb%3Dc%2541%C3%A9")
    for name in ("pub-gruu", "temp-gruu"):
        assert read(given(odd, name)).of([odd, binding()]) == [odd]


def test_r14_a_sips_contact_gets_sips_gruus() -> None:
    secure = binding()
    secure.contact = "sips:bob@192.0.2.9"
    assert given(secure, "pub-gruu").startswith("sips:")
    assert given(secure, "temp-gruu").startswith("sips:")


def test_r14_a_temporary_gruu_hides_its_user_and_only_its_maker_can_read_it() -> None:
    temporary = given(binding(), "temp-gruu")
    assert "bob" not in temporary
    assert "f81d4fae" not in temporary
    assert read(temporary).aor == AOR
    with pytest.raises(RequestRefused) as caught:
        read(temporary, Gruus(b"t" * 32))
    assert caught.value.status == 404


def test_r14_a_temporary_gruu_with_a_changed_character_is_404() -> None:
    temporary = given(binding(), "temp-gruu")
    token = temporary[len("sip:") : temporary.index("@")]
    # The last character has bits that belong to no byte.
    for place in range(len(token) - 1):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(RequestRefused):
            read(f"sip:{changed}@example.test;gr")


@pytest.mark.parametrize("user", ["bob", "a", "a~b", "%00", "AAAA" * 500])
def test_r14_an_invalid_token_is_404(user: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(f"sip:{user}@example.test;gr")
    assert caught.value.status == 404


def test_r14_a_new_call_id_ends_the_temporary_gruus_of_the_old_call_id() -> None:
    gruu = read(given(binding(), "temp-gruu"))
    moved = [binding(call_id="r2")]
    assert gruu.of(moved) == []
    assert refused(gruu, moved) == 404
    assert refused(gruu, moved, is_kept=True) == 404


def test_r14_another_flow_with_the_same_call_id_keeps_a_temporary_gruu() -> None:
    flows = [flow(1, "r2"), flow(2)]
    assert read(given(binding(), "temp-gruu")).of(flows) == flows


@pytest.mark.parametrize("name", ["pub-gruu", "temp-gruu"])
def test_r14_without_registered_contacts_a_gruu_is_480_and_kept(name: str) -> None:
    gruu = read(given(binding(), name))
    assert refused(gruu, []) == 480
    gruu.refuse_unknown([], is_kept=True)


def test_r14_a_gruu_of_an_unregistered_instance_is_404_and_kept() -> None:
    gruu, others = read(f"sip:{AOR};gr=urn:uuid:9"), [binding()]
    assert refused(gruu, others) == 404
    gruu.refuse_unknown(others, is_kept=True)


@pytest.mark.parametrize("name", ["pub-gruu", "temp-gruu"])
def test_r14_a_gruu_is_refused_as_a_contact(name: str) -> None:
    myself = Myself(["example.test"], [], [], gruus=GRUUS)
    assert myself.owns(SipUri.parse(given(binding(), name)))


def test_r14_the_server_knows_the_user_of_a_temporary_gruu() -> None:
    myself = Myself(["example.test"], [], [], gruus=GRUUS)
    named = myself.named(given(binding(), "temp-gruu").encode())
    assert (named.aor, named.is_ours) == (AOR, True)
    assert named.gruu is not None
    assert myself.named(b"sip:bob@example.test").gruu is None
    assert myself.named(b"sip:bob@elsewhere.test;gr").gruu is None
    elsewhere = given(binding(aor="bob@former.test"), "temp-gruu").replace("former.test", "example.test")
    with pytest.raises(RequestRefused):
        myself.named(elsewhere.encode())
