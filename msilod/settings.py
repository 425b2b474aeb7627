"""Settings: finds and reads the configuration, and resolves the places of silo, control socket and listeners.

Daemon and command line search in the same order: --config, MSILO_CONFIG, XDG, /etc, built-in defaults. A value on the
command line overrides the environment, the environment overrides the file, the file overrides the defaults. An error is
one line with file and line number.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from msilod.config import Config, allowed_values, domain_problem, keys, problems
from msilod.errors import ConfigError, UsageError
from msilod.transport.listen import TRANSPORTS, ListenSpec, parse_address, parse_spec

ETC: Final = Path("/etc/msilod/msilod.toml")


@dataclass(frozen=True, slots=True)
class Options:
    """The values on the command line of `msilod start` or `msilo`; None for a missing option."""

    domains: Sequence[str] | None = None
    listen: Sequence[str] | None = None
    db_url: str | None = None
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration with all paths and listeners resolved.

    `file` is None and `has_keys` is False for the built-in defaults; `has_keys` is also False for an empty file.
    """

    config: Config
    file: Path | None
    silo: Path
    socket: Path
    listeners: tuple[ListenSpec, ...]
    routing: Path | None = None
    has_keys: bool = False

    @property
    def silo_url(self) -> str:
        """The db_url with a full path."""
        return f"sqlite:///{self.silo}"


def load(path: Path | None, environment: Mapping[str, str], options: Options | None = None) -> Settings:
    """Find, read and check the configuration. Raises ConfigError."""
    options = options or Options()
    file = find_file(path, environment)
    config, has_keys = _read(file) if file is not None else (Config(), False)
    listeners = _listeners(config, options, file)
    for domain in options.domains or ():
        if problem := domain_problem(domain):
            raise UsageError(f"--domain {problem}")
    if options.domains:
        config = msgspec.structs.replace(config, domains=list(options.domains))
    db_url = options.db_url or environment.get("MSILO_DB_URL") or config.db_url
    config = msgspec.structs.replace(config, db_url=db_url)
    state = state_directory(file, environment)
    silo = _sqlite_path(db_url, state)
    socket = _socket(config, options, file, environment, state)
    return Settings(config, file, silo, socket, listeners, _routing(config, file), has_keys)


def _routing(config: Config, file: Path | None) -> Path | None:
    """The operator's routing policy. A relative path starts at the folder of the configuration file."""
    return (file.parent if file is not None else Path()) / config.routing if config.routing else None


def find_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file: --config, MSILO_CONFIG, XDG, /etc. None: use the built-in defaults.

    Raises ConfigError when --config or MSILO_CONFIG names no regular file.
    """
    named = path or (Path(environment["MSILO_CONFIG"]) if environment.get("MSILO_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            if named.exists():
                raise ConfigError(f"{named}: is not a regular file (see --config and MSILO_CONFIG)")
            raise ConfigError(f"{named}: there is no such file (see --config and MSILO_CONFIG)")
        return named
    for candidate in (_xdg(environment, "XDG_CONFIG_HOME", ".config") / "msilod.toml", ETC):
        if candidate.is_file():
            return candidate
    return None


def _xdg(environment: Mapping[str, str], name: str, fallback: str) -> Path:
    base = environment.get(name)
    # Without HOME and without an account the path keeps the "~"; Path.home() would raise.
    home = environment.get("HOME") or os.path.expanduser("~")
    return (Path(base) if base else Path(home) / fallback) / "msilod"


def _is_system(file: Path | None) -> bool:
    return file == ETC or os.geteuid() == 0


def state_directory(file: Path | None, environment: Mapping[str, str]) -> Path:
    """The folder for a silo with a relative path: $STATE_DIRECTORY, /var/lib/msilod or $XDG_STATE_HOME."""
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
    return _read(file)[0]


def _read(file: Path) -> tuple[Config, bool]:
    """The checked file, and True when the file sets a key: blanks, comments and section names set none."""
    try:
        # Some editors write a byte-order mark first.
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {_toml_error(str(error), text)}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: arrays or tables are nested too deeply") from error
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(file, text, str(error))) from error
    for key, problem in problems(config):
        raise ConfigError(f"{file}: {_where(text, key)}{key}: {problem}")
    return config, any(section != {} for section in raw.values())


def complaint(settings: Settings, key: str, problem: str) -> str:
    """The text of a ConfigError about the use of a key: file, line, key, the fault, the right form."""
    if settings.file is None:
        return f"{key}: {problem}"
    return f"{settings.file}: {_where(settings.file.read_text('utf-8'), key)}{key}: {problem}"


def _toml_error(message: str, text: str) -> str:
    last = text.rstrip("\n").count("\n") + 1
    message = message.replace("(at end of document)", f"(at line {last}, column 1)")
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message)
    return f"line {found[2]}: {found[1]}; it is not TOML" if found else f"{message}; it is not TOML"


def _explain(file: Path, text: str, message: str) -> str:
    found = re.search(r"^(.*?)(?: - at `\$\.?(.*)`)?$", message)
    what, place = (found[1], found[2] or "") if found else (message, "")
    unknown = re.search(r"unknown field `(.*)`", what)
    if unknown:
        key = f"{place}.{unknown[1]}".lstrip(".")
        close = difflib.get_close_matches(key, [name for name, _ in keys()], 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else "see msilod.toml(5)"
        return f"{file}: {_where(text, key)}{key}: there is no such key; {hint}"
    key = re.sub(r"\[.*?\]", "", place)
    return f"{file}: {_where(text, key)}{key}: {what[:1].lower()}{what[1:]}; {_wanted(key)}"


def _wanted(key: str) -> str:
    defaults = dict(keys())
    if allowed := allowed_values(key):
        return f"write {' or '.join(map(repr, allowed))}"
    return f"the default is {defaults[key]!r}" if key in defaults else "see msilod.toml(5)"


def _where(text: str, key: str) -> str:
    """`line N: ` for a key, "" when not found. tomllib keeps no positions, so the text is searched."""
    section, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(text.split("\n"), 1):
        heading = re.match(r"\s*\[\s*([\w.]+)\s*\]", line)
        if heading:
            current = heading[1]
            if current == key:
                return f"line {number}: "
        if current == "aliases" and key.startswith("aliases.") and _holds_key(line, key[len("aliases.") :]):
            return f"line {number}: "
        found = re.match(r"\s*([\w.]+)\s*=", line)
        if found and (
            f"{current}.{found[1]}".lstrip(".") == key or (current == section and found[1] == name)
        ):
            return f"line {number}: "
    return ""


def _holds_key(line: str, key: str) -> bool:
    """True when the TOML line sets `key`, quoted or not."""
    try:
        return key in tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False


def _listeners(config: Config, options: Options, file: Path | None) -> tuple[ListenSpec, ...]:
    try:
        if options.listen:
            specs = [parse_spec(text) for text in options.listen]
        else:
            named = {transport: getattr(config.listen, transport) for transport in TRANSPORTS}
            specs = [parse_address(transport, text) for transport in named for text in named[transport]]
    except ValueError as error:
        raise UsageError(f"--listen: {error}") from error
    where = f"{file}: listen" if file is not None and not options.listen else "--listen"
    fault = UsageError if options.listen else ConfigError
    if not specs:
        raise fault(f"{where}: nothing to listen on; name at least one address")
    for spec in specs:
        if spec.port and specs.count(spec) > 1:
            raise fault(f"{where}: {spec} stands there twice; write each address once")
    return tuple(specs)


def check_doors(settings: Settings, have_users_existed: Callable[[], bool]) -> None:
    """Refuse to serve other hosts without passwords, unless [auth] mode says so.

    Without users each host that reaches a listener is served, so all listeners must be on loopback. Raises ConfigError.
    `have_users_existed` is called only when the answer is needed.
    """
    wide = [spec for spec in settings.listeners if not spec.is_loopback]
    if settings.config.auth.mode != "auto" or not wide or have_users_existed():
        return
    domain = (settings.config.domains or ["example.test"])[0]
    raise ConfigError(
        f"{settings.file or '--listen'}: {wide[0]}: there are no users, so only loopback is served; add a user "
        f"(msilo db upgrade, msilo user add alice@{domain}), listen on 127.0.0.1, or write "
        '[auth] mode = "off" to serve all hosts without passwords'
    )


def summary(settings: Settings) -> str:
    """The line of `msilod check` for a right configuration."""
    source = settings.file or "the defaults"
    listening = " ".join(map(str, settings.listeners))
    domains = ", ".join(settings.config.domains) or "the addresses of the listeners"
    return f"{source}: ok; listens on {listening}; serves {domains}; silo {settings.silo}"
