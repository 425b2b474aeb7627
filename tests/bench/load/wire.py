"""What the generator says on the wire: requests cut once as templates, filled with bytes %.

Rules: every part that changes has a fixed width, so that the key of an answer is found by one find() and
a body is judged by one slice. Nothing is parsed here; the far end is a server under test, and what it
damages is for the ledger to say. A key names one request: 8 digits of the user, a dot, 6 of the number.
"""

from collections.abc import Iterable, Iterator

Feed = Iterator[tuple[bytes, bytes]]
"""Requests in the order they are to be sent: (what the branch ends with, the whole datagram)."""

BRANCH = b"z9hG4bKmb"
RUN_WIDTH = 4
USER_WIDTH = 8
KEY_WIDTH = 15
TAIL_WIDTH = KEY_WIDTH + 1
"""A letter for the method before the key: one branch never names two transactions (RFC 3261 §8.1.1.7)."""

REQUEST_LINE = b"MESSAGE sip:u"
BODY_HEAD = b"mb1 "
KEY_AT = len(BODY_HEAD) + RUN_WIDTH + 1
LEAST_BODY = KEY_AT + KEY_WIDTH + 1
FILLER = "Grüße aus Köln – 你好, мир! 🙂 See you at eight? "

_NAMES = (b"Via", b"v", b"From", b"f", b"To", b"t", b"Call-ID", b"i", b"CSeq")
_KEPT = frozenset({*_NAMES, *(name.lower() for name in _NAMES), *(name.title() for name in _NAMES)})
_TO = frozenset((b"To", b"t", b"to"))


def user_name(number: int) -> bytes:
    """The digits of a user; the user part on the wire is a `u` and these."""
    return b"%08d" % number


def filler(size: int) -> bytes:
    """UTF-8 of exactly `size` bytes, never cut inside a character."""
    text = FILLER.encode()
    whole = (text * (size // len(text) + 1))[:size]
    cut = whole.decode(errors="ignore").encode()
    return cut + b"." * (size - len(cut))


def body_of(run: bytes, size: int) -> tuple[bytes, bytes]:
    """What stands before and after the key in a body of `size` bytes."""
    if size < LEAST_BODY:
        raise ValueError(f"a body is at least {LEAST_BODY} bytes, to name its message")
    return BODY_HEAD + run + b" ", b"|" + filler(size - LEAST_BODY)


def message_template(domain: bytes, port: int, run: bytes, size: int) -> bytes:
    """A MESSAGE (RFC 3428 §4) with seven places: user, tail, user, key, user, key, key."""
    before, after = body_of(run, size)
    head = (
        REQUEST_LINE + b"%%b@%b SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=" + BRANCH + b"%b%%b\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:load%%b@%b>;tag=%b%%b\r\n"
        b"To: <sip:u%%b@%b>\r\n"
        b"Call-ID: %b%%b@127.0.0.1\r\n"
        b"CSeq: 1 MESSAGE\r\n"
        b"Content-Type: text/plain;charset=UTF-8\r\n"
        b"Content-Length: %d\r\n\r\n"
    ) % (domain, port, run, domain, run, domain, run, size)
    return head + before + b"%b" + after


def register_template(domain: bytes, port: int, run: bytes) -> bytes:
    """A REGISTER (RFC 3261 §10.2) with seven places: tail, user, key, user, user, number, user."""
    return (
        b"REGISTER sip:%b SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=" + BRANCH + b"%b%%b\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:u%%b@%b>;tag=%%b\r\n"
        b"To: <sip:u%%b@%b>\r\n"
        b"Call-ID: %b.%%b.reg@127.0.0.1\r\n"
        b"CSeq: %%d REGISTER\r\n"
        b"Contact: <sip:u%%b@127.0.0.1:%d>\r\n"
        b"Allow: MESSAGE, OPTIONS\r\n"
        b"Expires: 3600\r\n"
        b"Content-Length: 0\r\n\r\n"
    ) % (domain, port, run, domain, domain, run, port)


def options_request(domain: bytes, port: int, number: int) -> bytes:
    """An OPTIONS, to learn whether anybody listens yet."""
    return (
        b"OPTIONS sip:%b SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=" + BRANCH + b"ready%d\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:load@%b>;tag=ready\r\n"
        b"To: <sip:%b>\r\n"
        b"Call-ID: ready%d@127.0.0.1\r\n"
        b"CSeq: 1 OPTIONS\r\n"
        b"Content-Length: 0\r\n\r\n"
    ) % (domain, port, number, domain, domain, number)


def messages(template: bytes, users: list[bytes], numbers: Iterable[int]) -> Feed:
    """One message for each user, then the next number: the order within a user is that of the numbers."""
    for number in numbers:
        for user in users:
            key = b"%b.%06d" % (user, number)
            tail = b"m" + key
            yield tail, template % (user, tail, user, key, user, key, key)


def registers(template: bytes, users: Iterable[bytes], number: int) -> Feed:
    """One REGISTER for each user with CSeq `number`."""
    for user in users:
        key = b"%b.%06d" % (user, number)
        tail = b"r" + key
        yield tail, template % (tail, user, key, user, user, number, user)


def answer(head: bytes) -> tuple[bytes, bytes]:
    """A 200 to the request with this head (RFC 3261 §8.2.6), and its top Via line (empty: it has none)."""
    lines = [b"SIP/2.0 200 OK"]
    for line in head.split(b"\r\n"):
        name = line[: line.find(b":")]
        if name in _KEPT:
            lines.append(line + b";tag=phone" if name in _TO and b";tag=" not in line else line)
    lines.append(b"Content-Length: 0\r\n\r\n")
    via = lines[1] if len(lines) > 2 else b""
    return b"\r\n".join(lines), via
