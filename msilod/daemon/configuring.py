"""Configuring: passes a configuration to all rooms, at the start and after a reload.

Listeners, the database and the control socket are opened once; a change of these needs a restart (reload.py).
"""

from msilod.config import Config
from msilod.daemon.parts import Parts
from msilod.daemon.policies import auth_policy, proxy_policy, registrar_policy, silo_policy
from msilod.routing.aliases import Aliases
from msilod.silo.policy import EACH_DEVICE, SiloPolicy
from msilod.store.limits import Limits


def configure(parts: Parts, config: Config) -> None:
    """Serve with `config` from now on. Listeners, the database and the control socket stay as they are."""
    auth, proxy = auth_policy(config), proxy_policy(config)
    parts.config = config
    parts.myself.configure(config.domains, Aliases(config.aliases))
    parts.trust.configure(config.trusted)
    parts.members.configure(auth)
    parts.authentication.configure(auth)
    parts.targets.configure(proxy)
    parts.ask.configure(config.proxy.nameservers)
    parts.sender.configure(proxy)
    parts.ack_forwarder.configure(proxy)
    parts.registrar.configure(registrar_policy(config))
    parts.pings.configure(config.registrar.ping)
    parts.cleaning.seconds = config.silo.check_time * config.silo.clean_period
    configure_silo(parts, silo_policy(config, parts.myself))
    users_changed(parts)


def configure_silo(parts: Parts, policy: SiloPolicy) -> None:
    """Pass on [silo]: storing, deliveries, notices, receipts."""
    parts.storing.configure(policy)
    parts.deliverer.configure(policy)
    parts.members.own_aor = policy.registrar_aor
    parts.notices.configure(policy)
    parts.receipts.configure(policy)
    parts.storing.observe(parts.notices.stored, bool(policy.registrar))
    parts.storing.on_wrapped = parts.receipts.stored if policy.imdn else None


def users_changed(parts: Parts) -> None:
    """Apply a change of the users: whether passwords are asked for, and the quotas of senders."""
    members, silo = parts.members, parts.config.silo
    members.refresh()
    # Shedding protects users from strangers. Without passwords there are no users.
    parts.shedding.is_active = members.is_closed
    memory = silo.device_memory if silo.devices == EACH_DEVICE else 0
    parts.store.configure(Limits.of(silo, members.knows_names), silo.history, memory)
