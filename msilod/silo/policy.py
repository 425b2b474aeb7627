"""SiloPolicy: the [silo] keys of msilod.toml, as used by this room.

config.py reads and documents the keys. This module refuses only values useless for any decision.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from msilod.sip.headers import canonical, line
from msilod.sip.uri import parse_aor

KEEP_CALL_ID: Final = "keep"
NEW_CALL_ID: Final = "new"
UNCOUNTED: Final = 0
FIRST_DEVICE: Final = "first"
EACH_DEVICE: Final = "each"
PROXY: Final = "proxy"
B2BUA: Final = "b2bua"
NOTICE: Final = "User [{recipient}] is offline. The message will be delivered when user goes online."


@dataclass(frozen=True, slots=True)
class SiloPolicy:
    """The settings of the operator. Times in seconds, sizes in bytes.

    Storing: `mode` of m_store (0, 1, 2); `accept_types` and `refuse_types`, media types or `type/*` (no `accept_types`:
    all types); `due_header`, the header field with the due time of a scheduled message.

    Delivery: `attempts`, the limit of answered failures (UNCOUNTED: no limit); `retry`, the back-off of a registered
    recipient, the last step repeats; `next_hop`, the outbound proxy for deliveries and notices; `next_hop_kind`, the
    meaning of a 2xx through a next hop: PROXY, from the device, or B2BUA, from the hop; `devices`: FIRST_DEVICE, the
    first 2xx ends a row, or EACH_DEVICE, every device gets the message. `add_date`, `add_contact`, `use_contact` and
    `extra_hdrs` (`Name: value`) are parameters of msilo.

    Notices: `registrar`, the sender of notices, empty for none; `notice_period`, the time between two notices to one
    sender about one recipient; `failure_notice`, empty for none; `imdn`, True to send receipts on request (RFC 5438).

    Raises ValueError for an empty `retry` or a step not above 0, a `registrar` without user and host, and a line in
    `extra_hdrs` without a header field.
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
    accept_types: tuple[str, ...] = ()
    refuse_types: tuple[str, ...] = ()
    imdn_expire_time: int = 86400
    notice_period: int = 3600
    failure_notice: str = ""
    imdn: bool = True
    add_date: bool = False
    add_contact: bool = False
    use_contact: bool = False
    extra_hdrs: tuple[str, ...] = ()
    due_header: str = ""
    devices: str = FIRST_DEVICE
    registrar_aor: str = field(init=False, default="")
    extra_fields: tuple[tuple[bytes, bytes], ...] = field(init=False, default=())
    due_field: bytes = field(init=False, default=b"")
    is_for_each: bool = field(init=False, default=False)
    is_choosy: bool = field(init=False, default=False)
    serves_old_phones: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Check the values and compute the derived fields."""
        if not self.retry or min(self.retry) <= 0:
            raise ValueError("retry needs at least one step, and each step must be above 0")
        if self.registrar:
            object.__setattr__(self, "registrar_aor", parse_aor(self.registrar))
        object.__setattr__(self, "extra_fields", tuple(map(_field, self.extra_hdrs)))
        object.__setattr__(self, "due_field", canonical(self.due_header.encode("ascii")))
        object.__setattr__(self, "is_for_each", self.devices == EACH_DEVICE)
        object.__setattr__(self, "is_choosy", bool(self.accept_types or self.refuse_types))
        is_changed = self.add_date or self.add_contact or bool(self.extra_hdrs)
        object.__setattr__(self, "serves_old_phones", is_changed)

    def backoff(self, stops: int) -> int:
        """The pause in seconds after `stops` earlier stops of the same recipient."""
        return self.retry[min(stops, len(self.retry) - 1)]

    def takes(self, types: Iterable[bytes]) -> bool:
        """True when the first media type is accepted, and none of the types is refused.

        `types` are in lower case: the type of the message, then the types of wrapped content.
        """
        media = [name.decode("ascii", "replace") for name in types]
        if any(_is_among(name, self.refuse_types) for name in media):
            return False
        return not self.accept_types or _is_among(media[0], self.accept_types)

    @property
    def accept(self) -> bytes:
        """The accepted types as the value of an Accept header field (RFC 3261 §20.1)."""
        if self.accept_types:
            return ", ".join(self.accept_types).encode("ascii")
        return ", ".join([*(f"{media};q=0" for media in self.refuse_types), "*/*"]).encode("ascii")


def _is_among(media: str, patterns: Iterable[str]) -> bool:
    wide = media.partition("/")[0] + "/*"
    return any(pattern.lower() in (media, wide, "*/*") for pattern in patterns)


def _field(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is no header field")
    printed = name.strip().encode("ascii")
    return canonical(printed), line(printed, value.strip().encode())
