"""process() with known bindings: refreshes, and commits before the 200 (rows R6, R10)."""

from copy import copy

import pytest

from msilod.errors import RequestRefused
from msilod.registrar.registration import RegistrarPolicy
from msilod.sip.flow import Flow
from tests.registrar.wire import (
    DESK,
    ENDPOINT,
    SOFT,
    STREAM,
    WALL,
    apply,
    contact_lines,
    register,
    said_no_more,
)


def test_r6_all_bindings_are_listed_with_the_remaining_seconds() -> None:
    before = apply(register(DESK + ";q=0.5;+sip.ice;x=y", extra="Expires: 100\r\n")).bindings
    registration = apply(register(SOFT, call_id="r2"), before, WALL + 40)
    assert contact_lines(registration) == [
        b"<sip:bob@192.0.2.10:5064;transport=udp>;expires=3600",
        b"<sip:bob@192.0.2.9:5062>;+sip.ice;x=y;q=0.5;expires=60",
    ]


def test_r6_the_last_half_second_is_not_written_as_a_removal() -> None:
    before = apply(register(DESK, extra="Expires: 100\r\n")).bindings
    assert contact_lines(apply(register(cseq=2), before, WALL + 99.7))[0].endswith(b";expires=1")


def test_r6_a_refresh_needs_no_commit() -> None:
    first = apply(register(DESK))
    assert first.must_commit_first
    second = apply(register(DESK, cseq=2), first.bindings, WALL + 5)
    assert not second.must_commit_first
    assert (second.added, second.removed) == ([], [])
    assert second.refreshed == second.touched == second.bindings
    assert second.bindings[0].expires_at == WALL + 5 + 3600
    assert second.bindings[0].registered_at == WALL + 5
    assert second.bindings[0].cseq == 2


@pytest.mark.parametrize(
    ("contact", "changes"),
    [
        (DESK, dict(extra="Allow: INVITE\r\n")),
        (DESK, dict(call_id="new")),
        (DESK, dict(extra="Path: <sip:p.test;lr>\r\n")),
        (DESK, dict(extra="User-Agent: Other 2.0\r\n")),
        (DESK + ";q=0.5", {}),
        (DESK + ";+sip.ice", {}),
        (DESK + ';methods="MESSAGE"', {}),
        ("<sip:bob@192.0.2.9:5062;x=1>", {}),
    ],
)
def test_r6_every_other_change_is_committed_first(contact: str, changes: dict[str, str]) -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(contact, cseq=3, **changes), before)
    assert registration.must_commit_first
    assert len(registration.added) == len(registration.bindings) == 1


@pytest.mark.parametrize(
    "flow",
    [
        Flow(ENDPOINT, "192.0.2.9", 6000),
        Flow(ENDPOINT, "192.0.2.8", 5062),
        Flow(STREAM, "192.0.2.9", 5062, 4),
    ],
)
def test_r6_r10_a_new_flow_is_committed_first(flow: Flow) -> None:
    before = apply(register(DESK)).bindings
    registration = apply(register(DESK, cseq=3), before, flow=flow)
    assert registration.must_commit_first
    assert registration.bindings[0].flow == flow


SAID = [
    ((DESK,), ""),
    ((DESK + ";q=0.3;expires=500",), "Allow: MESSAGE\r\nUser-Agent: Phone\r\n"),
    ((DESK,), "Expires: 500\r\nPath: <sip:p.test;lr>\r\n"),
    ((DESK, SOFT + ";q=0.5"), "Expires: 500\r\n"),
]


@pytest.mark.parametrize(("values", "extra"), SAID)
def test_r6_a_refresh_with_equal_bytes_equals_a_parsed_refresh(values: tuple[str, ...], extra: str) -> None:
    first = apply(register(*values, extra=extra))
    kept = [copy(binding) for binding in first.bindings]
    again = apply(register(*values, cseq=2, extra=extra), first.bindings, WALL + 9)
    assert first.bindings == kept
    said_no_more(first.bindings)
    parsed = apply(register(*values, cseq=2, extra=extra), first.bindings, WALL + 9)
    assert again.bindings == parsed.bindings
    assert contact_lines(again) == contact_lines(parsed)
    assert again.headers == parsed.headers
    assert not again.must_commit_first


def test_r6_a_refresh_with_equal_bytes_leaves_the_other_contacts() -> None:
    both = apply(register(SOFT, call_id="r2"), apply(register(DESK)).bindings).bindings
    again = apply(register(DESK, cseq=2), both, WALL + 9)
    assert [b.contact for b in again.touched] == ["sip:bob@192.0.2.9:5062"]
    assert {b.contact: b.registered_at for b in again.bindings} == {
        "sip:bob@192.0.2.9:5062": WALL + 9,
        "sip:bob@192.0.2.10:5064;transport=udp": WALL,
    }


def test_r6_equal_bytes_under_another_policy_are_parsed_again() -> None:
    before = apply(register(DESK, extra="Expires: 5000\r\n")).bindings
    shorter = RegistrarPolicy(max_expires=1000)
    again = apply(register(DESK, cseq=2, extra="Expires: 5000\r\n"), before, policy=shorter)
    assert again.bindings[0].expires_at == WALL + 1000
    stricter = RegistrarPolicy(min_expires=3000)
    short = apply(register(DESK, extra="Expires: 100\r\n")).bindings
    with pytest.raises(RequestRefused) as caught:
        apply(register(DESK, cseq=2, extra="Expires: 100\r\n"), short, policy=stricter)
    assert caught.value.status == 423
