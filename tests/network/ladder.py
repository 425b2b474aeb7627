"""Ladder: what went over the virtual wires, to be read when a seed has failed.

Rules: one line per datagram, segment or event, with the virtual second it left at; kept as tuples and drawn only
when somebody asks.
"""

from collections import deque

from msilod.errors import MalformedMessage
from msilod.sip.message import Request
from msilod.sip.parser import parse

Address = tuple[str, int]
# A failed run is understood from its end; a thousand runs must not hold all they said.
KEPT = 6000


class Ladder:
    """The last KEPT arrows of one run."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str, bytes, str]] = deque(maxlen=KEPT)

    def arrow(self, at: float, source: Address, destination: Address, data: bytes, fate: str = "") -> None:
        """`data` left `source`; `fate` is what became of it, if not the usual."""
        self._lines.append((at, f"{source[0]}:{source[1]} -> {destination[0]}:{destination[1]}", data, fate))

    def note(self, at: float, text: str) -> None:
        """Something beside the wire."""
        self._lines.append((at, f"*** {text}", b"", ""))

    def draw(self, word: str = "") -> str:
        """All of it, or the notes and the lines with `word` in them."""
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
