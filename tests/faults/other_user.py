"""Other user: runs this Python, the packages and this checkout as a user without access to the folders.

A Python below /root cannot be run by other users. A process of the other user therefore holds descriptors of the
folders, opened by root, and `/proc/PID/fd/N` leads to a folder without a search of the folders above.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def python_for(uid: int, gid: int) -> Iterator[tuple[str, dict[str, str]]]:
    """The path of this Python for the user, and the environment to run this Python with. Needs root."""
    binary = os.open(os.path.realpath(sys.executable), os.O_RDONLY)
    home, packages, checkout = (
        os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for folder in (sys.base_prefix, sysconfig.get_path("platlib"), CHECKOUT)
    )
    descriptors = (binary, home, packages, checkout)
    holder = subprocess.Popen(
        ["/bin/sleep", "600"], user=uid, group=gid, extra_groups=[], pass_fds=descriptors, cwd="/"
    )
    for descriptor in descriptors:
        os.close(descriptor)
    held = f"/proc/{holder.pid}/fd"
    try:
        yield (
            f"{held}/{binary}",
            {
                "PYTHONHOME": f"{held}/{home}",
                "PYTHONPATH": f"{held}/{checkout}:{held}/{packages}",
                "PYTHONDONTWRITEBYTECODE": "1",
                # For a Python built as a shared library.
                "LD_LIBRARY_PATH": f"{held}/{home}/lib",
            },
        )
    finally:
        holder.kill()
        holder.wait()
