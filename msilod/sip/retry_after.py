"""Retry-After: reads the field (RFC 3261 §20.33): `Retry-After = delta-seconds [comment] *(;retry-param)`.

Rule: an unreadable value counts as absent.
"""

from typing import Final

from msilod.sip.grammar import number

_MAXIMUM: Final = 2**32 - 1


def parse_retry_after(value: bytes | None) -> int | None:
    """Seconds, or None when absent or unreadable."""
    if value is None:
        return None
    return number(value.partition(b";")[0].partition(b"(")[0].strip(b" \t"), _MAXIMUM)
