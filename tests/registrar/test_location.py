"""The location service: look-ups, expiry, connections, and the users of a contact (RFC 3261 §10.2)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msilod.registrar.binding import Binding
from msilod.registrar.location import LOOKS_PER_BINDING, MAX_SHARED, LocationService
from msilod.registrar.registration import Registration
from msilod.sip.flow import Flow
from tests.registrar.wire import AOR, DESK, FLOW, SOFT, STREAM, WALL, apply, register


def binding(aor: str, contact: str, ends: float, flow: Flow | None = FLOW, q: float = 1.0) -> Binding:
    return Binding(aor, contact, "r1", 1, WALL + ends, WALL, q, flow=flow)


def registration(aor: str, *bindings: Binding, at: float = 0.0) -> Registration:
    return Registration(aor, bindings, WALL + at)


def names(bindings: list[Binding]) -> list[str]:
    return sorted(binding.contact for binding in bindings)


def test_an_expired_binding_is_never_returned() -> None:
    location = LocationService()
    location.store(apply(register(DESK, extra="Expires: 100\r\n")))
    assert len(location.bindings(AOR, WALL + 99)) == 1
    assert location.bindings(AOR, WALL + 100) == []
    assert names(location.expire(WALL + 100, 10)) == ["sip:bob@192.0.2.9:5062"]
    assert (len(location), location.aor_count) == (0, 0)
    assert location.expire(WALL + 1000, 10) == []


def test_an_expired_binding_leaves_the_others() -> None:
    location = LocationService()
    location.store(registration("a", binding("a", "sip:1@x", 50), binding("a", "sip:2@x", 100)))
    assert names(location.bindings("a", WALL + 50)) == ["sip:2@x"]
    assert names(location.expire(WALL + 50, 10)) == ["sip:1@x"]
    assert len(location) == 1
    assert names(location.expire(WALL + 100, 10)) == ["sip:2@x"]


def test_a_refreshed_binding_is_not_swept_at_its_first_expiry() -> None:
    location = LocationService()
    first = apply(register(DESK, extra="Expires: 100\r\n"))
    location.store(first)
    location.store(apply(register(DESK, cseq=2, extra="Expires: 100\r\n"), first.bindings, WALL + 50))
    assert location.expire(WALL + 120, 10) == []
    assert len(location.bindings(AOR, WALL + 120)) == 1
    assert len(location.expire(WALL + 150, 10)) == 1


def test_a_prolonged_binding_is_swept_at_its_new_expiry_also_after_a_clock_step_back() -> None:
    location = LocationService()
    location.store(apply(register(DESK, extra="Expires: 1000\r\n")))
    (bound,) = location.bindings(AOR, WALL)
    location.prolong(bound, 2, WALL + 500)
    assert (bound.cseq, bound.registered_at, bound.expires_at) == (2, WALL + 500, WALL + 1500)
    assert location.expire(WALL + 1499, 10) == []
    location.prolong(bound, 3, WALL - 500)
    assert location.expire(WALL + 499, 10) == []
    assert location.expire(WALL + 500, 10) == [bound]


def test_a_binding_is_current_until_another_replaces_it() -> None:
    location = LocationService()
    first = apply(register(DESK))
    location.store(first)
    assert location.is_current(first.bindings[0])
    second = apply(register(DESK, call_id="r2"), first.bindings)
    location.store(second)
    assert not location.is_current(first.bindings[0])
    assert location.is_current(second.bindings[0])
    assert location.has(AOR)
    location.remove(second.bindings)
    assert not location.has(AOR)
    assert not location.is_current(second.bindings[0])


def test_a_shortened_binding_is_swept_at_its_new_expiry() -> None:
    location = LocationService()
    location.store(registration("a", binding("a", "sip:1@x", 1000)))
    location.store(registration("a", binding("a", "sip:1@x", 60.5)))
    assert location.expire(WALL + 60, 10) == []
    assert names(location.expire(WALL + 61, 10)) == ["sip:1@x"]
    assert location.expire(WALL + 2000, 10) == []


def test_a_binding_that_expired_before_another_contact_came_is_still_swept() -> None:
    """Otherwise the row of the binding would stay in the database for ever."""
    location = LocationService()
    location.store(registration("a", binding("a", "sip:old@x", 60)))
    location.store(registration("a", binding("a", "sip:new@x", 500), at=70))
    assert names(location.bindings("a", WALL + 70)) == ["sip:new@x"]
    assert names(location.expire(WALL + 70, 10)) == ["sip:old@x"]
    assert names(list(location.all())) == ["sip:new@x"]


def test_a_binding_that_expired_and_was_registered_again_is_not_swept() -> None:
    """Otherwise the row of a registered phone would be removed."""
    location = LocationService()
    location.store(registration("a", binding("a", "sip:1@x", 60)))
    location.store(registration("a", binding("a", "sip:1@x", 500), at=70))
    assert location.expire(WALL + 70, 10) == []
    assert len(location) == 1


def test_removing_all_bindings_leaves_an_expired_one_to_the_sweep() -> None:
    location = LocationService()
    location.store(registration("a", binding("a", "sip:1@x", 60), binding("a", "sip:2@x", 500)))
    location.store(registration("a", at=70))
    assert location.bindings("a", WALL + 70) == []
    assert names(location.expire(WALL + 70, 10)) == ["sip:1@x"]


def test_a_sweep_removes_no_more_than_its_limit_and_goes_on_from_there() -> None:
    location = LocationService()
    for number in range(25):
        location.store(registration(f"u{number}", binding(f"u{number}", f"sip:{number}@x", 60)))
    sweeps = [len(location.expire(WALL + 60, 10)) for _ in range(4)]
    assert sweeps == [10, 10, 5, 0]
    assert len(location) == 0


def test_a_sweep_looks_at_no_more_than_its_limit() -> None:
    """100,000 refreshed phones must not be looked at in one sweep."""
    location = LocationService()
    people = LOOKS_PER_BINDING * 2 + 1
    for number in range(people):
        location.store(registration(f"u{number}", binding(f"u{number}", f"sip:{number}@x", 60)))
        location.store(registration(f"u{number}", binding(f"u{number}", f"sip:{number}@x", 600), at=50))
    location.store(registration("late", binding("late", "sip:late@x", 61)))
    sweeps = [names(location.expire(WALL + 61, 1)) for _ in range(3)]
    assert sweeps == [[], [], ["sip:late@x"]]
    assert len(location.expire(WALL + 600, 1000)) == people


def test_registering_and_removing_leaves_no_entries_behind() -> None:
    """Law 8: every AOR is in the queue once, and leaves the queue with its last binding."""
    location = LocationService()
    for number in range(3000):
        aor = f"u{number}"
        location.store(registration(aor, binding(aor, "sip:x@y", 80000 - number % 7)))
        location.store(registration(aor, binding(aor, "sip:x@y", 70000 - number % 7)))
        location.store(registration(aor))
    assert (len(location._due), len(location._contacts), len(location._bindings)) == (0, 0, 0)
    assert len(location._seconds) == len(location._buckets) == 14
    assert sum(map(len, location._buckets.values())) == 0
    assert location.expire(WALL + 90000, 10) == []
    assert (location._seconds, location._buckets) == ([], {})


def test_loading_groups_by_recipient_and_sorts_by_q() -> None:
    location = LocationService()
    location.load(
        [
            binding("a", "sip:1@x", 99, q=0.1),
            binding("b", "sip:2@x", 99),
            binding("a", "sip:3@x", 99, None, 0.9),
        ]
    )
    assert (len(location), location.aor_count) == (3, 2)
    assert [b.contact for b in location.bindings("a", WALL)] == ["sip:3@x", "sip:1@x"]


def test_a_returned_list_belongs_to_the_caller() -> None:
    location = LocationService()
    location.store(apply(register(DESK)))
    location.bindings(AOR, WALL).clear()
    assert len(location.bindings(AOR, WALL)) == 1


# --- connections -------------------------------------------------------------------------------------


def test_r13_a_closed_connection_finds_only_its_own_bindings() -> None:
    location = LocationService()
    one, two = Flow(STREAM, "192.0.2.9", 40000, 7), Flow(STREAM, "192.0.2.9", 40001, 8)
    mine = [binding("a", "sip:1@x", 99, one), binding("b", "sip:2@x", 99, one)]
    others = [binding("a", "sip:3@x", 99, two), binding("c", "sip:4@x", 99)]
    for held in mine + others:
        held.way = one
    location.load(mine + others)
    assert names(location.drop_flow(one)) == ["sip:1@x", "sip:2@x"]
    assert [held.way for held in mine] == [None, None]
    assert [held.way for held in others] == [one, one]
    assert location.drop_flow(FLOW) == [], "nothing closes on UDP"
    assert location.drop_flow(Flow(STREAM, "192.0.2.9", 40000, 9)) == []


def test_r13_a_removed_binding_leaves_the_others_of_its_recipient() -> None:
    location = LocationService()
    flow = Flow(STREAM, "192.0.2.9", 40000, 7)
    held = [binding("a", "sip:1@x", 99, flow), binding("a", "sip:2@x", 99), binding("b", "sip:1@x", 99, flow)]
    location.load(held)
    location.remove([held[0], held[2]])
    assert (names(location.bindings("a", WALL)), location.bindings("b", WALL)) == (["sip:2@x"], [])
    assert (len(location), location.has_flow(flow), location.aors_for_contact("sip:1@x")) == (1, False, [])


def test_r13_a_phone_on_a_new_connection_has_left_the_old_one() -> None:
    location = LocationService()
    old, new = Flow(STREAM, "192.0.2.9", 40000, 7), Flow(STREAM, "192.0.2.9", 40009, 8)
    first = apply(register(DESK), flow=old)
    location.store(first)
    location.store(apply(register(DESK, cseq=2), first.bindings, flow=new))
    assert location.drop_flow(old) == []
    assert len(location.drop_flow(new)) == 1
    location.store(apply(register(DESK + ";expires=0", cseq=3), location.bindings(AOR, WALL)))
    assert location.drop_flow(new) == []
    assert len(location._streams) == 0


# --- users of a contact ------------------------------------------------------------------------------


def test_r8_a_contact_is_found_with_its_user() -> None:
    location = LocationService()
    location.store(apply(register(DESK)))
    assert location.aors_for_contact("sip:%62ob@192.0.2.9:5062") == [AOR]
    assert location.aors_for_contact("sip:bob@192.0.2.9:5062;x=1") == [AOR]
    assert location.aors_for_contact("sip:bob@192.0.2.9:5062;transport=tcp") == []
    assert location.aors_for_contact("sip:bob@192.0.2.9:5063") == []
    location.restore(AOR, [])
    assert location.aors_for_contact("sip:bob@192.0.2.9:5062") == []


def test_two_mailboxes_on_one_phone_are_both_named() -> None:
    location = LocationService()
    for aor in ("b@x", "a@x"):
        location.store(registration(aor, binding(aor, "sip:phone@y", 99)))
    assert location.aors_for_contact("sip:phone@y") == ["a@x", "b@x"]
    location.store(registration("b@x"))
    assert location.aors_for_contact("sip:phone@y") == ["a@x"]


def test_a_contact_claimed_by_thousands_of_users_costs_a_bounded_look_up() -> None:
    location = LocationService()
    for number in range(2000):
        location.store(registration(f"u{number}", binding(f"u{number}", "sip:phone@y", 99)))
    assert len(location.aors_for_contact("sip:phone@y")) == MAX_SHARED


# --- refused commits ---------------------------------------------------------------------------------


def test_r6_a_refused_commit_undoes_its_changes() -> None:
    location = LocationService()
    first = apply(register(DESK, SOFT))
    location.store(first)
    before = location.bindings(AOR, WALL)
    second = apply(register(DESK + ";q=0.2", SOFT + ";expires=0", cseq=2), before)
    location.store(second)
    location.undo(second, before)
    assert {b.contact: (b.q, b.cseq) for b in location.bindings(AOR, WALL)} == {
        "sip:bob@192.0.2.9:5062": (1.0, 1),
        "sip:bob@192.0.2.10:5064;transport=udp": (1.0, 1),
    }


def test_r1_r6_a_refused_commit_leaves_the_changes_of_another_register() -> None:
    location = LocationService()
    first = apply(register(DESK))
    location.store(first)
    second = apply(register(SOFT, call_id="r2"), location.bindings(AOR, WALL))
    location.store(second)
    location.undo(first, [])
    assert names(location.bindings(AOR, WALL)) == ["sip:bob@192.0.2.10:5064;transport=udp"]
    assert location.aors_for_contact("sip:bob@192.0.2.9:5062") == []


def test_r1_r6_a_refused_removal_does_not_undo_a_new_registration() -> None:
    location = LocationService()
    first = apply(register(DESK))
    location.store(first)
    before = location.bindings(AOR, WALL)
    gone = apply(register(DESK + ";expires=0", cseq=2), before)
    location.store(gone)
    back = apply(register(DESK, cseq=3), location.bindings(AOR, WALL))
    location.store(back)
    location.undo(gone, before)
    assert [b.cseq for b in location.bindings(AOR, WALL)] == [3]
    location.store(gone)
    location.undo(gone, before)
    assert [b.cseq for b in location.bindings(AOR, WALL)] == [1]


# --- laws --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.lists(
            st.tuples(st.sampled_from("12345"), st.integers(1, 40)), max_size=3, unique_by=lambda c: c[0]
        ),
        st.integers(0, 15),
    ),
    max_size=25,
)


@pytest.mark.parametrize("limit", [1, 3, 100])
@settings(deadline=None)
@given(steps=STEPS)
def test_every_binding_is_either_bound_or_swept_once(
    limit: int, steps: list[tuple[str, list[tuple[str, int]], int]]
) -> None:
    """Compared with a dict of (AOR, contact) and expiry, as the database keeps bindings."""
    location, rows, clock = LocationService(), dict[tuple[str, str], float](), 0.0
    for aor, contacts, pause in steps:
        made = [binding(aor, f"sip:{name}@x", clock + lasts) for name, lasts in contacts]
        rows = {key: end for key, end in rows.items() if key[0] != aor or end <= WALL + clock}
        rows.update({(aor, b.contact): b.expires_at for b in made})
        location.store(registration(aor, *made, at=clock))
        clock += pause
        for gone in location.expire(WALL + clock, limit):
            assert rows.pop((gone.aor, gone.contact)) == gone.expires_at <= WALL + clock
        alive = {key for key, end in rows.items() if end > WALL + clock}
        found = [(b.aor, b.contact) for name in "abc" for b in location.bindings(name, WALL + clock)]
        assert sorted(found) == sorted(alive)
        assert {(b.aor, b.contact) for b in location.all()} == set(rows)
        assert len(location) == len(rows)
        assert all(earlier < later for earlier, later in pairwise(sorted(location._seconds)))
    while location.expire(WALL + 1000, limit):
        pass
    assert (len(location), location._due, dict(location._contacts)) == (0, {}, {})
