"""Domains: which URIs are ours and which AOR they name; every spelling through the whole daemon is in tests/faults."""

import pytest

from msilod.errors import MalformedMessage, RequestRefused
from msilod.routing.aliases import Aliases
from msilod.routing.domains import Domains
from msilod.sip.uri import canonical_host

OURS = Domains(
    ["example.test", "Second.Test.", "198.51.100.5", "[2001:DB8:0::5]"],
    Aliases({"boss": "alice", "gone": "x@foreign.example", "moved": "moved@second.test"}),
    ["192.0.2.1"],
    ["192.0.2.1", "127.0.0.1", "::1"],
    [5060, 5061],
)


@pytest.mark.parametrize(
    ("uri", "aor"),
    [
        (b"sip:a@example.test", "a@example.test"),
        (b"sip:a@second.test", "a@second.test"),
        (b"sip:a@SECOND.test.:5061", "a@second.test"),
        (b"sip:a@198.51.100.5", "a@198.51.100.5"),
        (b"sip:a@[::ffff:198.51.100.5]", "a@198.51.100.5"),
        (b"sip:a@[2001:db8::5]", "a@[2001:db8::5]"),
        (b"sip:a@192.0.2.1", "a@example.test"),
        (b"sip:a@localhost", "a@example.test"),
        (b"sip:a@[::1]", "a@example.test"),
        (b"sip:boss@second.test", "alice@second.test"),
        (b"sip:moved@localhost", "moved@second.test"),
        (b"tel:+4930", "+4930@example.test"),
        (b"tel:4930;phone-context=Second.Test.", "4930@second.test"),
        (b"tel:4930;phone-context=+49", "4930@example.test"),
    ],
)
def test_a_uri_of_ours_names_one_aor(uri: bytes, aor: str) -> None:
    found = OURS.named(uri)
    assert (found.is_ours, found.aor, found.name) == (True, aor, aor)
    assert OURS.mailbox(uri.decode()) == aor
    assert OURS.is_aor(aor)


@pytest.mark.parametrize(
    ("uri", "is_ours", "name"),
    [
        (b"sip:example.test", True, "sip:example.test"),
        (b"sip:gone@example.test", True, "sip:gone@example.test"),
        (b"sip:example.test:9", False, "sip:example.test:9"),
        (b"sip:a@example.test:9", False, "a@example.test:9"),
        (b"sip:a@localhost:9", False, "a@localhost:9"),
        (b"sip:a@[::1]:9", False, "a@[::1]:9"),
        (b"sip:a@Foreign.example.:9", False, "a@foreign.example"),
        (b"sip:a@192.0.2.2", False, "a@192.0.2.2"),
        (b"mailto:a@example.test", False, "mailto:a@example.test"),
        (b"a@[::1]", False, "<a@[::1]>"),
        (b"sip:a@example.test..", False, "<sip:a@example.test..>"),
        (b"sip:a@127.0.0.1.", False, "<sip:a@127.0.0.1.>"),
        (b"tel:x", False, "<tel:x>"),
    ],
)
def test_what_names_no_mailbox_has_a_name_that_is_no_aor(uri: bytes, is_ours: bool, name: str) -> None:
    found = OURS.identify(uri)
    assert (found.is_ours, found.aor, found.name) == (is_ours, "", name)
    assert not OURS.is_aor(found.name)
    assert found.as_foreign(uri).is_ours is False


@pytest.mark.parametrize(("uri", "status"), [(b"mailto:a@b", 416), (b"sip:a@b:0", 400), (b"sip:", 400)])
def test_a_request_uri_that_cannot_be_read_is_refused_each_time(uri: bytes, status: int) -> None:
    for _ in range(2):
        with pytest.raises(MalformedMessage) as caught:
            OURS.named(uri)
        assert caught.value.status == status


def test_without_domains_the_first_listener_is_the_domain_and_without_ports_any_port_is_ours() -> None:
    anywhere = Domains([], None, ["2001:DB8::1", "192.0.2.1"], ["2001:db8::1", "192.0.2.1"])
    assert anywhere.domains == ("[2001:db8::1]",)
    assert anywhere.identify(b"sip:a@192.0.2.1:77").aor == "a@[2001:db8::1]"
    nowhere = Domains([])
    assert nowhere.identify(b"sip:a@example.test").aor == ""
    assert nowhere.identify(b"tel:+4930").aor == ""
    assert nowhere.mailbox("a@Example.test.") == "a@example.test"


@pytest.mark.parametrize(
    "words",
    ["", " ", "alice", "sip:example.test", "a@example.test:9", "mailto:a@b", "a b@c", "b\xfc@c", "\udcff@c",
     "gone@example.test"],
)  # fmt: skip
def test_words_that_name_no_mailbox_are_said_so(words: str) -> None:
    with pytest.raises(ValueError, match=r"address|mailbox"):
        OURS.mailbox(words)


def test_a_number_needs_a_domain() -> None:
    with pytest.raises(ValueError, match="whose number"):
        Domains([]).mailbox("tel:+4930")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("A.Test.", "a.test"),
        ("::1", "[::1]"),
        ("[0:0::1]", "[::1]"),
        ("192.0.2.1", "192.0.2.1"),
        ("A B", "a b"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host


def test_a_temporary_gruu_of_no_device_is_404_only_where_gruus_are_made() -> None:
    from msilod.registrar.gruu import Gruus

    gruus = Domains(["example.test"], gruus=Gruus(b"s" * 32))
    assert gruus.identify(b"sip:token@example.test;gr").aor == ""
    with pytest.raises(RequestRefused) as caught:
        gruus.named(b"sip:token@example.test;gr")
    assert caught.value.status == 404
