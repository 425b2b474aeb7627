"""Names: which mailbox an address on the command line names.

The words are read by the function that the daemon reads URIs with (msilod/routing/domains.py), so that both agree.
The function needs the domains, the addresses and the ports of the server:

1. `user@domain`, the domain being one of `domains` in msilod.toml: the configuration is enough.
2. For other words a running daemon is asked once for its domains, addresses and ports.
3. Without a daemon they are taken from `domains` and `[listen]` of the configuration. A wildcard listener has no
address of its
   own, and a port 0 is not known.
"""

from collections.abc import Callable
from typing import Any, Final

from msilod.registrar.gruu import PARAMETER, Gruus
from msilod.routing.aliases import Aliases
from msilod.routing.domains import Domains
from msilod.settings import Settings

_WILDCARDS: Final = ("0.0.0.0", "::")
# Characters that may mean a port, a GRUU or an address. Only a daemon knows all of its own.
_SPECIAL: Final = frozenset(":;[]")


class Names:
    """`ask` returns the answer of the control method `names`, None without a daemon; `secret` the key of its GRUUs."""

    def __init__(
        self, settings: Settings, ask: Callable[[], dict[str, Any] | None], secret: Callable[[], bytes]
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._secret = secret
        self._aliases = Aliases(settings.config.aliases)
        self._configured = Domains(settings.config.domains, self._aliases)
        self._all: Domains | None = None

    def mailbox(self, word: str) -> str:
        """The AOR that `word` names; `user@host` where it is not ours. Raises ValueError in plain words."""
        user, at, host = word.strip(" ").removeprefix("sip:").rpartition("@")
        is_plain = bool(at) and not (_SPECIAL & set(user)) and not (_SPECIAL & set(host))
        if is_plain and self._configured.serves(host):
            return self._configured.mailbox(word)
        found = self._domains(word).mailbox(word)
        if not self._settings.config.domains and self._aliases:
            # A daemon that is not running may serve any domain (msilod start --domain).
            return self._aliases.resolve(found)
        return found

    def sender(self, word: str) -> str:
        """The sender in the row of a message from `word`."""
        raw = word.encode("utf-8", "backslashreplace")
        return self._domains(word).identify(raw).name

    def _domains(self, word: str) -> Domains:
        if self._all is None:
            self._all = self._known()
        if f";{PARAMETER}" in word and self._all.gruus is None:
            secret = self._secret()
            self._all.gruus = Gruus(secret) if secret else None
        return self._all

    def _known(self) -> Domains:
        told = self._ask()
        if told is not None:
            return Domains(told["domains"], self._aliases, (), told["addresses"], told["ports"])
        specs = self._settings.listeners
        hosts = [spec.host for spec in specs]
        ports = None if any(spec.port == 0 for spec in specs) else [spec.port for spec in specs]
        addresses = [host for host in hosts if host not in _WILDCARDS]
        return Domains(self._settings.config.domains, self._aliases, hosts, addresses, ports)
