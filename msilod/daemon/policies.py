"""Policies: turns the configuration into the policies of the pure rooms, which do not import config.py."""

from msilod.auth.policy import AuthPolicy
from msilod.config import Config
from msilod.log import get_log
from msilod.proxy.policy import ProxyPolicy
from msilod.registrar.registration import RegistrarPolicy
from msilod.routing.domains import Domains
from msilod.silo.intake.acceptance import SiloPolicy


def registrar_policy(config: Config) -> RegistrarPolicy:
    """The policy of [registrar]."""
    section = config.registrar
    return RegistrarPolicy(
        section.default_expires, section.min_expires, section.max_expires, section.max_contacts
    )


def auth_policy(config: Config) -> AuthPolicy:
    """The policy of [auth]."""
    section = config.auth
    return AuthPolicy(
        mode=section.mode,
        realm=section.realm,
        inbound=section.inbound,
        algorithms=tuple(name.encode() for name in section.algorithms),
        edges=tuple(section.edges),
        limits_loopback=section.limit_loopback,
        needs_qop=section.qop == "required",
    )


def proxy_policy(config: Config) -> ProxyPolicy:
    """The policy of [proxy]."""
    section = config.proxy
    return ProxyPolicy(
        float(section.fr_timer), float(section.fr_inv_timer), section.max_forwards, section.relay
    )


def silo_policy(config: Config, domains: Domains) -> SiloPolicy:
    """The policy of [silo]. The `registrar` is in canonical form, for comparisons with other names."""
    section = config.silo
    registrar = domains.identify(section.registrar.encode("ascii", "backslashreplace")).aor
    return SiloPolicy(
        mode=section.mode,
        expire_time=section.expire_time,
        max_body=section.max_body,
        call_id=section.call_id,
        attempts=section.attempts,
        retry=tuple(section.retry),
        registrar=f"sip:{registrar}" if registrar else section.registrar,
        notice=section.notice,
        next_hop=section.next_hop,
        accept_types=tuple(section.accept_types),
        refuse_types=tuple(section.refuse_types),
        imdn_expire_time=section.imdn_expire_time,
        notice_period=section.notice_period,
        failure_notice=section.failure_notice,
        imdn=section.imdn,
        add_date=section.add_date,
        add_contact=section.add_contact,
        use_contact=section.use_contact,
        extra_hdrs=tuple(section.extra_hdrs),
        next_hop_kind=section.next_hop_kind,
        due_header=section.due_header,
        devices=section.devices,
    )


def log_policy_fault(reason: str) -> None:
    """Log a fault of the operator's routing policy."""
    get_log().error("the routing policy failed; such requests are answered 500", reason=reason)
