"""Offers: decides which of the configured algorithms a challenge offers (RFC 8760 §2.3).

Some clients cannot handle two challenges. Sofia-SIP finds "no matching challenge" and gives up. eXosip2 5.3 computes
SHA-256 wrongly. So a client that got both challenges is offered MD5 alone

- when its next request comes without credentials,
- when its response for another algorithm than MD5 is wrong,

and for an hour after that. MD5 was offered before as well, so no client gets an algorithm that is not configured.

The memory is kept per source and user: a request from one source never changes the offer to another source. A response
with a right password for another algorithm ends the exception.
"""

from typing import Final

from msilod.sip.bounded import put_last

LASTS: Final = 3600.0
# About 300 bytes each. Beyond this number the least recently used records are forgotten, and their clients are offered
# all algorithms again.
MAX_RECORDS: Final = 20_000

Key = tuple[bytes, str]


class _Record:
    __slots__ = ("at", "is_single", "request")

    def __init__(self, request: bytes, at: float, is_single: bool) -> None:
        self.request = request
        self.at = at
        self.is_single = is_single


class Offers:
    """The offers to each source for each user. `now` is monotonic seconds.

    `source` is the `home` of nonce.py, `user` an AOR, `request` the transaction key of the request.
    """

    __slots__ = ("_limit", "_records")

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._records: dict[Key, _Record] = {}
        self._limit = limit

    def is_single(self, source: bytes, user: str, request: bytes, has_credentials: bool, now: float) -> bool:
        """True when the challenge to this request is to offer MD5 alone.

        Without credentials the request is remembered. A copy of it gets the same challenge (RFC 3261 §8.2.7).
        """
        key = (source, user)
        record = self._records.pop(key, None)
        if record is not None and not 0 <= now - record.at <= LASTS:
            record = None
        if record is None:
            if has_credentials:
                return False
            record = _Record(request, now, False)
        elif not has_credentials and record.request != request:
            record.is_single = True
        if record.is_single:
            record.at = now
        self._keep(key, record)
        return record.is_single

    def failed(self, source: bytes, user: str, now: float) -> None:
        """Record a wrong response for another algorithm than MD5."""
        self._keep((source, user), _Record(b"", now, True))

    def succeeded(self, source: bytes, user: str, is_md5: bool) -> None:
        """Record a right password. A client that chose among several algorithms can handle them."""
        if not self._records:
            return
        record = self._records.get((source, user))
        if record is not None and not (record.is_single and is_md5):
            del self._records[(source, user)]

    def _keep(self, key: Key, record: _Record) -> None:
        """Keep the records in the order of their last use, the oldest first."""
        put_last(self._records, key, record, self._limit)

    def __len__(self) -> int:
        return len(self._records)
