"""ProxyPolicy: the values of the [proxy] section of msilod.toml.

Rule: data only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyPolicy:
    """`fr_timer` is the time for a branch of a MESSAGE, `fr_inv_timer` is Timer C, both in seconds.

    `relay`: the senders permitted to reach foreign domains (nobody, users, anybody).
    """

    fr_timer: float = 10.0
    fr_inv_timer: float = 180.0
    max_forwards: int = 70
    relay: str = "users"
