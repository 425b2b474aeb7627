"""Imports: how long the mark of an imported row stays.

The command line inserts rows from a file. Each row leaves a mark, so that a second import of the file adds nothing
(engine/sqlite/imports.py writes the marks).
"""

from typing import Final

from msilod.silo.stored_message import State, StoredMessage

# Seconds: a year. A held row has no end of its own, and the end of a scheduled row is system time.
HELD: Final = 31_536_000.0


def mark_of(message: StoredMessage) -> tuple[str, bytes, float]:
    """The AOR, the hash and the end (seconds of silo time) of the mark of an imported row."""
    until = message.expires_at
    if message.state in (State.HELD, State.SCHEDULED):
        until = max(until, message.received_at) + HELD
    return message.aor, message.hash, until
