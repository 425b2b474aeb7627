"""Warning: writes the field with the reason of a refusal, for display to a user (RFC 3261 §20.43)."""

from typing import Final

# RFC 3261 §20.43: 399 is a miscellaneous warning, arbitrary information for a human user.
_MISCELLANEOUS: Final = b"399 msilod"


def warning(text: bytes) -> tuple[bytes, bytes]:
    """The field with `text`, as (printed name, value). A quote and a backslash are escaped (§25.1, quoted-string)."""
    escaped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"Warning", b'%b "%b"' % (_MISCELLANEOUS, escaped)
