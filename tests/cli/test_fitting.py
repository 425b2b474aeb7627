"""The widths of tables: ids are whole, free texts are cut first, and columns are left out by their rank."""

import pytest

from msilo_cli.fitting import SEPARATOR, Fit, fit

ID, STATE, TO, AGE, REASON, BODY = range(6)
FITS = (Fit(), Fit(), Fit(least=12), Fit(rank=3), Fit(least=4, rank=1), Fit(least=8, rank=2))
WIDTHS = (4, 8, 20, 3, 13, 60)


def total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + SEPARATOR * (len(widths) - 1)


def test_a_table_that_fits_is_whole() -> None:
    assert fit(FITS, WIDTHS, 118) == dict(enumerate(WIDTHS))


def test_the_widest_free_text_is_cut_first() -> None:
    assert fit(FITS, WIDTHS, 100) == dict(enumerate(WIDTHS)) | {BODY: 42}


def test_free_texts_are_cut_before_a_column_is_left_out() -> None:
    assert fit(FITS, WIDTHS, 57) == {ID: 4, STATE: 8, TO: 20, AGE: 3, REASON: 4, BODY: 8}


def test_columns_are_left_out_by_rank_and_the_rest_gets_the_room() -> None:
    assert fit(FITS, WIDTHS, 56) == {ID: 4, STATE: 8, TO: 20, REASON: 8, BODY: 8}
    assert fit(FITS, WIDTHS, 47) == {ID: 4, STATE: 8, TO: 20, REASON: 9}


def test_an_address_is_cut_last_and_an_id_never() -> None:
    assert fit(FITS, WIDTHS, 36) == {ID: 4, STATE: 8, TO: 20}
    assert fit(FITS, WIDTHS, 30) == {ID: 4, STATE: 8, TO: 14}
    assert fit(FITS, WIDTHS, 10) == {ID: 4, STATE: 8, TO: 12}


def test_a_column_without_any_text_is_left_out() -> None:
    assert list(fit(FITS, (4, 8, 20, 0, 0, 5), 200)) == [ID, STATE, TO, BODY]


@pytest.mark.parametrize("available", range(1, 130))
def test_a_row_is_never_wider_than_the_terminal_unless_the_fixed_columns_are(available: int) -> None:
    widths = fit(FITS, WIDTHS, available)
    assert total(widths) <= max(available, 4 + 8 + 12 + 2 * SEPARATOR)
    assert {ID, STATE, TO} <= set(widths)
    assert all(width >= (FITS[place].least or WIDTHS[place]) for place, width in widths.items())
