"""Users in memory: the stored values, and the size."""

import sys

from msilod.auth.users import Users

ALICE = "alice@example.test"
MD5, SHA = b"\1" * 15 + b"\0", b"\2" * 31 + b"\0"


def test_a10_each_algorithm_has_its_value() -> None:
    users = Users()
    users.put(ALICE, [(b"SHA-256", SHA), (b"MD5", MD5)])
    assert users.ha1(ALICE, b"MD5") == MD5
    assert users.ha1(ALICE, b"SHA-256") == SHA
    assert users.ha1(ALICE, b"SHA-512-256") is None
    assert users.ha1("bob@example.test", b"MD5") is None
    users.put(ALICE, [(b"SHA-256", SHA)])
    assert users.ha1(ALICE, b"MD5") is None
    users.remove(ALICE)
    assert not users.knows(ALICE)


def test_a_value_of_the_wrong_size_or_kind_is_never_accepted() -> None:
    users = Users()
    users.put(ALICE, [(b"MD5", b""), (b"SHA-256", MD5), (b"ROT13", SHA)])
    assert users.knows(ALICE)
    assert [users.ha1(ALICE, name) for name in (b"MD5", b"SHA-256", b"SHA-512-256")] == [None] * 3


def test_a_hundred_thousand_users_fit_into_50_mb() -> None:
    users = Users()
    size = sys.getsizeof(users._values)
    users.put(ALICE, [(b"SHA-256", SHA), (b"MD5", MD5)])
    one = sys.getsizeof(ALICE) + sys.getsizeof(users._values[ALICE])
    assert one < 200
    for number in range(100_000):
        users._values[str(number)] = b""
    size = sys.getsizeof(users._values)
    assert size + 100_000 * one < 50_000_000
