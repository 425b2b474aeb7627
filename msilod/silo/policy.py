"""SiloPolicy: the [silo] keys of msilod.toml, as the decisions of this room need them.

Rule: plain data; config reads and explains the keys, this file only refuses what no decision could use.
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
    """What an operator decides. Times in seconds, sizes in bytes.

    `mode` is m_store's (0, 1, 2); `attempts` counts answered failures, and UNCOUNTED does not; `retry` is the
    back-off of a recipient who stays registered, its last step repeats; `registrar` the notice's sender, empty for
    no notices; `next_hop` an outbound proxy for deliveries and notices, `next_hop_kind` what a 2xx through any next
    hop is worth: PROXY, the device's own; B2BUA, the hop's.

    `accept_types` and `refuse_types` are media types or `type/*`; nothing accepted by name: everything is.
    `notice_period` is between two notices to one sender about one recipient; `failure_notice` is empty for none;
    `imdn`: receipts are sent to who asks for them (RFC 5438). `add_date`, `add_contact`, `use_contact` and
    `extra_hdrs` (`Name: value`) are msilo's. `due_header` names the header field that schedules a message.
    `devices`: FIRST_DEVICE, the first 2xx ends a row; EACH_DEVICE, every device gets it.
    Raises ValueError for an empty or not positive `retry`, a `registrar` without user and host, and a line in
    `extra_hdrs` that is no header field.
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
        """Derive and check."""
        if not self.retry or min(self.retry) <= 0:
            raise ValueError("retry needs at least one step, each longer than nothing")
        if self.registrar:
            object.__setattr__(self, "registrar_aor", parse_aor(self.registrar))
        object.__setattr__(self, "extra_fields", tuple(map(_field, self.extra_hdrs)))
        object.__setattr__(self, "due_field", canonical(self.due_header.encode("ascii")))
        object.__setattr__(self, "is_for_each", self.devices == EACH_DEVICE)
        object.__setattr__(self, "is_choosy", bool(self.accept_types or self.refuse_types))
        is_changed = self.add_date or self.add_contact or bool(self.extra_hdrs)
        object.__setattr__(self, "serves_old_phones", is_changed)

    def backoff(self, stops: int) -> int:
        """The pause after `stops` earlier stops of the same recipient, seconds."""
        return self.retry[min(stops, len(self.retry) - 1)]

    def takes(self, types: Iterable[bytes]) -> bool:
        """True when the first of these media types (lower case) may be kept, and nothing refuses any of them.

        They are a message's own type and, behind it, what it wraps.
        """
        media = [name.decode("ascii", "replace") for name in types]
        if any(_is_among(name, self.refuse_types) for name in media):
            return False
        return not self.accept_types or _is_among(media[0], self.accept_types)

    @property
    def accept(self) -> bytes:
        """What is kept, as the value of an Accept header (RFC 3261 §20.1)."""
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
