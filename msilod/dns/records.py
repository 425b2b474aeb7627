"""Records: DNS records as plain data, and the records of an answer that count (RFC 1035 §3.3, RFC 2782, RFC 3403).

Rules: names are in lower case, without the last dot. At most MAX_RECORDS records of an answer are looked at. A record
counts only when its name is the name of the question, or the end of the CNAMEs from there, so an answer cannot set
records of other names. A loop, or more than MAX_ALIASES CNAMEs, raises TransportError.
"""

from typing import Final, NamedTuple

from msilod.errors import TransportError
from msilod.sip.grammar import HOST_ONLY

MAX_RECORDS: Final = 16
MAX_ALIASES: Final = 4
# RFC 1035 §2.3.4: 255 octets on the wire are 253 characters of text.
_MAX_NAME: Final = 253
_MAX_LABEL: Final = 63


class Question(NamedTuple):
    """`kind` is A, AAAA, SRV or NAPTR."""

    name: str
    kind: str


class Address(NamedTuple):
    """A or AAAA; `host` as an IP literal without brackets."""

    name: str
    kind: str
    host: str


class Alias(NamedTuple):
    """CNAME."""

    name: str
    target: str
    kind: str = "CNAME"


class Srv(NamedTuple):
    """RFC 2782. A `target` of "" stands for ".": the domain does not have the service."""

    name: str
    priority: int
    weight: int
    port: int
    target: str
    kind: str = "SRV"


class Naptr(NamedTuple):
    """RFC 3403, without the regexp, which RFC 3263 §4.1 does not use."""

    name: str
    order: int
    preference: int
    flags: str
    service: str
    replacement: str
    kind: str = "NAPTR"


Record = Address | Alias | Srv | Naptr


class Answer(NamedTuple):
    """The raw answer to one question; `ttl` in seconds. No records: no such name, or no record of the type."""

    records: tuple[Record, ...]
    ttl: int


class Found(NamedTuple):
    """The part of an answer that counts: `records` of the kind asked for and `aliases`, the CNAME targets."""

    records: tuple[Record, ...]
    aliases: tuple[str, ...]


# The outcome of a question: the records (an empty tuple is an answer, too), or the reason for the failure.
Outcome = tuple[Record, ...] | TransportError


def host_name(text: str) -> str | None:
    """Return `text` as a name that may be asked for and logged: lower case, no last dot. None for other text.

    The underscore of SRV names is allowed (RFC 2782). Characters that need an escape in a zone file are not.
    """
    name = text.removesuffix(".").lower()
    if not name or len(name) > _MAX_NAME or not name.isascii():
        return None
    raw = name.encode()
    if raw.translate(HOST_ONLY) != raw:
        return None
    return name if all(0 < len(label) <= _MAX_LABEL for label in name.split(".")) else None


def read_answer(question: Question, answer: Answer) -> Found:
    """Return the records that answer `question`. Raises TransportError for a CNAME loop or too many CNAMEs."""
    considered = answer.records[:MAX_RECORDS]
    targets = {record.name: record.target for record in considered if isinstance(record, Alias)}
    name = question.name
    chain: tuple[str, ...] = ()
    while name in targets:
        name = targets[name]
        chain = lengthened(question.name, chain, (name,))
    kind = question.kind
    return Found(tuple([r for r in considered if r.name == name and r.kind == kind]), chain)


def lengthened(start: str, chain: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return the CNAME targets from `start`: `chain` and `more`. Raises TransportError as `read_answer` does."""
    chain = chain + more
    if len({start, *chain}) <= len(chain):
        raise TransportError(f"DNS: the CNAMEs of {start} are a loop")
    if len(chain) > MAX_ALIASES:
        raise TransportError(f"DNS: {start} has more than {MAX_ALIASES} CNAMEs in a row")
    return chain
