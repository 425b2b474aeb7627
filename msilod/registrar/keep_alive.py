"""KeepAlives: which contacts behind NAT are to be pinged when, and which of them are away.

Rules: a wheel of slots turns once in a period. Each contact is in one slot, and the contacts are spread evenly,
so that 100,000 contacts are 4,000 a second and no burst. Nothing is scheduled or cancelled: a slot that has its turn
is looked through, and ended bindings leave it.

A contact that has answered before and leaves three requests in a row unanswered is away. A REGISTER brings it back
without a call in here, since the state remembers which REGISTER it is about: a refresh pays nothing for that.
`LocationService.away` has the AORs with a contact that is away, and perhaps some more.
Times are monotonic seconds (`now`) and UTC seconds (`wall`).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService

# Unanswered requests in a row.
MISSED: Final = 3
SLOTS_PER_SECOND: Final = 20
MAX_SLOTS: Final = 2000
# A new contact is not pinged in the first fifth of the period: its REGISTER has just opened the way.
FIRST_PART: Final = 5
# After a pause of the process overdue requests go in portions, with other work between them.
MAX_AT_ONCE: Final = 2000
# Seconds.
ROUNDING: Final = 0.001
# Consecutive multiples of the golden ratio are spread evenly over a circle, however many there are.
GOLDEN: Final = 0.618033988749895


class KeepAlives:
    """The wheel. `period` seconds for a turn; 0: there is none, and no contact is away."""

    __slots__ = ("_count", "_location", "_position", "_slots", "_width")

    def __init__(self, location: LocationService) -> None:
        self._location = location
        self._slots: list[dict[int, Binding]] = []
        self._width = 0.0
        self._position = 0
        self._count = 0

    def configure(self, period: int, bindings: Iterable[Binding], now: float, wall: float) -> list[str]:
        """Turn once in `period` from now on, with these bindings spread over the whole of it.

        Returns the AORs of which a contact is no longer known to be away, when `period` is 0.
        """
        number = min(period * SLOTS_PER_SECOND, MAX_SLOTS)
        self._slots = [{} for _ in range(number)]
        if not number:
            back = list(self._location.away)
            self._location.away.clear()
            for binding in bindings:
                if binding.pings is not None:
                    binding.pings.is_away = False
                    binding.pings.missed = 0
                    binding.pings.token = b""
                    binding.pings.serial = -1
            return back
        self._width = period / number
        self._position = int(now / self._width)
        for binding in bindings:
            if binding.pings is not None:
                self._enter(binding, 0)
        return []

    def watch(self, bindings: Sequence[Binding], now: float) -> None:
        """A REGISTER was served: ping these of its bindings that need it. A contact that is in a slot stays there."""
        for binding in bindings:
            state = binding.pings
            if state is None or not self._slots:
                continue
            if state.serial < 0:
                passed = max(int(now / self._width) - self._position, 0)
                self._enter(binding, passed + len(self._slots) // FIRST_PART)
            else:
                self._slots[state.serial % len(self._slots)][state.serial] = binding

    def forget(self, bindings: Sequence[Binding], wall: float) -> None:
        """These were removed."""
        for binding in bindings:
            state = binding.pings
            if state is not None and state.serial >= 0 and self._slots:
                self._slots[state.serial % len(self._slots)].pop(state.serial, None)
                state.serial = -1
                self._settle(binding.aor, wall)

    def _enter(self, binding: Binding, first: int) -> None:
        """Put it into a slot, at least `first` slots from now."""
        number = len(self._slots)
        first = min(first, number - 1)
        self._count += 1
        ahead = first + int(self._count * GOLDEN % 1.0 * (number - first))
        slot = (self._position + 1 + ahead) % number
        # The number says where it lies, and is never the same for two.
        serial = self._count * number + slot
        assert binding.pings is not None
        binding.pings.serial = serial
        self._slots[slot][serial] = binding

    # --- the turn --------------------------------------------------------------------------------------

    def until_next(self, now: float) -> float | None:
        """Seconds until a slot with something in it has its turn; a fifth of the period at most, None for no wheel.

        Nothing comes nearer than that meanwhile, so that the caller may sleep so long.
        """
        number = len(self._slots)
        if not number:
            return None
        most = max(number // FIRST_PART, 1)
        ahead = 1
        while ahead < most and not self._slots[(self._position + ahead) % number]:
            ahead += 1
        # The slot has begun then, however the division in `due` is rounded.
        return max((self._position + ahead) * self._width - now, 0.0) + ROUNDING

    def due(self, now: float, wall: float) -> tuple[list[Binding], list[Binding]]:
        """(bindings to ping now, those of them that are away from now on).

        About MAX_AT_ONCE at most; `until_next` is ROUNDING while more are overdue.
        """
        due: list[Binding] = []
        gone: list[Binding] = []
        number = len(self._slots)
        if not number:
            return due, gone
        reached = int(now / self._width)
        # After a long pause each slot has one turn, not several.
        self._position = max(self._position, reached - number)
        while self._position < reached and len(due) < MAX_AT_ONCE:
            self._position += 1
            slot = self._slots[self._position % number]
            for serial, binding in list(slot.items()):
                if binding.expires_at <= wall or not self._location.is_current(binding):
                    self._drop(slot, serial, binding, wall)
                    continue
                if self._judge(binding, wall):
                    gone.append(binding)
                due.append(binding)
        return due, gone

    def _judge(self, binding: Binding, wall: float) -> bool:
        """Count the last request if it had no answer. True when the binding is away from now on."""
        state = binding.pings
        assert state is not None
        if state.registered_at != binding.registered_at:
            # The phone has registered since.
            state.registered_at = binding.registered_at
            state.missed = 0
            if state.is_away:
                state.is_away = False
                self._settle(binding.aor, wall)
        elif state.token:
            state.missed += 1
            if state.missed >= MISSED and state.has_answered and not state.is_away:
                state.is_away = True
                self._location.away.add(binding.aor)
                return True
        return False

    def _drop(self, slot: dict[int, Binding], serial: int, binding: Binding, wall: float) -> None:
        del slot[serial]
        state = binding.pings
        if state is not None and state.serial == serial:
            state.serial = -1
        self._settle(binding.aor, wall)

    def _settle(self, aor: str, wall: float) -> None:
        """Look whether a contact of `aor` is still away."""
        away = self._location.away
        if aor in away and not any(b.is_away for b in self._location.bindings(aor, wall)):
            away.discard(aor)

    # --- answers ---------------------------------------------------------------------------------------

    def answered(self, serial: int, token: bytes, wall: float) -> Binding | None:
        """An answer with this number and token has come. The binding when it was away and is back.

        An answer counts once, and only with the token of the last request.
        """
        if serial < 0 or not token or not self._slots:
            return None
        binding = self._slots[serial % len(self._slots)].get(serial)
        state = binding.pings if binding is not None else None
        if binding is None or state is None or state.token != token:
            return None
        state.token = b""
        state.missed = 0
        state.has_answered = True
        state.heard_at = wall
        if not state.is_away:
            return None
        was_away = binding.is_away
        state.is_away = False
        self._settle(binding.aor, wall)
        return binding if was_away else None

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots)
