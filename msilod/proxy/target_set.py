"""The target set: the places to which a request is sent (RFC 3261 §16.5)."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby
from typing import Final

from msilod.registrar.binding import Binding
from msilod.registrar.phones import newest_of_each_phone
from msilod.sip.flow import Flow
from msilod.sip.hop import Hop

# Responses by which a flow counts as dead. Any other final response is from the device (RFC 5626 §7).
DEAD_FLOW: Final = frozenset((408, 430))
# Bounds of a target (Target.reach).
ANYWHERE: Final = "*"
BY_FLOW: Final = "-"


class Target:
    """One place to send to. `binding` is None when the URI is not a contact in our location service.

    - `route`: the first remaining Route of the request, which is the next hop (§16.6 step 7).
    - `hops`: the resolved addresses of the URI, the one in use first, then those left to try (RFC 3263 §4.3).
    - `others`: the other flows of the same device, tried when this flow is dead.
    - `reach`: the addresses to which URI or Route may lead. ANYWHERE: all, for a URI of the operator. BY_FLOW: only
      `flow`. "": the addresses permitted to every sender. Other text: these, and the address from which the peer was
      heard.
    - `booked_on`: the party which named the place: a user, or a source (auth/source.py), "" for the operator. This
      party is charged for DNS look-ups and connections.
    """

    __slots__ = ("binding", "booked_on", "flow", "hops", "others", "path", "q", "reach", "route", "uri")

    def __init__(
        self,
        uri: str,
        flow: Flow | None = None,
        path: tuple[str, ...] = (),
        q: float = 1.0,
        binding: Binding | None = None,
    ) -> None:
        self.uri = uri
        self.flow = flow
        self.path = path
        self.q = q
        self.binding = binding
        self.route = self.reach = self.booked_on = ""
        self.hops: Sequence[Hop] = ()
        self.others: Sequence[Binding] = ()

    def turn(self) -> bool:
        """Change to the next flow of the device after a dead flow (RFC 5626 §7); False without another flow."""
        if not self.others:
            return False
        binding, *self.others = self.others
        self.uri, self.flow, self.path, self.binding = binding.contact, binding.flow, binding.path, binding
        self.hops = ()
        return True

    def __repr__(self) -> str:
        return f"<Target {self.uri} {self.flow!r}>"


def target_set(bindings: Iterable[Binding]) -> list[Target]:
    """Return the bindings as targets, in order (best q first), without repetitions (§16.5).

    A device is one target, even with several flows: the latest flow first, then the others (RFC 5626 §7). A restarted
    phone with an old and a new binding is one target as well (registrar/phones.py).
    """
    bindings = list(bindings)
    if len(bindings) == 1:
        return [_target(bindings[0])]
    bindings = newest_of_each_phone(bindings)
    devices: dict[Hashable, list[Binding]] = {}
    for binding in bindings:
        device = (binding.aor, binding.instance) if binding.instance else _path(binding)
        devices.setdefault(device, []).append(binding)
    return [_target(flows[0]) if len(flows) == 1 else _device(flows) for flows in devices.values()]


def _target(binding: Binding) -> Target:
    return Target(binding.contact, binding.flow, binding.path, binding.q, binding)


def _path(binding: Binding) -> tuple[str, Flow | None, tuple[str, ...]]:
    return binding.contact, binding.flow, binding.path


def _device(bindings: Sequence[Binding]) -> Target:
    latest_first = sorted(bindings, key=lambda binding: -binding.registered_at)
    flows: dict[Hashable, Binding] = {}
    for binding in latest_first:
        flows.setdefault(_path(binding), binding)
    target = _target(latest_first[0])
    target.others = list(flows.values())[1:]
    return target


def q_groups(targets: Sequence[Target]) -> list[list[Target]]:
    """Return groups of targets with equal q, best first: parallel in a group, one group after the other (§16.6)."""
    ordered = sorted(targets, key=lambda target: -target.q)
    return [list(group) for _, group in groupby(ordered, key=lambda target: target.q)]
