"""Output file: opens the file of `-o FILE` without damage to other files, and readable only by the user.

A regular file, or a new file, gets the whole output, or keeps the old content: the output goes to a temporary file
beside the target, which is renamed at the end. A device, a FIFO, or a descriptor of this process (as /dev/stdout) is
opened and written directly. A symbolic link is followed.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

# A longer chain of links is a loop (the limit of Linux, path_resolution(7)).
MAX_LINKS: Final = 40
PREFIX: Final = ".msilo-"
SUFFIX: Final = ".part"


@contextmanager
def output_file(path: Path) -> Iterator[TextIO]:
    """Open a text stream; the text becomes the content of `path` when the block ends without an exception.

    The temporary file has mode 0600 from the first byte and is removed when the block fails. Raises OSError.
    """
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        with _text(os.dup(descriptor)) as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    if _is_special(path):
        # Without O_CREAT and O_TRUNC: no file is made, and a regular file in the place of the device keeps its content.
        with _text(os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)) as stream:
            yield stream
        return
    with _replacing(target) as stream:
        yield stream


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    # mkstemp opens with O_EXCL and O_NOFOLLOW: a link planted by another user is never followed.
    descriptor, name = tempfile.mkstemp(SUFFIX, PREFIX, target.parent)
    part = Path(name)
    try:
        with _text(descriptor) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # `target` was resolved, so a link there now is not the user's.
        if target.is_symlink() or _is_special(target):
            raise FileExistsError(0, "another file has taken this name meanwhile", str(target))
        part.rename(target)
        _sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _text(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8")


def _is_special(path: Path) -> bool:
    """True when the path exists and is no regular file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _own_descriptor(path: Path) -> int | None:
    """The number of this process's descriptor behind `path`, as for /dev/stdout and /dev/fd/3; None for other files.

    Opening /dev/stdout by name would write to the beginning of a regular file instead of the current offset.
    """
    folders = {Path("/proc/self/fd"), Path("/dev/fd"), Path(f"/proc/{os.getpid()}/fd")}
    for _ in range(MAX_LINKS):
        if path.parent in folders and path.name.isdecimal():
            return int(path.name)
        try:
            path = path.parent / os.readlink(path)
        except OSError:
            return None
    return None


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so the new name survives a power cut. Errors are ignored."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
