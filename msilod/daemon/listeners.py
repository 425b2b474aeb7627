"""Opening the listeners: what the configuration says of them, in the words of the transport room.

Rule: certificates are read before anything listens and before a reload changes anything; what is wrong with
one is a ConfigError that names file, line and key.
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

# A start takes 24: listeners, the silo, its writer, the event loop. The rest is for connections.
FEWEST_FILES: Final = 64


def open_transports(settings: Settings, certificates: Certificates | None) -> Transports:
    """Bind all listeners. Raises UnavailableError."""
    limits = stream_limits(settings.config)
    return Transports(settings.listeners, certificates, settings.config.listen.ws_origins, limits)


def read_certificates(settings: Settings) -> Certificates | None:
    """The certificates of [tls]; None when none are named, and none are needed. Raises ConfigError."""
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


def stream_limits(config: Config) -> Limits:
    """How many connections, and how long they may idle; never more than the process may have files."""
    listen = config.listen
    room = max(1, _files() - RESERVED_FILES)
    return Limits(
        connections=min(listen.max_connections, room),
        per_address=listen.max_per_address,
        idle=listen.idle_timeout,
    )


def raise_file_limit() -> None:
    """As many files as the administrator allows: every connection is one. Raises UnavailableError for too few."""
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
