"""ProxyPolicy: the values of the [proxy] section of msilod.toml.

Rule: data only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyPolicy:
    """`fr_timer` is the time for a branch of a MESSAGE, `fr_inv_timer` is Timer C, both in seconds.

    The defaults are in config.py.

    `relay`: the senders permitted to reach foreign domains (nobody, users, anybody).
    """

    fr_timer: float
    fr_inv_timer: float
    max_forwards: int
    relay: str
