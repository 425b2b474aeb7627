"""Microseconds per operation of the sip room's hot path; best of several runs, one core.

Run: python tests/bench/parse.py [name ...]
"""

import sys
import timeit
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from msilod.sip.address import NameAddr
from msilod.sip.flow import Endpoint, Flow
from msilod.sip.framing import StreamFramer
from msilod.sip.headers import Headers
from msilod.sip.message import Request, response_bytes
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.sip.uri import SipUri
from msilod.sip.via import Via, parse_via

BODY = b"The quick brown fox jumps over the lazy dog. " * 2
MESSAGE = (
    b"MESSAGE sip:bob@example.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5b0d94e4c1a\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice Liddell" <sip:alice@example.test>;tag=3b1f0a7e9d\r\n'
    b"To: <sip:bob@example.test>\r\n"
    b"Call-ID: 5f0b2c1e-7d7b-4a0f-9a77-0c6e8f1d2b3a\r\n"
    b"CSeq: 20 MESSAGE\r\n"
    b"User-Agent: Linphone/4.4.10 (belle-sip/5.1.0)\r\n"
    b"Content-Type: text/plain;charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
VIA = b"SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bKf7c1a5b0d94e4c1a"
FLOW = Flow(Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060"), "198.51.100.7", 40001)


def request() -> Request:
    """A fresh one: `stamp_source` changes it."""
    parsed = parse(MESSAGE)
    assert isinstance(parsed, Request)
    return parsed


REQUEST = request()
ANSWER = response_bytes(REQUEST, 202, b"0f1e2d3c4b5a")


def stamp() -> None:
    """stamp_source, with the cost of undoing it (a new Via object and one field)."""
    REQUEST.via = Via(b"UDP", b"192.0.2.17", 5071, b"192.0.2.17:5071", b"z9hG4bKf7c1a5b0d94e4c1a", VIA)
    REQUEST.headers.fields[0] = FIRST
    stamp_source(REQUEST, FLOW)


FIRST = REQUEST.headers.fields[0]


STRANGERS = cycle(
    [MESSAGE.replace(b"192.0.2.17:5071", b"10.%d.%d.9:5071" % divmod(n, 256)) for n in range(20000)]
)


def copy() -> bytes:
    """What a proxy does for a branch, without the changes."""
    twin = REQUEST.copy()
    return twin.to_bytes()


def frame() -> None:
    """One whole message in one segment."""
    StreamFramer().feed(MESSAGE)


OPERATIONS: dict[str, Callable[[], object]] = {
    "parse(request)": lambda: parse(MESSAGE),
    "parse(request), 20,000 senders": lambda: parse(next(STRANGERS)),
    "parse(response)": lambda: parse(ANSWER),
    "parse_via": lambda: parse_via(VIA),
    "stamp_source": stamp,
    "response_bytes": lambda: response_bytes(REQUEST, 202, b"0f1e2d3c4b5a"),
    "copy + to_bytes": copy,
    "StreamFramer.feed": frame,
    "SipUri.parse": lambda: SipUri.parse(b"sip:bob@example.test"),
    "SipUri.parse + aor": lambda: SipUri.parse(b"sip:bob@example.test").aor(),
    "SipUri.parse contact": lambda: SipUri.parse(b"sip:bob@192.0.2.17:5071;transport=tcp"),
    "NameAddr.parse": lambda: NameAddr.parse(b'"Alice Liddell" <sip:alice@example.test>;tag=3b1f0a7e9d'),
    "Headers.get": lambda: REQUEST.headers.get(b"content-type"),
    "Headers.copy": lambda: Headers(REQUEST.headers.fields.copy()),
}


def main() -> None:
    """Print one line per operation."""
    wanted = sys.argv[1:] or list(OPERATIONS)
    sys.stdout.write(f"{len(MESSAGE)} bytes, {len(REQUEST.headers.fields)} header fields\n")
    for name in wanted:
        rounds = 20000
        best = min(timeit.repeat(OPERATIONS[name], number=rounds, repeat=7)) / rounds * 1e6
        sys.stdout.write(f"{best:8.2f} us  {name}\n")


if __name__ == "__main__":
    main()
