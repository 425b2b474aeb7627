"""Limits: the quotas of [silo] as numbers, for the engines and for commit/.

The quotas are applied by commit/quota.py (silo, disk, hour of a sender) and by an engine (mailbox, share of a sender).
"""

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # Not at run time: the writer's process would import the whole configuration.
    from msilod.config import SiloConfig

# The values of "auto", once there are users. A person does not write 1,000 messages an hour to absent users.
SHARE: Final = 0.1
PER_HOUR: Final = 1000
# The share of a sender is at least this number of messages with bodies of the largest allowed size.
LEAST_SHARE: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The quotas of [silo]. Bytes are bytes of bodies; 0 means no limit.

    `max_messages` and `max_bytes` limit one mailbox, `max_total_bytes` the silo, `min_free_bytes` the free bytes of the
    disk, `max_per_hour` the messages of one sender in an hour, `share_messages` and `share_bytes` the messages of one
    sender in one mailbox.
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
        """The limits of a configuration. `has_users`: senders need a password; "auto" depends on this."""
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
        """The same limits without `max_per_hour`, for an import of old messages."""
        return replace(self, max_per_hour=0)

    def values(self) -> tuple[int, ...]:
        """The values in the order of the fields, for the frames to the writer's process."""
        return astuple(self)
