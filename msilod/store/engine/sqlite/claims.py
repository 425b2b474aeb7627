"""Claims: the statement that leases waiting rows of one recipient, for all devices or for one of several."""

from collections.abc import Collection
from typing import Final

from msilod.store.columns import LOADED

# Seconds. A run renews its leases before the end.
LEASE: Final = 60.0
# A message to sips: is for sips: contacts only (RFC 5630 §5.3). The Request-URI has the scheme.
FOR_SIPS: Final = "lower(substr(request_uri, 1, 5)) = 'sips:'"


class ClaimText:
    """The SQL of a claim. Values: owner, end of the lease, AOR, those of `free`, the id before, those of `also`, limit.

    `free` says which rows no other run holds, `also` is a further condition. Both may name the row as `row`.
    """

    __slots__ = ("_begin", "_end")

    def __init__(self, table: str, free: str, also: str = "") -> None:
        self._begin = (
            f"UPDATE {table} SET owner = ?, lease_until = ? WHERE id IN (SELECT id FROM {table} AS row "
            f"WHERE aor = ? AND state = 'waiting' AND {free}"
        )
        self._end = f" AND id > ?{also} ORDER BY id LIMIT ?) RETURNING {', '.join(LOADED)}"

    def sql(self, ids: Collection[int], with_sips: bool) -> str:
        """The statement for `ids` only, if not empty; without `with_sips` for rows that may go to sip: contacts."""
        sips = "" if with_sips else f" AND NOT {FOR_SIPS}"
        # Own ids, and too many to bind.
        named = f" AND id IN ({', '.join(str(int(id)) for id in ids)})" if ids else ""
        return self._begin + sips + named + self._end
