"""Ownership: sets owner, group and mode of files in the state directory, so the service can use files made by root.

A file belongs to the owner and the group of its directory. When the directory belongs to root, the group is msilod if
this group exists. Only root can give a file away; for other users the setgid bit of the directory (2770) sets the
group. A change without permission is skipped and is no error: opening the file shows whether the file can be used.
"""

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o2770
FILE_MODE: Final = 0o660
# User and group of the service (contrib/msilod.service).
ACCOUNT: Final = "msilod"


def adopt_directory(path: Path) -> None:
    """Set owner, group and mode 2770 of a new directory."""
    if os.geteuid() == 0:
        uid, gid = _account()
        os.chown(path, uid, gid)
    path.chmod(DIRECTORY_MODE)


def repair_directory(path: Path) -> None:
    """As `adopt_directory`, for a directory made by an earlier msilod run by root: owned by root, with mode 2770."""
    if os.geteuid() == 0:
        found = path.stat()
        if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, DIRECTORY_MODE):
            adopt_directory(path)


def adopt_runtime_directory(path: Path) -> None:
    """As root: give the new directory of the control socket to the service. All users may list the directory."""
    if os.geteuid() == 0:
        os.chown(path, *_account())


def adopt_socket(path: Path) -> None:
    """As root: give a new control socket the owner and the group of `owner_in`."""
    if os.geteuid() == 0:
        os.chown(path, *owner_in(path.parent), follow_symlinks=False)


def adopt_file(descriptor: int, directory: Path, mode: int = FILE_MODE) -> None:
    """Set owner, group (see `owner_in`) and `mode` of an open file in `directory`."""
    if os.geteuid() == 0:
        os.fchown(descriptor, *owner_in(directory))
    with suppress(PermissionError):
        # Only the owner of a file may change the mode, so a right mode is not set again.
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)


def adopt_existing(path: Path, directory: Path) -> None:
    """As root: repair a regular file left with root's owner by an earlier command. Other users: do nothing."""
    if os.geteuid() != 0:
        return
    # O_NOFOLLOW: members of the directory's group could have planted a link. O_PATH: close() of any other descriptor
    # releases all POSIX locks of this process on the file (fcntl(2)). SQLite relies on these locks. Without the locks
    # the next process to close the database would remove a WAL in use, because no other user of the WAL is seen.
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == 0:
                # fchown() and fchmod() do not accept an O_PATH descriptor.
                name = f"/proc/self/fd/{descriptor}"
                uid, gid = owner_in(directory)
                if (uid, gid) != (found.st_uid, found.st_gid):
                    os.chown(name, uid, gid)
                if stat.S_IMODE(found.st_mode) != FILE_MODE:
                    os.chmod(name, FILE_MODE)
        finally:
            os.close(descriptor)


def share(descriptor: int, silo: os.stat_result) -> bool:
    """Give a copy of the silo the silo's owner and group, if permitted. Returns True when the groups are equal."""
    if os.geteuid() == 0:
        os.fchown(descriptor, silo.st_uid, silo.st_gid)
    else:
        with suppress(PermissionError):
            os.fchown(descriptor, -1, silo.st_gid)
    return os.fstat(descriptor).st_gid == silo.st_gid


def owner_in(directory: Path) -> tuple[int, int]:
    """(uid, gid) for a file made by root in `directory`."""
    found = directory.stat()
    uid, gid = found.st_uid, found.st_gid
    return uid, (_account()[1] if gid == 0 else gid)


def _account() -> tuple[int, int]:
    """(uid, gid) of the service; 0 for a missing user or group."""
    uid = gid = 0
    with suppress(KeyError):
        gid = grp.getgrnam(ACCOUNT).gr_gid
    with suppress(KeyError):
        uid = pwd.getpwnam(ACCOUNT).pw_uid
    return uid, gid
