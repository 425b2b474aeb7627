"""Tokens: what nobody may guess, for branches, tags and Call-IDs."""

import secrets
from typing import Final

# 16 hex digits: the 64 random bits that make a branch unguessable (checklist §4, spoofed responses).
TOKEN_BYTES: Final = 8
_AT_ONCE: Final = 512


class Tokens:
    """Fresh ones; a system call per 512 of them, not each."""

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def __call__(self) -> bytes:
        """16 hex digits."""
        if self._at >= len(self._pool):
            self._pool = secrets.token_bytes(_AT_ONCE * TOKEN_BYTES).hex().encode()
            self._at = 0
        self._at += 2 * TOKEN_BYTES
        return self._pool[self._at - 2 * TOKEN_BYTES : self._at]
