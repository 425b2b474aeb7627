"""Names: recipients and contacts as an operator writes them."""

from typing import Final

from msilod.errors import MsilodError, SipError
from msilod.registrar.location import LocationService
from msilod.routing.myself import Myself
from msilod.sip.uri import SipUri

USAGE: Final = 2


class DumpRefused(MsilodError):
    """A dump that does not say enough; the command line exits with 2."""

    exit_code = USAGE


def check_contact(to: str) -> None:
    """Raises DumpRefused for a contact that is no SIP URI."""
    try:
        SipUri.parse(to)
    except SipError as error:
        raise DumpRefused(f"--to {to!r}: {error.phrase.lower()}; write sip:user@host:port") from error


class Names:
    """Reads names by the domains and the bindings of the daemon."""

    def __init__(self, myself: Myself, location: LocationService) -> None:
        self._myself = myself
        self._location = location

    def aor(self, text: str) -> str:
        """The AOR that `text` means. Raises DumpRefused."""
        try:
            return self._myself.mailbox(text)
        except ValueError as error:
            raise DumpRefused(str(error)) from error

    def aor_of_contact(self, contact: str | None) -> str:
        """The AOR that a `--to` without a user means (interface.md, dump). Raises DumpRefused, MalformedMessage."""
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
        raise DumpRefused(f"{contact} belongs to {', '.join(bound)}; name one of them as well")
