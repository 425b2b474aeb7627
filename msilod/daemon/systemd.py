"""systemd: reports readiness and status to systemd (sd_notify(3)), one datagram per report."""

import os
import socket


def notify(state: str) -> None:
    """Send `state` (`READY=1`, `STOPPING=1`, `STATUS=...`, several lines) to $NOTIFY_SOCKET; nothing without."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            # systemd does not listen any more; the daemon serves on.
            return
