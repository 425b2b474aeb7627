"""Reload: reads the configuration again, for HUP and for the control method `reload`.

A missing, empty, unreadable or wrong configuration is refused, and the configuration in force stays. An empty file may
be in the middle of a save; a missing file may be a mistake; the built-in defaults have no domains.
"""

from collections.abc import Callable
from typing import Any

from msilod.daemon.daemon import Daemon
from msilod.daemon.listeners import check_validity, read_certificates, stream_limits
from msilod.daemon.parts import Parts
from msilod.daemon.policies import log_policy_fault
from msilod.errors import ConfigError, MsilodError
from msilod.log import get_log
from msilod.routing.policy_file import load_policy
from msilod.settings import Settings, check_doors
from msilod.transport.tls import Certificates


class Reload:
    """A callable without arguments. `started_with`: the settings of the open listeners, silo and control socket."""

    def __init__(
        self, daemon: Daemon, parts: Parts, started_with: Settings, read_again: Callable[[], Settings]
    ) -> None:
        self._daemon = daemon
        self._parts = parts
        self._started_with = started_with
        self._in_force = started_with
        self._read_again = read_again

    def __call__(self) -> dict[str, Any]:
        """Take over the file. Returns under `wants_restart` the changed keys without effect before a restart.

        Raises MsilodError; then nothing has changed.
        """
        try:
            settings = self._read()
            users = self._parts.members.users
            check_doors(settings, lambda: users.existed or not users.is_readable)
            certificates = read_certificates(settings)
            fault = self._check_validity(settings, certificates)
            policy = load_policy(settings.routing, log_policy_fault)
        except MsilodError as error:
            get_log().error("not reloaded, the old configuration stays", reason=str(error))
            raise
        if fault:
            get_log().warning("clients will refuse the certificate", reason=fault)
        self._daemon.reload(settings.config, policy)
        transports = self._parts.transports
        transports.configure(
            certificates or transports.certificates,
            settings.config.listen.ws_origins,
            stream_limits(settings.config),
        )
        self._in_force = settings
        later = self._wants_restart(settings)
        get_log().info(
            "reloaded", file=settings.file or "defaults", wants_a_restart=" ".join(later) or "nothing"
        )
        return {"wants_restart": later}

    def _check_validity(self, settings: Settings, certificates: Certificates | None) -> str:
        """The line about a certificate that is not valid now, "" if there is none.

        Raises ConfigError when the certificate in force is valid.
        """
        system, in_force = self._parts.clock.system(), self._parts.transports.certificates
        fault = check_validity(settings, certificates, system)
        if fault and in_force is not None and not in_force.fault(system):
            raise ConfigError(fault)
        return fault

    def _read(self) -> Settings:
        try:
            settings = self._read_again()
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        check_still_there(self._in_force, settings)
        return settings

    def _wants_restart(self, settings: Settings) -> list[str]:
        started = self._started_with
        return [
            name
            for name, is_same in (
                ("listen", settings.listeners == started.listeners),
                ("db_url", settings.silo == started.silo),
                ("control.socket", settings.socket == started.socket),
                ("metrics.listen", settings.config.metrics == started.config.metrics),
            )
            if not is_same
        ]


def check_still_there(in_force: Settings, found: Settings) -> None:
    """Raise ConfigError when the file in force is missing, or has no key any more."""
    if in_force.file is None:
        return
    if found.file != in_force.file and not in_force.file.is_file():
        raise ConfigError(
            f"{in_force.file}: there is no such file any more; put it back, or restart without it"
        )
    if in_force.has_keys and not found.has_keys:
        raise ConfigError(
            f"{found.file}: has no key any more; write the configuration, or restart for the defaults"
        )
