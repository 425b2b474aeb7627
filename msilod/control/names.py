"""Names: reads recipients and contacts in the spelling of operators."""

from typing import Final

from msilod.errors import MsilodError, SipError
from msilod.registrar.location import LocationService
from msilod.routing.myself import Myself
from msilod.sip.uri import SipUri

USAGE: Final = 2


class DumpRefused(MsilodError):
    """A dump without a clear recipient; the command line exits with 2."""

    exit_code = USAGE


def matches(pattern: str, aor: str) -> bool:
    """True when `aor` is `pattern`, where `*` stands for any text; letters match in both cases, as in the queue."""
    first, *others = pattern.lower().split("*")
    aor = aor.lower()
    if not others:
        return aor == first
    last = others.pop()
    if not aor.startswith(first):
        return False
    start = len(first)
    for text in others:
        found = aor.find(text, start)
        if found < 0:
            return False
        start = found + len(text)
    return len(aor) - len(last) >= start and aor.endswith(last)


def check_contact(to: str) -> None:
    """Check that `to` is a SIP URI. Raises DumpRefused."""
    try:
        SipUri.parse(to)
    except SipError as error:
        raise DumpRefused(f"--to {to!r}: {error.phrase.lower()}; write sip:user@host:port") from error


class Names:
    """Reads names with the domains and the bindings of the daemon."""

    def __init__(self, myself: Myself, location: LocationService) -> None:
        self._myself = myself
        self._location = location

    def aor(self, text: str) -> str:
        """The AOR named by `text`. Raises DumpRefused."""
        try:
            return self._myself.mailbox(text)
        except ValueError as error:
            raise DumpRefused(str(error)) from error

    def aor_of_row(self, text: str) -> str:
        """The AOR named by `text`; `text` as it is when the address cannot be read: a row can have any AOR."""
        try:
            return self._myself.mailbox(text)
        except ValueError:
            return text

    def aor_of_contact(self, contact: str | None) -> str:
        """The AOR for a `--to` without a recipient: an AOR of ours, or the only user registered at the contact.

        Raises DumpRefused, MalformedMessage.
        """
        if not contact:
            raise DumpRefused("dump needs a recipient or --to CONTACT")
        named = self._myself.named(contact.encode("ascii", "backslashreplace"))
        if named.aor:
            return named.aor
        bound = sorted(self._location.aors_for_contact(contact))
        if len(bound) == 1:
            return bound[0]
        if not bound:
            raise DumpRefused(f"nobody is registered at {contact}; name the recipient as well")
        raise DumpRefused(f"{contact} belongs to {', '.join(bound)}; name one recipient as well")
