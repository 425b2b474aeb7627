"""Tokens: makes unguessable tokens for branches, tags and Call-IDs."""

import secrets
from typing import Final

# 64 random bits, as 16 hex digits: a spoofed response would have to guess the branch.
TOKEN_BYTES: Final = 8
_AT_ONCE: Final = 512


class Tokens:
    """A callable that returns a new token. One system call gets the random bytes of 512 tokens."""

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def __call__(self) -> bytes:
        """A new token: 16 hex digits."""
        if self._at >= len(self._pool):
            self._pool = secrets.token_bytes(_AT_ONCE * TOKEN_BYTES).hex().encode()
            self._at = 0
        self._at += 2 * TOKEN_BYTES
        return self._pool[self._at - 2 * TOKEN_BYTES : self._at]
