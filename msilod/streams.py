"""Streams: makes the standard streams of a process safe: closed, full, or with another encoding.

This module imports no other module of the project, so daemon and command line share the functions.
"""

import io
import os
import sys
from typing import Final, TextIO

# /dev/null is opened for the opposite direction, so reading a closed input or writing a closed output fails with EBADF.
_CLOSED: Final = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


class _Unfailing(io.FileIO):
    """A descriptor whose writes never fail: bytes that cannot be written are dropped."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """Write. Returns the number of bytes written, or dropped after an error."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def prepare() -> None:
    """Prepare the standard streams; the first call in a process.

    A closed standard descriptor gets /dev/null: otherwise the silo, for example, could be opened under the number of
    standard error. Standard error drops bytes that cannot be written (disk full, no reader): a full disk must not end
    a daemon that logs. Standard output is UTF-8 for programs. A terminal gets escapes for missing characters.
    """
    for name, mode, flags in _CLOSED:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
            setattr(sys, name, stream)
    if sys.stderr is sys.__stderr__ or sys.__stderr__ is None:
        raw = _Unfailing(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), sys.stderr.encoding, "backslashreplace", line_buffering=True
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        if not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")
        sys.stdout.reconfigure(errors="backslashreplace")


def discard(stream: TextIO) -> None:
    """Send the buffered rest of `stream` to /dev/null. Otherwise the interpreter's last flush fails (exit 120)."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
