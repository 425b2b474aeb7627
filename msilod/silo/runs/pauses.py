"""Pauses: the domains without deliveries at the moment (`msilo pause`).

The table in the database is authoritative and survives a restart; this object is the copy in memory.
"""

from typing import Final

ALL_DOMAINS: Final = "*"


class Pauses:
    """`domains`: names of domains, or ALL_DOMAINS."""

    def __init__(self) -> None:
        self.domains: frozenset[str] = frozenset()

    def cover(self, aor: str) -> bool:
        """True while deliveries to `aor` are paused."""
        domains = self.domains
        return bool(domains) and (ALL_DOMAINS in domains or aor.rpartition("@")[2] in domains)
