"""Limits: the quotas of [silo] as numbers, for the engines and for commit/.

The quotas are applied by commit/quota.py (silo, disk, hour of a sender) and by an engine (mailbox, share of a sender).
"""

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # Not for the writer's process, which would read all that the configuration knows.
    from msilod.config import SiloConfig

# Of "auto", once there are users. A person does not write a thousand messages an hour to users that are away.
SHARE: Final = 0.1
PER_HOUR: Final = 1000
# However small a mailbox is, a sender may leave so many messages, each as large as a body may be.
LEAST_SHARE: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The keys of [silo]; bytes of bodies, 0 for no limit. `max_per_hour` are messages of one sender.

    `share_messages` and `share_bytes` bound the messages of one sender in one mailbox.
    """

    max_messages: int = 1000
    max_bytes: int = 10_000_000
    max_total_bytes: int = 0
    min_free_bytes: int = 0
    max_per_hour: int = 0
    share_messages: int = 0
    share_bytes: int = 0

    @classmethod
    def of(cls, config: "SiloConfig", has_users: bool) -> "Limits":
        """As configured; "auto" depends on whether senders need a password."""
        share, per_hour = 1.0, 0
        if config.sender_share != "auto":
            share = float(config.sender_share)
        elif has_users:
            share = SHARE
        if config.max_per_hour != "auto":
            per_hour = config.max_per_hour
        elif has_users:
            per_hour = PER_HOUR
        return cls(
            config.max_messages,
            config.max_bytes,
            config.max_total_bytes,
            config.min_free_bytes,
            per_hour,
            max(int(config.max_messages * share), LEAST_SHARE) if share < 1 else 0,
            max(int(config.max_bytes * share), LEAST_SHARE * config.max_body) if share < 1 else 0,
        )

    def without_hours(self) -> "Limits":
        """For an import: its messages were sent long ago."""
        return replace(self, max_per_hour=0)

    def values(self) -> tuple[int, ...]:
        """As they travel."""
        return astuple(self)
