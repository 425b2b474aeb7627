"""SiloPolicy: the [silo] keys of msilod.toml, as the decisions of this room need them.

Rule: plain data; config reads and explains the keys, this file only refuses what no decision could use.
"""

from dataclasses import dataclass, field
from typing import Final

from msilod.sip.uri import parse_aor

KEEP_CALL_ID: Final = "keep"
NEW_CALL_ID: Final = "new"
PROXY: Final = "proxy"
B2BUA: Final = "b2bua"
NOTICE: Final = "User [{recipient}] is offline. The message will be delivered when user goes online."


@dataclass(frozen=True, slots=True)
class SiloPolicy:
    """What an operator decides. Times in seconds, sizes in bytes.

    `mode` is m_store's (0, 1, 2); `attempts` counts answered failures; `retry` is the back-off of a recipient
    who stays registered, its last step repeats; `registrar` the notice's sender, empty for no notices;
    `next_hop` an outbound proxy for deliveries and notices, `next_hop_kind` what a 2xx through any next hop is
    worth: PROXY, the device's own; B2BUA, the hop's. `registrar_aor` follows from `registrar`.
    Raises ValueError for an empty or not positive `retry` and a `registrar` without user and host.
    """

    mode: int = 0
    expire_time: int = 259200
    max_body: int = 65536
    call_id: str = KEEP_CALL_ID
    attempts: int = 10
    retry: tuple[int, ...] = (60, 300, 900, 3600)
    registrar: str = ""
    notice: str = NOTICE
    next_hop: str = ""
    next_hop_kind: str = PROXY
    registrar_aor: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Derive and check."""
        if not self.retry or min(self.retry) <= 0:
            raise ValueError("retry needs at least one step, each longer than nothing")
        if self.registrar:
            object.__setattr__(self, "registrar_aor", parse_aor(self.registrar))

    def backoff(self, stops: int) -> int:
        """The pause after `stops` earlier stops of the same recipient, seconds."""
        return self.retry[min(stops, len(self.retry) - 1)]
