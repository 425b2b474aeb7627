"""The target set, RFC 3261 §16.5: where one request is to go."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby
from typing import Final

from msilod.registrar.binding import Binding
from msilod.registrar.phones import newest_of_each_phone
from msilod.sip.flow import Flow
from msilod.sip.hop import Hop

# What says that a flow is dead; any other final answer is the device's, by whichever flow (RFC 5626 §7).
DEAD_FLOW: Final = frozenset((408, 430))
# Bounds of a target (Target.reach).
ANYWHERE: Final = "*"
BY_FLOW: Final = "-"


class Target:
    """One place to send to. `binding` is None for a URI that is nobody's contact here.

    `route` is the first Route that the request still has: the bytes go there (§16.6 step 7). `hops` is where its
    URI was found to be, the one in use first and those that are left behind it (RFC 3263 §4.3). `others` are the
    other flows of its device, which are tried when this one is dead. `reach` bounds where its URI or its Route may
    lead: ANYWHERE for a URI of the operator, BY_FLOW for its `flow` alone, "" for places that every sender may reach;
    any other text is an address that its peer was heard from. `booked_on` is the party that has named the place: a
    user, or a source (auth/source.py); "" for the operator. Look-ups and connections count against that party.
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
        """Become the next flow of the device, whose last one is dead (RFC 5626 §7); False when there is none."""
        if not self.others:
            return False
        binding, *self.others = self.others
        self.uri, self.flow, self.path, self.binding = binding.contact, binding.flow, binding.path, binding
        self.hops = ()
        return True

    def __repr__(self) -> str:
        return f"<Target {self.uri} {self.flow!r}>"


def target_set(bindings: Iterable[Binding]) -> list[Target]:
    """The bindings as targets, in their order (best q first), never the same one twice (§16.5).

    A device is one target however many flows it has: the latest first, the others behind it (RFC 5626 §7). A phone
    that was started again is one target as well (registrar/phones.py).
    """
    bindings = list(bindings)
    if len(bindings) == 1:
        return [_target(bindings[0])]
    bindings = newest_of_each_phone(bindings)
    devices: dict[Hashable, list[Binding]] = {}
    for binding in bindings:
        device = (binding.aor, binding.instance) if binding.instance else _way(binding)
        devices.setdefault(device, []).append(binding)
    return [_target(flows[0]) if len(flows) == 1 else _device(flows) for flows in devices.values()]


def _target(binding: Binding) -> Target:
    return Target(binding.contact, binding.flow, binding.path, binding.q, binding)


def _way(binding: Binding) -> tuple[str, Flow | None, tuple[str, ...]]:
    return binding.contact, binding.flow, binding.path


def _device(bindings: Sequence[Binding]) -> Target:
    latest_first = sorted(bindings, key=lambda binding: -binding.registered_at)
    flows: dict[Hashable, Binding] = {}
    for binding in latest_first:
        flows.setdefault(_way(binding), binding)
    target = _target(latest_first[0])
    target.others = list(flows.values())[1:]
    return target


def q_groups(targets: Sequence[Target]) -> list[list[Target]]:
    """Targets in groups of one q, best first: each group in parallel, one group after the other (§16.6)."""
    ordered = sorted(targets, key=lambda target: -target.q)
    return [list(group) for _, group in groupby(ordered, key=lambda target: target.q)]
