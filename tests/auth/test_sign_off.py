"""A sign-off with the nonce of the last REGISTER: accepted once, from the same place, with bounded memory."""

from msilod.auth.nonce import SPANS, Nonce
from msilod.auth.replay import ReplayWindow
from msilod.auth.sign_off import LASTS, MAX_PLACES, SignOffs

ALICE, HERE = "alice@example.test", "udp 192.0.2.1 5060"


def nonce(salt: int = 1, stamp: int = 100) -> Nonce:
    return Nonce(stamp.to_bytes(4, "big") + salt.to_bytes(6, "big") + b"r1homesum")


def test_only_the_last_nonce_of_a_user_and_place_is_accepted_and_only_once() -> None:
    found = SignOffs()
    found.registered(ALICE, HERE, nonce(1), 0.0)
    found.registered(ALICE, HERE, nonce(2), 0.0)
    assert not found.take(ALICE, HERE, nonce(1), 1.0)
    assert not found.take(ALICE, "udp 192.0.2.1 5061", nonce(2), 1.0)
    assert not found.take("bob@example.test", HERE, nonce(2), 1.0)
    assert not found.take(ALICE, HERE, nonce(2), LASTS + 1)
    assert found.take(ALICE, HERE, nonce(2), 1.0)
    assert not found.take(ALICE, HERE, nonce(2), 1.0)
    assert len(found) == 0


def test_places_per_user_and_users_are_bounded() -> None:
    found = SignOffs(limit=5)
    found.registered("bob@example.test", HERE, nonce(), 0.0)
    for port in range(100):
        found.registered(ALICE, f"udp 192.0.2.1 {port}", nonce(port), 0.0)
    assert found.take("bob@example.test", HERE, nonce(), 0.0), "not displaced by alice"
    assert (
        sum(found.take(ALICE, f"udp 192.0.2.1 {port}", nonce(port), 0.0) for port in range(100)) == MAX_PLACES
    )
    for number in range(100):
        found.registered(f"u{number}@example.test", HERE, nonce(), 0.0)
    assert len(found) == 5


def test_a_used_nonce_is_refused_in_either_form_and_counts_for_the_bound() -> None:
    window = ReplayWindow(limit=2)
    assert window.use_once(nonce(1))
    assert not window.use_once(nonce(1))
    assert not any(window.use(nonce(1), count) for count in (1, 64, 2**32 - 1))
    assert window.use(nonce(2), 1)
    assert not window.use_once(nonce(2))
    assert window.use_once(nonce(1, 100 + SPANS)), "of a later span"
    assert len(window) <= 2
    assert not window.use_once(nonce(1)), "forgotten, and void"
