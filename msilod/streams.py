"""The standard streams of a command: closed, full or of another encoding, they cause no traceback and no damage.

Rule: imports nothing of ours, so that the daemon and the command line share it.
"""

import io
import os
import sys
from typing import Final, TextIO

# Opened for the opposite use: a read of input or a write of output that was closed fails with EBADF.
_CLOSED: Final = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


class _Unfailing(io.FileIO):
    """A descriptor to which a write never fails: what cannot be written is dropped."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """The length of `data`, or how much of it was written."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def prepare() -> None:
    """Call this first in a process.

    A standard descriptor that is closed gets /dev/null, so that no file of ours, for example the silo, is opened
    under the number of standard error. Standard error drops what it cannot take (disk full, no reader): a full disk
    must not end a daemon that logs. Standard output is UTF-8 for programs; a terminal gets an escape for a character
    that it lacks.
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
    """Send what `stream` still buffers to /dev/null; otherwise the interpreter fails with it at its end (exit 120)."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
