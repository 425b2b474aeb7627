"""Listeners: opens the listeners of the configuration, and reads the certificates.

Certificates are read before any listener opens, and before a reload changes anything. A fault in a certificate is a
ConfigError with file, line and key.
"""

import resource
from pathlib import Path
from typing import Final

from msilod.config import Config
from msilod.errors import ConfigError, UnavailableError
from msilod.settings import Settings, complaint
from msilod.transport.listen import SECURE
from msilod.transport.streams import RESERVED_FILES, Limits
from msilod.transport.tls import BadTlsFile, Certificates, load_certificates
from msilod.transport.transports import Transports

# Open files. A start takes 24, for listeners, silo, writer and event loop. The others are for connections.
FEWEST_FILES: Final = 64


def open_transports(settings: Settings, certificates: Certificates | None) -> Transports:
    """Bind all listeners. `certificates` are None without [tls]. Raises UnavailableError."""
    limits = stream_limits(settings.config)
    return Transports(settings.listeners, certificates, settings.config.listen.ws_origins, limits)


def read_certificates(settings: Settings) -> Certificates | None:
    """Read the certificates of [tls]; None without a `certificate` and without a TLS or WSS listener.

    Raises ConfigError.
    """
    tls = settings.config.tls
    if not tls.certificate:
        secure = [spec for spec in settings.listeners if spec.transport in SECURE]
        if secure:
            raise ConfigError(
                complaint(settings, "tls.certificate", f"{secure[0]} needs one; write the path of a PEM file")
            )
        return None
    certificate = _path(settings, tls.certificate)
    key = _path(settings, tls.private_key) if tls.private_key else certificate
    try:
        return load_certificates(certificate, key, _path(settings, tls.ca) if tls.ca else None)
    except BadTlsFile as error:
        raise ConfigError(complaint(settings, f"tls.{error.key}", str(error))) from error


def check_validity(settings: Settings, found: Certificates | None, system: float) -> str:
    """The line about a certificate that is not valid at `system`, in seconds since 1970; "" if there is none."""
    fault = found.fault(system) if found is not None else ""
    return fault and complaint(settings, "tls.certificate", fault)


def stream_limits(config: Config) -> Limits:
    """The limits of [listen]: connections in all and per address, and idle seconds.

    The number of connections is at most the number of files that the process may open.
    """
    listen = config.listen
    room = max(1, _files() - RESERVED_FILES)
    return Limits(
        connections=min(listen.max_connections, room),
        per_address=listen.max_per_address,
        idle=listen.idle_timeout,
    )


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit, since each connection is a file.

    Raises UnavailableError when fewer than FEWEST_FILES are allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if _files() < FEWEST_FILES:
        raise UnavailableError(
            f"only {_files()} files may be open, msilod needs {FEWEST_FILES} "
            "(raise ulimit -n, or LimitNOFILE of the unit)"
        )


def _files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def _path(settings: Settings, text: str) -> Path:
    """A relative path is relative to the configuration file's folder."""
    return settings.file.parent / text if settings.file is not None else Path(text)
