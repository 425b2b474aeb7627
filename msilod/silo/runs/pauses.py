"""Pauses: domains whose deliveries stand still, for maintenance; what an operator said with `msilo pause`.

The table is the truth and outlives a restart; this is what the daemon remembers of it.
"""

from typing import Final

ALL_DOMAINS: Final = "*"


class Pauses:
    """`domains` are names of domains, or ALL_DOMAINS."""

    def __init__(self) -> None:
        self.domains: frozenset[str] = frozenset()

    def cover(self, aor: str) -> bool:
        """Nothing is delivered to `aor` now."""
        domains = self.domains
        return bool(domains) and (ALL_DOMAINS in domains or aor.rpartition("@")[2] in domains)
