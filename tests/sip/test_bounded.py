"""The oldest entry leaves a table that is full."""

from msilod.sip.bounded import put_last


def test_the_entry_that_was_put_in_first_is_removed() -> None:
    table: dict[str, int] = {}
    for number, key in enumerate("abcab"):
        put_last(table, key, number, 2)
    assert table == {"a": 3, "b": 4}
    put_last(table, "a", 5, 2)
    assert list(table) == ["b", "a"], "put in again it is the newest"
