"""Fitting: chooses the columns of a table and their widths, so that a row takes one line of the terminal.

Free texts, such as a body or a reason, are cut first. When that is not enough, columns are left out by their rank. An
id is never cut, and an address only when the columns without a rank do not fit by themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# Characters between two columns.
SEPARATOR: Final = 2


@dataclass(frozen=True, slots=True)
class Fit:
    """How one column may give way.

    `least`: the least width of the cut column in characters; 0 for a column that is never cut. `rank`: columns with the
    highest rank are left out first; a column with rank 0 is always shown.
    """

    least: int = 0
    rank: int = 0


WHOLE: Final = Fit()


def fit(fits: Sequence[Fit], widths: Sequence[int], available: int) -> dict[int, int]:
    """The widths of the shown columns by position. `widths`: of the longest cells, 0 for a column without any text.

    The table is wider than `available` only when the columns of rank 0 do not fit, each cut to its least width.
    """
    shown = {place: width for place, width in enumerate(widths) if width or not fits[place].rank}
    for rank in (*_ranks(fits), 0):
        shown = {place: width for place, width in shown.items() if fits[place].rank <= rank}
        free = [place for place in shown if fits[place].rank and fits[place].least]
        if found := _cut(fits, shown, free, available):
            return found
    fixed = [place for place in shown if fits[place].least]
    return _cut(fits, shown, fixed, available) or {
        place: min(width, fits[place].least or width) for place, width in shown.items()
    }


def _ranks(fits: Sequence[Fit]) -> Iterator[int]:
    """The ranks, highest first."""
    yield from sorted({one.rank for one in fits if one.rank}, reverse=True)


def _cut(fits: Sequence[Fit], shown: dict[int, int], cut: Sequence[int], available: int) -> dict[int, int]:
    """The widths after cutting the columns in `cut`, the widest first; empty when the table does not fit."""
    widths = dict(shown)
    excess = sum(widths.values()) + SEPARATOR * (len(widths) - 1) - available
    while excess > 0:
        able = [place for place in cut if widths[place] > fits[place].least]
        if not able:
            return {}
        widths[max(able, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths
