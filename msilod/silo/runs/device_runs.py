"""Devices: with [silo] devices = "each" a message goes once to every device of its recipient.

Rules: a device is its +sip.instance (RFC 5626), else its Contact URI. Each device has a delivery run of its own, so
that its back-off, its refusals and its order are its own; a run is named by its recipient, or by recipient and
device.
"""

from collections.abc import Iterable
from typing import Final

from msilod.registrar.binding import Binding

# In no AOR and in no name of a device.
_SEPARATOR: Final = "\n"


def device_of(binding: Binding) -> str:
    """The name that is kept with a message that it has taken."""
    return binding.instance or binding.contact


def run_name(binding: Binding) -> str:
    """The run of one device."""
    return f"{binding.aor}{_SEPARATOR}{device_of(binding)}"


def parts(name: str) -> tuple[str, str]:
    """AOR and device of a run; the device is "" where a run is for all of them."""
    aor, _, device = name.partition(_SEPARATOR)
    return aor, device


def is_for_device(name: str) -> bool:
    """True for the run of one device."""
    return _SEPARATOR in name


def by_run(bindings: Iterable[Binding]) -> dict[str, list[Binding]]:
    """The bindings of each device, under the name of its run."""
    found: dict[str, list[Binding]] = {}
    for binding in bindings:
        found.setdefault(run_name(binding), []).append(binding)
    return found


def recipients(names: Iterable[str]) -> list[str]:
    """Whose runs these are, each once, in order."""
    return list(dict.fromkeys(name.partition(_SEPARATOR)[0] for name in names))
