"""Names: finds the mailbox for an address on the command line.

Addresses are read by the daemon's own function for URIs (msilod/routing/domains.py). The function needs the domains,
addresses and ports of the server:

1. For `user@domain` with a domain of `domains` in msilod.toml the configuration is enough.
2. For other words a running daemon is asked once for domains, addresses and ports.
3. Without a daemon, `domains` and `[listen]` of the configuration are used. A wildcard listener has no address, and
   port 0 is unknown.
"""

from collections.abc import Callable
from typing import Any, Final

from msilod.registrar.gruu import PARAMETER, Gruus
from msilod.routing.aliases import Aliases
from msilod.routing.domains import Domains
from msilod.settings import Settings

_WILDCARDS: Final = ("0.0.0.0", "::")
# Characters of a port, a GRUU or an address. Only a running daemon knows all of these.
_SPECIAL: Final = frozenset(":;[]")


class Names:
    """Reads addresses. `ask` returns the result of the control method `names`, None without a daemon.

    `secret` returns the key of the daemon's GRUUs, b"" without one.
    """

    def __init__(
        self, settings: Settings, ask: Callable[[], dict[str, Any] | None], secret: Callable[[], bytes]
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._secret = secret
        self._aliases = Aliases(settings.config.aliases)
        self._configured = Domains(settings.config.domains, self._aliases)
        self._all: Domains | None = None
        # True when a daemon has told its domains.
        self._answered = False

    def mailbox(self, word: str) -> str:
        """The AOR named by `word`; `user@host` for a foreign domain. Raises ValueError with a text for the user."""
        user, at, host = word.strip(" ").removeprefix("sip:").rpartition("@")
        is_plain = bool(at) and not (_SPECIAL & set(user)) and not (_SPECIAL & set(host))
        if is_plain and self._configured.serves(host):
            return self._configured.mailbox(word)
        found = self._domains(word).mailbox(word)
        if not self._settings.config.domains and self._aliases:
            # Without `domains` any domain may be served (msilod start --domain).
            return self._aliases.resolve(found)
        return found

    def sender(self, word: str) -> str:
        """The `sender` in rows of messages from `word`."""
        raw = word.encode("utf-8", "backslashreplace")
        return self._domains(word).identify(raw).name

    def check_served(self, aor: str) -> None:
        """Raises ValueError when the domain of `aor` is no domain of this server, as far as these are known here."""
        host = aor.rpartition("@")[2]
        if self._configured.serves(host):
            return
        known = self._domains(aor)
        # Without a daemon, domains may be named by `msilod start --domain` only.
        if not known.serves(host) and (self._settings.config.domains or self._answered):
            raise ValueError(f"{host} is not served here; the domains are {', '.join(known.domains)}")

    def _domains(self, word: str) -> Domains:
        if self._all is None:
            self._all = self._known()
        if f";{PARAMETER}" in word and self._all.gruus is None:
            secret = self._secret()
            self._all.gruus = Gruus(secret) if secret else None
        return self._all

    def _known(self) -> Domains:
        answer = self._ask()
        self._answered = answer is not None
        if answer is not None:
            return Domains(answer["domains"], self._aliases, (), answer["addresses"], answer["ports"])
        specs = self._settings.listeners
        hosts = [spec.host for spec in specs]
        ports = None if any(spec.port == 0 for spec in specs) else [spec.port for spec in specs]
        addresses = [host for host in hosts if host not in _WILDCARDS]
        return Domains(self._settings.config.domains, self._aliases, hosts, addresses, ports)
