"""Selections: conditions for Peewee's query builder. Texts of users are values, and wildcards in texts are escaped."""

from typing import Any

import peewee
import pytest

from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import RowColumns, table_of
from msilod.store.silo import Silo
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import ByIds, Pages, Selection
from tests.store.rows import WALL, add, row

HOSTILE = "x' OR 1=1 --"


@pytest.fixture
def table() -> Any:
    return table_of(RowColumns, "silo", peewee.SqliteDatabase(None))


@pytest.mark.parametrize(
    "selection",
    [
        Selection(aors=(HOSTILE,)), Selection(aors=(HOSTILE + "*",)), Selection(sender=HOSTILE),
        Selection(domain=HOSTILE), Selection(state=HOSTILE), Selection(content_type=HOSTILE),
    ],
)  # fmt: skip
def test_a_text_is_a_value_and_never_sql(table: Any, selection: Selection) -> None:
    sql, values = table.select(table.id).where(*selection.conditions(table, WALL)).sql()
    assert "OR 1" not in sql.upper()
    assert any("OR 1=1" in str(value).upper() for value in values)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a_b*", ["a_b@one.test"]), ("a%*", ["a%b@one.test"]), ("a!*", ["a!b@one.test"]),
        ("a\\*", ["a\\b@one.test"]), ("*@two.test", ["axb@two.test"]), ("A*@TWO.test", ["axb@two.test"]),
    ],
)  # fmt: skip
def test_only_the_star_stands_for_any_text(silo: Silo, queue: Queue, pattern: str, found: list[str]) -> None:
    aors = ["a_b@one.test", "a%b@one.test", "a!b@one.test", "a\\b@one.test", "axb@two.test"]
    add(silo, *(row(number, aor) for number, aor in enumerate(aors)))
    assert [message.aor for message in queue.messages(Selection(aors=(pattern,)), WALL)] == found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("Text/Plain", [0, 1]), ("text/plain;charset=utf-8", [1]), ("text", []), ("text/%", [])],
)
def test_a_media_type_is_found_with_and_without_parameters(
    silo: Silo, queue: Queue, wanted: str, found: list[int]
) -> None:
    types = [b"text/plain", b"Text/plain;charset=utf-8", b"text/plainer"]
    rows: list[StoredMessage] = [row(number, content_type=text) for number, text in enumerate(types)]
    add(silo, *rows)
    ids = [message.id - 1 for message in queue.messages(Selection(content_type=wanted), WALL)]
    assert ids == found


def test_more_recipients_than_an_expression_may_be_deep(silo: Silo, queue: Queue) -> None:
    add(silo, row(1, "u1@one.test"), row(2, "u2@one.test"))
    names = [f"u{number}@one.test" for number in range(2, 2002)]
    patterns = [f"u{number}@*.test" for number in range(2, 2002)]
    for aors in (names, patterns):
        assert queue.count(Selection(aors=tuple(aors)), WALL)[0] == 1


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(state="held"), ["\"state\" != 'waiting'"]),
        (Selection(state="sending"), ["\"state\" = 'waiting'", "\"owner\" != ''"]),
        (Selection(expired_at=WALL), ["\"state\" != 'held'"]),
    ],
)
def test_the_words_of_a_partial_index_are_in_the_sql(
    table: Any, selection: Selection, words: list[str]
) -> None:
    sql, _ = table.select(table.id).where(*selection.conditions(table, WALL)).sql()
    assert all(word in sql for word in words)


def test_pages_and_ids_get_their_values_without_another_build(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages(table.select(table.id), Selection(sender="a@b").conditions(table, WALL), table.id)
    by_ids = ByIds(table.update({table.attempts: 3}), table.id)
    sql, values = by_ids.of([4, 5])
    monkeypatch.setattr("msilod.store.tables.selection.built", lambda query: pytest.fail("built again"))
    assert (pages.after(7, 50)[1], values) == (("a@b", 7, 50), (3, 4, 5))
    assert by_ids.of([8, 9]) == (sql, (3, 8, 9))
