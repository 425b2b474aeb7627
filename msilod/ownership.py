"""Owner, group and mode of files in the state directory, so that the service can start after root's commands.

A file belongs to the owner and the group of its directory. Where those are root's, the group is msilod if there is
one. Only root can give a file away; for other users the directory's setgid bit (2770) gives the group. An attempt
that is not permitted changes nothing and is no error: whether the file can be used shows when it is opened.
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
# Of the service (msilod.service, interface of the control socket).
ACCOUNT: Final = "msilod"


def adopt_directory(path: Path) -> None:
    """Give a directory that was made just now its owner, group and mode 2770."""
    if os.geteuid() == 0:
        uid, gid = _account()
        os.chown(path, uid, gid)
    path.chmod(DIRECTORY_MODE)


def repair_directory(path: Path) -> None:
    """As `adopt_directory`, for a directory that an earlier msilod made as root: root's own, with mode 2770."""
    if os.geteuid() == 0:
        found = path.stat()
        if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, DIRECTORY_MODE):
            adopt_directory(path)


def adopt_runtime_directory(path: Path) -> None:
    """Give the directory of the control socket, when root has made it, to the service; everybody may look into it."""
    if os.geteuid() == 0:
        os.chown(path, *_account())


def adopt_socket(path: Path) -> None:
    """Give a control socket that root has made to the owner and the group that its directory says."""
    if os.geteuid() == 0:
        os.chown(path, *owner_in(path.parent), follow_symlinks=False)


def adopt_file(descriptor: int, directory: Path, mode: int = FILE_MODE) -> None:
    """Give an open file the owner and the group that `directory` says, and `mode`."""
    if os.geteuid() == 0:
        os.fchown(descriptor, *owner_in(directory))
    with suppress(PermissionError):
        # Only its owner may; a file that has the mode already is left alone.
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)


def adopt_existing(path: Path, directory: Path) -> None:
    """As root: repair a regular file that an earlier command left to root alone. For other users: nothing."""
    if os.geteuid() != 0:
        return
    # No link is followed: in a directory that a group may write, a member could have planted one. O_PATH, since close()
    # of any other descriptor gives up all POSIX locks that this process has on the file (fcntl(2)). SQLite holds
    # POSIX locks: without them the next process that closes the database takes itself for the last, and removes a WAL
    # in use.
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == 0:
                # fchown() and fchmod() take no O_PATH descriptor.
                name = f"/proc/self/fd/{descriptor}"
                uid, gid = owner_in(directory)
                if (uid, gid) != (found.st_uid, found.st_gid):
                    os.chown(name, uid, gid)
                if stat.S_IMODE(found.st_mode) != FILE_MODE:
                    os.chmod(name, FILE_MODE)
        finally:
            os.close(descriptor)


def share(descriptor: int, silo: os.stat_result) -> bool:
    """Give a copy of the silo to the silo's owner and group, as far as we may; True when it has the group."""
    if os.geteuid() == 0:
        os.fchown(descriptor, silo.st_uid, silo.st_gid)
    else:
        with suppress(PermissionError):
            os.fchown(descriptor, -1, silo.st_gid)
    return os.fstat(descriptor).st_gid == silo.st_gid


def owner_in(directory: Path) -> tuple[int, int]:
    """(uid, gid) of a file of root's in that directory."""
    found = directory.stat()
    uid, gid = found.st_uid, found.st_gid
    return uid, (_account()[1] if gid == 0 else gid)


def _account() -> tuple[int, int]:
    """The service's user and group; root where there is none."""
    uid = gid = 0
    with suppress(KeyError):
        gid = grp.getgrnam(ACCOUNT).gr_gid
    with suppress(KeyError):
        uid = pwd.getpwnam(ACCOUNT).pw_uid
    return uid, gid
