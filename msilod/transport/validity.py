"""Validity: the times between which a certificate is valid (RFC 5280 §4.1.2.5).

Python's ssl shows these times only of certificates that it has verified. The fields behind the times are not read.
"""

import binascii
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

_PEM: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END (?:X509 |TRUSTED )?CERTIFICATE-----"
)
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
# Two digits of a year from 50 on mean 19xx.
_CENTURY: Final = b"50"


class Validity(NamedTuple):
    """`begins` and `ends`: seconds since 1970."""

    begins: float
    ends: float

    def fault(self, system: float) -> str:
        """Why the certificate is not valid at `system`, in seconds since 1970; "" if the certificate is valid."""
        if system < self.begins:
            return f"is not valid before {_shown(self.begins)}"
        if system > self.ends:
            return f"has expired on {_shown(self.ends)}"
        return ""


def validity(pem: bytes) -> Validity | None:
    """The times of the first certificate in `pem`, the one that OpenSSL shows to peers. None if they cannot be read."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        # Certificate, tbsCertificate; then serialNumber, signature and issuer in front of validity.
        fields = _fields(_fields(_fields(binascii.a2b_base64(found[1]))[0][1])[0][1])
        if fields[0][0] == _VERSION:
            del fields[0]
        begins, ends = _fields(fields[3][1])[:2]
        return Validity(_seconds(*begins), _seconds(*ends))
    except (ValueError, IndexError):
        return None


def _fields(der: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of each value in `der`. Raises ValueError, IndexError."""
    fields: list[tuple[int, bytes]] = []
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, at = int.from_bytes(der[at : at + octets], "big"), at + octets
        fields.append((tag, der[at : at + length]))
        at += length
    return fields


def _seconds(tag: int, text: bytes) -> float:
    if tag == _UTC_TIME:
        text = (b"19" if text[:2] >= _CENTURY else b"20") + text
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
