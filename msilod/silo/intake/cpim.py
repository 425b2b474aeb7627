"""CPIM: reads the header of message/cpim, as far as the silo needs the header (RFC 3862).

    message          = *( header CRLF ) CRLF *( content-header CRLF ) CRLF body
    header           = [ prefix "." ] name ":" SP value
    namespace-header = "NS" ":" SP [ prefix SP ] "<" URI ">"

A wrapper is only read and never changed, because the wrapper may be signed (checklist G12). A header longer than
MAX_HEAD bytes or MAX_FIELDS fields counts as unreadable. Names are compared without case, unlike RFC 3862, because
senders differ.
"""

from collections.abc import Iterator
from typing import Final

from msilod.sip.grammar import WSP, is_token

MAX_HEAD: Final = 8192
MAX_FIELDS: Final = 64
_END: Final = b"\r\n\r\n"

Field = tuple[bytes, bytes]


class Cpim:
    """The fields of the wrapper (`fields`) and of the wrapped message (`content`), as (name in lower case, value)."""

    __slots__ = ("content", "fields")

    def __init__(self, fields: list[Field], content: list[Field]) -> None:
        self.fields = fields
        self.content = content

    def get(self, name: bytes, namespace: bytes = b"") -> bytes:
        """The first value of `name` (lower case) in the namespace with the URI `namespace`, b"" for none."""
        return next(iter(self.get_all(name, namespace)), b"")

    def get_all(self, name: bytes, namespace: bytes = b"") -> list[bytes]:
        """All values of `name`, in order."""
        names = {name} if not namespace else {b"%b.%b" % (p, name) for p in self._prefixes(namespace)}
        return [value for known, value in self.fields if known in names]

    def _prefixes(self, namespace: bytes) -> Iterator[bytes]:
        for name, value in self.fields:
            prefix, _, uri = value.partition(b"<")
            if name == b"ns" and uri.rstrip(WSP + b">").lower() == namespace:
                yield prefix.strip(WSP).lower()

    @property
    def content_type(self) -> bytes:
        """The Content-Type of the wrapped message, b"" for none."""
        return next((value for name, value in self.content if name == b"content-type"), b"")


def parse_cpim(body: bytes) -> Cpim | None:
    """The two headers of a message/cpim body. None for an unreadable or too long header."""
    wrapper, end, rest = body[:MAX_HEAD].partition(_END)
    if not end:
        return None
    fields = _fields(wrapper)
    content = _fields(rest.partition(_END)[0].removeprefix(b"\r\n"))
    return None if fields is None or content is None else Cpim(fields, content)


def _fields(head: bytes) -> list[Field] | None:
    lines = head.split(b"\r\n") if head else []
    if len(lines) > MAX_FIELDS:
        return None
    fields = []
    for text in lines:
        name, colon, value = text.partition(b":")
        if not colon or not is_token(name):
            return None
        fields.append((name.lower(), value.strip(WSP)))
    return fields
