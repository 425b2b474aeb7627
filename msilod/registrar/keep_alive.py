"""KeepAlives: schedules the pings to contacts behind NAT, and finds contacts without answers.

Rules: a wheel of slots turns once in a period. Each contact is in one slot, and the contacts are spread evenly: 100,000
contacts make 4,000 pings a second without bursts. No contact has a timer of its own. When a slot has its turn, all
contacts in the slot are looked at, and ended bindings are dropped.

A contact is away when the contact has answered before and then leaves three requests in a row unanswered. A REGISTER
ends this state without a call of this module: PingState records the time of the REGISTER that the state belongs to. So
a refresh pays nothing. `LocationService.away` has all AORs with a contact in this state, and perhaps more AORs.
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
# A new contact is not pinged in the first fifth of the period: the REGISTER has just opened the NAT.
FIRST_PART: Final = 5
# After a pause of the process, overdue requests go in portions, with other work in between.
MAX_AT_ONCE: Final = 2000
# Seconds.
ROUNDING: Final = 0.001
# Consecutive multiples of the golden ratio are spread evenly over a circle, for any number of multiples.
GOLDEN: Final = 0.618033988749895


class KeepAlives:
    """The wheel. `period` is the seconds of a turn. With period 0 there are no pings, and no contact is away."""

    __slots__ = ("_away", "_count", "_location", "_position", "_slots", "_width")

    def __init__(self, location: LocationService) -> None:
        self._location = location
        self._away = location.away
        self._slots: list[dict[int, Binding]] = []
        self._width = 0.0
        self._position = 0
        self._count = 0

    def configure(self, period: int, bindings: Iterable[Binding], now: float, wall: float) -> list[str]:
        """Turn once in `period` seconds from now on, with `bindings` spread over the whole turn.

        Returns the AORs with a contact away until now when `period` is 0, else an empty list.
        """
        number = min(period * SLOTS_PER_SECOND, MAX_SLOTS)
        self._slots = [{} for _ in range(number)]
        if not number:
            back = list(self._away)
            self._away.clear()
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
        """Ping those bindings of a served REGISTER with `pings`. A contact with a slot keeps the slot."""
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
        """Stop pinging removed bindings."""
        for binding in bindings:
            state = binding.pings
            if state is not None and state.serial >= 0 and self._slots:
                self._slots[state.serial % len(self._slots)].pop(state.serial, None)
                state.serial = -1
                self._settle(binding.aor, wall)

    def _enter(self, binding: Binding, first: int) -> None:
        """Put a binding into a slot, at least `first` slots from now."""
        number = len(self._slots)
        first = min(first, number - 1)
        self._count += 1
        ahead = first + int(self._count * GOLDEN % 1.0 * (number - first))
        slot = (self._position + 1 + ahead) % number
        # The serial number is unique and gives the slot.
        serial = self._count * number + slot
        assert binding.pings is not None
        binding.pings.serial = serial
        self._slots[slot][serial] = binding

    # --- the turn --------------------------------------------------------------------------------------

    def until_next(self, now: float) -> float | None:
        """Return the seconds until a slot with a binding has its turn, None without a wheel.

        At most a fifth of the period. No binding gets a nearer slot in the meantime: the caller may sleep so long.
        """
        number = len(self._slots)
        if not number:
            return None
        most = max(number // FIRST_PART, 1)
        ahead = 1
        while ahead < most and not self._slots[(self._position + ahead) % number]:
            ahead += 1
        # ROUNDING ensures that the slot has begun, in spite of the rounding in `due`.
        return max((self._position + ahead) * self._width - now, 0.0) + ROUNDING

    def due(self, now: float, wall: float) -> tuple[list[Binding], list[Binding]]:
        """Return (bindings to ping now, those of them away from now on).

        At most about MAX_AT_ONCE bindings are returned. `until_next` returns ROUNDING while more bindings are overdue.
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
        """Count the last request when the request had no answer. Return True when the binding is away from now on."""
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
                self._away.add(binding.aor)
                return True
        return False

    def _drop(self, slot: dict[int, Binding], serial: int, binding: Binding, wall: float) -> None:
        del slot[serial]
        state = binding.pings
        if state is not None and state.serial == serial:
            state.serial = -1
        self._settle(binding.aor, wall)

    def _settle(self, aor: str, wall: float) -> None:
        """Remove `aor` from `LocationService.away`, unless a contact is still away."""
        if aor in self._away and not any(b.is_away for b in self._location.bindings(aor, wall)):
            self._away.discard(aor)

    # --- answers ---------------------------------------------------------------------------------------

    def answered(self, serial: int, token: bytes, wall: float) -> Binding | None:
        """Record an answer with this number and token. Return the binding when the contact was away and is back.

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
