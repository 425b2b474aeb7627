"""daemon/policies.py: the values of the configuration reach the policies of the rooms."""

from msilod.auth.policy import AuthPolicy
from msilod.config import Config, ProxyConfig
from msilod.daemon.policies import auth_policy, proxy_policy, registrar_policy, silo_policy
from msilod.proxy.policy import ProxyPolicy
from msilod.registrar.registration import RegistrarPolicy
from msilod.routing.domains import Domains
from msilod.silo.policy import SiloPolicy


def test_a_default_of_a_policy_is_the_default_of_the_configuration() -> None:
    """Rooms are tested with these defaults, and daemons run with those of config.py."""
    assert registrar_policy(Config()) == RegistrarPolicy()
    assert auth_policy(Config()) == AuthPolicy()
    assert silo_policy(Config(), Domains(["example.test"], None, [], [], None)) == SiloPolicy()


def test_each_key_of_proxy_reaches_its_place() -> None:
    section = ProxyConfig(fr_timer=3, fr_inv_timer=20, max_forwards=5, relay="anybody")
    assert proxy_policy(Config(proxy=section)) == ProxyPolicy(3.0, 20.0, 5, "anybody")
