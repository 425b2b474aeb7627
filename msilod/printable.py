"""Printable: makes untrusted text safe for a terminal or a log line.

A stored message is hostile input. ESC sequences change window titles, bidi controls reorder text, line separators forge
log lines. This module imports no other module of the project, so daemon and command line share the function.
"""

from typing import Final

# C0, DEL, C1, Arabic letter mark, zero-width and bidi controls, line and paragraph separators, BOM, lone surrogates (no
# encoder accepts these), and tag characters (invisible text).
_RANGES: Final = (
    (0x00, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
    (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xD800, 0xDFFF), (0xE0000, 0xE007F),
)  # fmt: skip


def _escape_of(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_TABLE: Final = {code: _escape_of(code) for low, high in _RANGES for code in range(low, high + 1)}
_TABLE_LINES: Final = {code: text for code, text in _TABLE.items() if code not in (0x09, 0x0A)}


def printable(text: str | bytes, keep_lines: bool = False) -> str:
    """`text` with escapes for all characters that act on a terminal or a log.

    Bytes are decoded as UTF-8; other bytes become `\\xNN`. `keep_lines` keeps tab and newline.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return text.translate(_TABLE_LINES if keep_lines else _TABLE)
