"""Configuration: all keys of msilod.toml(5) with types and defaults, and the checks beyond types.

Each default is safe.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from msilod.routing.aliases import alias_problems
from msilod.sip.headers import KNOWN, canonical
from msilod.sip.limits import MAX_BODY
from msilod.sip.uri import SipUri, is_host, parse_aor
from msilod.transport.listen import TRANSPORTS, parse_address

Seconds = Annotated[int, Meta(ge=1, le=2**31)]
Algorithm = Literal["SHA-512-256", "SHA-256", "MD5"]
Count = Annotated[int, Meta(ge=1, le=2**31)]
# RFC 6838 §4.2; a range is as in Accept (RFC 3261 §20.1).
MediaRange = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$&^_.+-]{1,127}/(\*|[A-Za-z0-9!#$&^_.+-]{1,127})$")]
# One header field, printable.
HeaderLine = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!%*_+`'~.-]{1,64}:[ -~\u00a0-\uffff]{0,512}$")]
# 0: no limit.
Limit = Annotated[int, Meta(ge=0, le=2**62)]


class ListenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [listen]."""

    udp: list[str] = field(default_factory=lambda: ["127.0.0.1:5060"])
    tcp: list[str] = field(default_factory=lambda: ["127.0.0.1:5060"])
    tls: list[str] = field(default_factory=list)
    ws: list[str] = field(default_factory=list)
    wss: list[str] = field(default_factory=list)
    ws_origins: list[str] = field(default_factory=list)
    max_connections: Count = 20_000
    max_per_address: Count = 2_000
    idle_timeout: Annotated[int, Meta(ge=32, le=86_400)] = 320


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [tls]."""

    certificate: str = ""
    private_key: str = ""
    ca: str = ""


class AuthConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [auth]."""

    mode: Literal["auto", "off", "required"] = "auto"
    realm: str = ""
    inbound: Literal["nobody", "trusted", "anybody"] = "nobody"
    algorithms: Annotated[list[Algorithm], Meta(min_length=1)] = field(default_factory=lambda: ["MD5"])
    qop: Literal["optional", "required"] = "optional"
    edges: list[str] = field(default_factory=list)
    limit_loopback: bool = False


class RegistrarConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [registrar]."""

    default_expires: Seconds = 3600
    min_expires: Seconds = 60
    max_expires: Seconds = 86400
    max_contacts: Annotated[int, Meta(ge=1, le=100)] = 10
    ping: Annotated[int, Meta(ge=0, le=3600)] = 25


class ProxyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [proxy]."""

    max_forwards: Annotated[int, Meta(ge=1, le=255)] = 70
    fr_timer: Annotated[float, Meta(gt=0, lt=32)] = 10
    fr_inv_timer: Seconds = 185
    relay: Literal["users", "nobody", "anybody"] = "users"
    nameservers: Annotated[list[str], Meta(max_length=8)] = field(default_factory=list)


class SiloConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [silo]."""

    mode: Literal[0, 1, 2] = 0
    next_hop: str = ""
    next_hop_kind: Literal["proxy", "b2bua"] = "proxy"
    call_id: Literal["keep", "new"] = "keep"
    attempts: Count = 10
    registrar: str = ""
    notice: str = "User [{recipient}] is offline. The message will be delivered when user goes online."
    notice_period: Seconds = 3600
    failure_notice: str = ""
    imdn: bool = True
    expire_time: Seconds = 259200
    imdn_expire_time: Seconds = 86400
    check_time: Seconds = 30
    clean_period: Count = 5
    retry: Annotated[list[Seconds], Meta(min_length=1, max_length=64)] = field(
        default_factory=lambda: [60, 300, 900, 3600]
    )
    max_messages: Count = 1000
    max_bytes: Annotated[int, Meta(ge=1, le=2**62)] = 10_000_000
    max_body: Annotated[int, Meta(ge=1, le=MAX_BODY)] = MAX_BODY
    accept_types: list[MediaRange] = field(default_factory=list)
    refuse_types: list[MediaRange] = field(default_factory=list)
    add_date: bool = False
    add_contact: bool = False
    use_contact: bool = False
    extra_hdrs: list[HeaderLine] = field(default_factory=list)
    devices: Literal["first", "each"] = "first"
    device_memory: Seconds = 2_592_000
    due_header: Annotated[str, Meta(pattern=r"^[A-Za-z0-9!%*_+`'~.-]{0,64}$")] = ""
    max_total_bytes: Limit = 0
    min_free_bytes: Limit = 10_000_000
    max_per_hour: Limit | Literal["auto"] = "auto"
    sender_share: Annotated[float, Meta(gt=0, le=1)] | Literal["auto"] = "auto"
    history: Annotated[int, Meta(ge=0, le=2**31)] = 604_800


class ControlConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [control]."""

    socket: str = ""


class MetricsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section [metrics]."""

    listen: str = ""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file msilod.toml."""

    domains: list[str] = field(default_factory=list)
    db_url: str = "sqlite:///silo.db"
    db_table: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,47}$")] = "silo"
    drain: Annotated[float, Meta(ge=0, le=600)] = 10
    trusted: list[str] = field(default_factory=list)
    routing: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    listen: ListenConfig = field(default_factory=ListenConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    registrar: RegistrarConfig = field(default_factory=RegistrarConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    silo: SiloConfig = field(default_factory=SiloConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)


# What stands in for parts of a message in the texts of notices (silo/compose/notice.py).
PLACEHOLDERS: Final = ("{recipient}", "{sender}", "{reason}")


def keys(struct: Struct | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All keys of `struct` with their values; without `struct`, all keys of the file with their defaults."""
    for name, value in msgspec.structs.asdict(struct or Config()).items():
        if isinstance(value, Struct):
            yield from keys(value, f"{name}.")
        else:
            yield prefix + name, value


def allowed_values(key: str) -> tuple[Any, ...]:
    """The values of a key with a choice of values; empty for other keys."""
    section, _, name = key.rpartition(".")
    hints = get_type_hints(type(getattr(Config(), section)) if section else Config)
    hint = hints.get(name)
    if get_origin(hint) is list:
        (hint,) = get_args(hint)
    return get_args(hint) if get_origin(hint) is Literal else ()


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """The faults that types cannot find: (key, text). The text says what is wrong and what to write."""
    values = dict(keys(config))
    if config.auth.realm and not re.fullmatch(r"[\w.:@ \[\]-]{1,255}", config.auth.realm, re.ASCII):
        yield "auth.realm", f"{config.auth.realm!r} is no realm; write letters, digits, dots: example.test"
    if len(set(config.auth.algorithms)) != len(config.auth.algorithms):
        yield "auth.algorithms", 'has an algorithm twice; write ["SHA-256", "MD5"], the strongest first'
    for key in ("silo.registrar", "silo.next_hop"):
        if values[key]:
            yield from ((key, problem) for problem in _uri_problem(values[key], key == "silo.registrar"))
    if config.registrar.min_expires > config.registrar.max_expires:
        yield "registrar.min_expires", "is more than max_expires; make it less"
    yield from _silo_problems(config.silo)
    yield from _name_problems(config)
    yield from _network_problems(config)
    yield from ((f"aliases.{pattern}", problem) for pattern, problem in alias_problems(config.aliases))
    for origin in config.listen.ws_origins:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+/?", origin, re.ASCII | re.IGNORECASE):
            yield "listen.ws_origins", f"{origin!r} is no origin; write https://chat.example.test"
    if config.tls.private_key and not config.tls.certificate:
        yield "tls.private_key", "has no certificate beside it; name its PEM file in certificate"


def _silo_problems(silo: SiloConfig) -> Iterator[tuple[str, str]]:
    for text in silo.extra_hdrs:
        name = text.partition(":")[0]
        if canonical(name.encode()) in KNOWN:
            yield "silo.extra_hdrs", f"{name} has a meaning in SIP; write fields of your own, as X-Silo: yes"
    for key in ("notice", "failure_notice"):
        for word in re.findall(r"\{\w*\}", getattr(silo, key)):
            if word not in PLACEHOLDERS:
                yield f"silo.{key}", f"{word} has no meaning; write {', '.join(PLACEHOLDERS)}"
    if silo.failure_notice and not silo.registrar:
        yield "silo.failure_notice", 'needs a sender; write registrar = "sip:registrar@example.test"'


def _name_problems(config: Config) -> Iterator[tuple[str, str]]:
    for domain in config.domains:
        if problem := domain_problem(domain):
            yield "domains", problem
    for transport in TRANSPORTS:
        for address in getattr(config.listen, transport):
            try:
                parse_address(transport, address)
            except ValueError as error:
                yield f"listen.{transport}", str(error)
    if config.metrics.listen:
        try:
            parse_address("metrics", config.metrics.listen)
        except ValueError as error:
            yield "metrics.listen", f"{error}; write 127.0.0.1:9160"


def domain_problem(text: str) -> str:
    """The fault of a domain that is no host, with a suggestion; "" for a host."""
    return (
        ""
        if is_host(text)
        else f"{text!r} is no domain; write {_host_in(text) or 'a name like example.test'}"
    )


def _host_in(text: str) -> str:
    """The host of a URI or of `host:port`, to suggest; "" without one."""
    host = text.strip().rpartition("@")[2]
    host = re.sub(r"^(sips?|tel|https?)?:(//)?|[:/;?].*$", "", host)
    return host if is_host(host) else ""


def _network_problems(config: Config) -> Iterator[tuple[str, str]]:
    for text in config.proxy.nameservers:
        try:
            parse_nameserver(text)
        except ValueError as error:
            yield "proxy.nameservers", str(error)
    for key, network in [("trusted", network) for network in config.trusted] + [
        ("auth.edges", network) for network in config.auth.edges
    ]:
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield key, f"{network!r} is no network; write 192.0.2.0/24, 2001:db8::/32 or one address"


def parse_nameserver(text: str) -> tuple[str, int]:
    """(address, port) of `192.0.2.1`, `192.0.2.1:53` or `[2001:db8::1]`. Raises ValueError."""
    has_port = text.rpartition("]")[2].count(":") == 1
    address = parse_address("udp", text if has_port else f"{text}:53")
    return address.host, address.port


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
