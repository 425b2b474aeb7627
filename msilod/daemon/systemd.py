"""sd_notify(3): tell systemd that we are ready, or stopping. One datagram; nothing without NOTIFY_SOCKET."""

import os
import socket


def notify(state: str) -> None:
    """`READY=1`, `STOPPING=1`, `STATUS=...`; several lines in one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            # systemd has gone; that is not our business.
            return
