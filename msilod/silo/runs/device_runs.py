"""Device runs: the names of runs when every device gets every message ([silo] devices = "each").

A device is a +sip.instance (RFC 5626), or without one a Contact URI. Each device has a delivery run with a back-off,
refusals and an order of rows of its own. The name of a run is the AOR, or the AOR and the device.
"""

from collections.abc import Iterable
from typing import Final

from msilod.registrar.binding import Binding

# Part of no AOR and of no device name.
_SEPARATOR: Final = "\n"


def device_of(binding: Binding) -> str:
    """The name of the device, stored with each message accepted by the device."""
    return binding.instance or binding.contact


def run_name(binding: Binding) -> str:
    """The name of the run of one device."""
    return f"{binding.aor}{_SEPARATOR}{device_of(binding)}"


def parts(name: str) -> tuple[str, str]:
    """The AOR and the device in the name of a run. The device is "" for a run of all devices."""
    aor, _, device = name.partition(_SEPARATOR)
    return aor, device


def is_for_device(name: str) -> bool:
    """True for the name of one device's run."""
    return _SEPARATOR in name


def by_run(bindings: Iterable[Binding]) -> dict[str, list[Binding]]:
    """The bindings of each device, by the name of the run."""
    found: dict[str, list[Binding]] = {}
    for binding in bindings:
        found.setdefault(run_name(binding), []).append(binding)
    return found


def recipients(names: Iterable[str]) -> list[str]:
    """The AORs in the names of runs, in order, without duplicates."""
    return list(dict.fromkeys(name.partition(_SEPARATOR)[0] for name in names))
