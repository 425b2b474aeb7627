"""Terminal: makes rich consoles for untrusted text, and decides about colour.

Untrusted text passes through msilod.printable before a console gets the text. rich would pass ESC bytes on, remove
`[markup]` and replace `:smile:` by a picture, so markup, emoji and highlighting are off.
"""

import os
from io import TextIOBase
from typing import IO, cast

from rich.console import Console


def console(out: TextIOBase, color: str) -> Console:
    """A console on `out`. `color`: auto, always or never; `auto` obeys NO_COLOR and TERM=dumb."""
    plain = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(
        file=cast("IO[str]", out),
        markup=False,
        emoji=False,
        highlight=False,
        # Without a colour system rich writes no bold text either.
        color_system=None if plain else "auto",
        force_terminal=True if color == "always" else None,
        soft_wrap=False,
    )
