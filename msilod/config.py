"""The configuration: every key of msilod.toml(5), its default, and where files and state lie.

Rules: an unknown key or a bad value is one line that names file, line and key, what is wrong and what would be
right. Options win over the environment, that over the file, that over the defaults. What a later version will
serve is refused here (UNSUPPORTED), never silently ignored.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from msilod.errors import ConfigError
from msilod.sip.uri import SipUri, parse_aor
from msilod.transport.listen import ListenSpec, parse_address, parse_spec

ETC: Final = Path("/etc/msilod/msilod.toml")
Seconds = Annotated[int, Meta(ge=1, le=2**31)]
Count = Annotated[int, Meta(ge=1, le=2**31)]


class ListenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[listen]."""

    udp: list[str] = field(default_factory=lambda: ["127.0.0.1:5060"])
    tcp: list[str] = field(default_factory=lambda: ["127.0.0.1:5060"])
    tls: list[str] = field(default_factory=list)
    ws: list[str] = field(default_factory=list)
    wss: list[str] = field(default_factory=list)
    ws_origins: list[str] = field(default_factory=list)


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[tls]."""

    certificate: str = ""
    private_key: str = ""


class AuthConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[auth]."""

    mode: Literal["auto", "off", "required"] = "auto"
    realm: str = ""
    inbound: Literal["nobody", "trusted", "anybody"] = "nobody"
    algorithms: list[str] = field(default_factory=lambda: ["SHA-256", "MD5"])


class RegistrarConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[registrar]."""

    default_expires: Seconds = 3600
    min_expires: Seconds = 60
    max_expires: Seconds = 86400
    max_contacts: Annotated[int, Meta(ge=1, le=100)] = 10


class ProxyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[proxy]."""

    max_forwards: Annotated[int, Meta(ge=1, le=255)] = 70
    fr_timer: Annotated[float, Meta(gt=0, lt=32)] = 10
    fr_inv_timer: Seconds = 185
    relay: Literal["users", "nobody", "anybody"] = "users"


class SiloConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[silo]."""

    mode: Literal[0, 1, 2] = 0
    next_hop: str = ""
    next_hop_kind: Literal["proxy", "b2bua"] = "proxy"
    call_id: Literal["keep", "new"] = "keep"
    attempts: Count = 10
    registrar: str = ""
    notice: str = "User [{recipient}] is offline. The message will be delivered when user goes online."
    expire_time: Seconds = 259200
    check_time: Seconds = 30
    clean_period: Count = 5
    retry: Annotated[list[Seconds], Meta(min_length=1, max_length=64)] = field(
        default_factory=lambda: [60, 300, 900, 3600]
    )
    max_messages: Count = 1000
    max_bytes: Count = 10_000_000
    max_body: Annotated[int, Meta(ge=1, le=1_000_000)] = 65536


class ControlConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[control]."""

    socket: str = ""


class MetricsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """[metrics]."""

    listen: str = ""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    domains: list[str] = field(default_factory=list)
    db_url: str = "sqlite:///silo.db"
    db_table: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,47}$")] = "silo"
    drain: Annotated[float, Meta(ge=0, le=600)] = 10
    trusted: list[str] = field(default_factory=list)
    routing: str = ""
    listen: ListenConfig = field(default_factory=ListenConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    registrar: RegistrarConfig = field(default_factory=RegistrarConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    silo: SiloConfig = field(default_factory=SiloConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)


# Keys that must keep their defaults until the part that serves them is here: key, and what serves meanwhile.
UNSUPPORTED: Final = {
    "routing": "the built-in policy routes",
    "trusted": "nobody is challenged yet",
    "listen.tls": "use udp or tcp",
    "listen.ws": "use udp or tcp",
    "listen.wss": "use udp or tcp",
    "listen.ws_origins": "there is no WebSocket listener",
    "tls.certificate": "use udp or tcp",
    "tls.private_key": "use udp or tcp",
    "auth.realm": "there are no users yet",
    "auth.algorithms": "there are no users yet",
    "silo.next_hop_kind": "a 2xx counts as the device's",
    "metrics.listen": "ask msilo status --json",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line of `msilod start` or `msilo` says; None: nothing."""

    domains: Sequence[str] | None = None
    listen: Sequence[str] | None = None
    db_url: str | None = None
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration with all its places resolved."""

    config: Config
    file: Path | None
    silo: Path
    socket: Path
    listeners: tuple[ListenSpec, ...]


def load(path: Path | None, environment: Mapping[str, str], options: Options | None = None) -> Settings:
    """Find, read and check the configuration. Raises ConfigError with its one line."""
    options = options or Options()
    file = find_file(path, environment)
    config = read(file) if file is not None else Config()
    listeners = _listeners(config, options, file)
    if options.domains:
        config = msgspec.structs.replace(config, domains=list(options.domains))
    db_url = options.db_url or environment.get("MSILO_DB_URL") or config.db_url
    config = msgspec.structs.replace(config, db_url=db_url)
    state = state_directory(file, environment)
    silo = _sqlite_path(db_url, state)
    return Settings(config, file, silo, _socket(config, options, file, environment, state), listeners)


def find_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """--config, MSILO_CONFIG, XDG, /etc; None: the defaults. Raises ConfigError for a named one that is not there."""
    named = path or (Path(environment["MSILO_CONFIG"]) if environment.get("MSILO_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"{named}: there is no such file (see --config and MSILO_CONFIG)")
        return named
    for candidate in (_xdg(environment, "XDG_CONFIG_HOME", ".config") / "msilod.toml", ETC):
        if candidate.is_file():
            return candidate
    return None


def _xdg(environment: Mapping[str, str], name: str, fallback: str) -> Path:
    base = environment.get(name)
    return (Path(base) if base else Path(environment.get("HOME") or Path.home()) / fallback) / "msilod"


def _is_system(file: Path | None) -> bool:
    return file == ETC or os.geteuid() == 0


def state_directory(file: Path | None, environment: Mapping[str, str]) -> Path:
    """Where a relative silo lies (interface: $STATE_DIRECTORY, /var/lib/msilod, $XDG_STATE_HOME)."""
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    return (
        Path("/var/lib/msilod") if _is_system(file) else _xdg(environment, "XDG_STATE_HOME", ".local/state")
    )


def _socket(
    config: Config, options: Options, file: Path | None, environment: Mapping[str, str], state: Path
) -> Path:
    named = options.socket or environment.get("MSILO_SOCKET") or config.control.socket
    if named:
        return Path(named)
    if environment.get("RUNTIME_DIRECTORY"):
        return Path(environment["RUNTIME_DIRECTORY"].split(":")[0]) / "control.sock"
    if _is_system(file):
        return Path("/run/msilod/control.sock")
    runtime = environment.get("XDG_RUNTIME_DIR")
    return (Path(runtime) / "msilod" if runtime else state) / "control.sock"


def _sqlite_path(url: str, state: Path) -> Path:
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite":
        raise ConfigError(f"db_url: {scheme or url}: not supported by this version; write sqlite:///PATH")
    path = Path(rest[1:] if rest.startswith("/") else rest)
    if not path.name:
        raise ConfigError(
            "db_url: names no file; write sqlite:///silo.db or sqlite:////var/lib/msilod/silo.db"
        )
    return path if path.is_absolute() else state / path


def read(file: Path) -> Config:
    """Read and check one file. Raises ConfigError."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {_toml_error(str(error))}") from error
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(file, text, str(error))) from error
    for key, problem in problems(config):
        raise ConfigError(f"{file}: {_where(text, key)}{key}: {problem}")
    return config


def _toml_error(message: str) -> str:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message)
    return f"line {found[2]}: {found[1]}; it is not TOML" if found else f"{message}; it is not TOML"


def _explain(file: Path, text: str, message: str) -> str:
    found = re.search(r"^(.*?)(?: - at `\$\.?(.*)`)?$", message)
    what, place = (found[1], found[2] or "") if found else (message, "")
    unknown = re.search(r"unknown field `(.*)`", what)
    if unknown:
        key = f"{place}.{unknown[1]}".lstrip(".")
        close = difflib.get_close_matches(key, list(keys()), 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else "see msilod.toml(5)"
        return f"{file}: {_where(text, key)}{key}: there is no such key; {hint}"
    key = re.sub(r"\[.*?\]", "", place)
    return f"{file}: {_where(text, key)}{key}: {what[:1].lower()}{what[1:]}; {_wanted(key)}"


def _wanted(key: str) -> str:
    defaults = dict(keys())
    return f"the default is {defaults[key]!r}" if key in defaults else "see msilod.toml(5)"


def keys(struct: Struct | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key with its default."""
    for name, value in msgspec.structs.asdict(struct or Config()).items():
        if isinstance(value, Struct):
            yield from keys(value, f"{name}.")
        else:
            yield prefix + name, value


def _where(text: str, key: str) -> str:
    """`line N: ` of a key, as well as can be told without a parser that keeps positions."""
    section, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(text.split("\n"), 1):
        heading = re.match(r"\s*\[\s*([\w.]+)\s*\]", line)
        if heading:
            current = heading[1]
            if current == key:
                return f"line {number}: "
        found = re.match(r"\s*([\w.]+)\s*=", line)
        if found and (
            f"{current}.{found[1]}".lstrip(".") == key or (current == section and found[1] == name)
        ):
            return f"line {number}: "
    return ""


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """(key, what is wrong; what would be right) for what types alone cannot say."""
    defaults, values = dict(keys()), dict(keys(config))
    for key, instead in UNSUPPORTED.items():
        if values[key] != defaults[key]:
            yield key, f"not supported by this version; {instead}"
    if config.auth.mode == "required":
        yield "auth.mode", 'not supported by this version; write "off", or listen on loopback only'
    for key in ("silo.registrar", "silo.next_hop"):
        if values[key]:
            yield from ((key, problem) for problem in _uri_problem(values[key], key == "silo.registrar"))
    for domain in config.domains:
        if not domain or re.search(r"[^\w.:\[\]-]", domain, re.ASCII):
            yield "domains", f"{domain!r} is no domain; write a name like example.test"
    for network in config.trusted:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield "trusted", f"{error}; write a network like 192.0.2.0/24"
    for transport in ("udp", "tcp"):
        for address in getattr(config.listen, transport):
            try:
                parse_address(transport, address)
            except ValueError as error:
                yield f"listen.{transport}", str(error)
    if config.registrar.min_expires > config.registrar.max_expires:
        yield "registrar.min_expires", "is more than max_expires; make it less"


def _uri_problem(value: str, needs_user: bool) -> Iterator[str]:
    try:
        if needs_user:
            parse_aor(value)
        uri = SipUri.parse(value)
    except Exception as error:
        yield f"{value!r} is no SIP URI ({error}); write sip:user@host"
        return
    if not needs_user and uri.user is not None:
        yield f"{value!r} names a user; write sip:host:port"


def _listeners(config: Config, options: Options, file: Path | None) -> tuple[ListenSpec, ...]:
    try:
        if options.listen:
            specs = [parse_spec(text) for text in options.listen]
        else:
            specs = [parse_address("udp", text) for text in config.listen.udp]
            specs += [parse_address("tcp", text) for text in config.listen.tcp]
    except ValueError as error:
        raise ConfigError(f"--listen: {error}") from error
    where = f"{file}: listen" if file is not None and not options.listen else "--listen"
    if not specs:
        raise ConfigError(f"{where}: nothing to listen on; name at least one udp or tcp address")
    for spec in specs:
        if spec.transport not in ("udp", "tcp"):
            raise ConfigError(f"{where}: {spec}: not supported by this version; use udp or tcp")
        if not spec.is_loopback and config.auth.mode == "auto":
            raise ConfigError(
                f"{where}: {spec}: there are no users, so only loopback is served; "
                'listen on 127.0.0.1, or say [auth] mode = "off" to serve everybody who reaches it'
            )
    return tuple(specs)


def summary(settings: Settings) -> str:
    """What `msilod check` says when nothing is wrong."""
    source = settings.file or "the defaults"
    listening = " ".join(map(str, settings.listeners))
    domains = ", ".join(settings.config.domains) or "the addresses it listens on"
    return f"{source}: ok; listens on {listening}; serves {domains}; silo {settings.silo}"
