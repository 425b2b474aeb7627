"""The terminal: consoles that interpret nothing, and the decision about colour.

Rule: untrusted text comes here through msilod.printable only. rich would pass ESC bytes on, eat `[markup]`
and turn `:smile:` into a picture, so markup, emoji and highlighting are off.
"""

import os
from io import TextIOBase
from typing import IO, cast

from rich.console import Console


def console(out: TextIOBase, color: str) -> Console:
    """A console on `out`; `color` is auto, always or never, NO_COLOR and TERM=dumb as usual."""
    plain = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(
        file=cast("IO[str]", out),
        markup=False,
        emoji=False,
        highlight=False,
        no_color=plain,
        force_terminal=True if color == "always" else None,
        soft_wrap=False,
    )
