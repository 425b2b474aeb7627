"""Ladder: the SIP ladder diagram of a run on the virtual network, printed when a test fails.

A ladder has a line per datagram, segment or event, with the virtual time of sending. The lines are kept as tuples, and
formatted only on request.
"""

from collections import deque

from msilod.errors import MalformedMessage
from msilod.sip.message import Request
from msilod.sip.parser import parse

Address = tuple[str, int]
# Lines kept. The end of a run shows the fault, and a thousand runs must not fill the memory.
KEPT = 6000


class Ladder:
    """The last KEPT arrows of one run."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str, bytes, str]] = deque(maxlen=KEPT)

    def arrow(self, at: float, source: Address, destination: Address, data: bytes, fate: str = "") -> None:
        """Add a line for `data` sent by `source`. `fate`: a note, for example "lost"."""
        self._lines.append((at, f"{source[0]}:{source[1]} -> {destination[0]}:{destination[1]}", data, fate))

    def note(self, at: float, text: str) -> None:
        """Add a line for an event that is no message."""
        self._lines.append((at, f"*** {text}", b"", ""))

    def draw(self, word: str = "") -> str:
        """The diagram as text; with `word`, only the notes and the lines containing `word`."""
        drawn = [
            f"{at:9.3f} {path:44} {_summary(data)}{f'  [{fate}]' if fate else ''}"
            for at, path, data, fate in self._lines
        ]
        return "\n".join(line for line in drawn if not word or word in line or "***" in line)


def _summary(data: bytes) -> str:
    if not data:
        return ""
    try:
        message = parse(data)
    except MalformedMessage as error:
        return f"{data[:40]!r} ({error})"
    call = (message.headers.get(b"call-id") or b"").decode("ascii", "replace")
    cseq = (message.headers.get(b"cseq") or b"").decode("ascii", "replace")
    if isinstance(message, Request):
        return f"{message.method.decode()} {call} ({cseq}) {message.body[:12].decode('ascii', 'replace')}"
    return f"{message.status} {message.reason.decode('ascii', 'replace')} {call} ({cseq})"
