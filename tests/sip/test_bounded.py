"""A full table drops its oldest entry."""

from msilod.sip.bounded import put_last


def test_the_first_added_entry_is_removed_first() -> None:
    table: dict[str, int] = {}
    for number, key in enumerate("abcab"):
        put_last(table, key, number, 2)
    assert table == {"a": 3, "b": 4}
    put_last(table, "a", 5, 2)
    assert list(table) == ["b", "a"], "put in again it is the newest"
