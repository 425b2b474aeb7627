"""The target set, RFC 3261 §16.5: where one request is to go."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from msilod.registrar.binding import Binding
from msilod.sip.flow import Flow
from msilod.sip.hop import Hop


class Target:
    """One place to send to. `binding` is None for a URI that is nobody's contact here.

    `route` is the first Route that the request still has: the bytes go there (§16.6 step 7). `hops` is where its
    URI was found to be, the one in use first and those that are left behind it (RFC 3263 §4.3).
    """

    __slots__ = ("binding", "flow", "hops", "path", "q", "route", "uri")

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
        self.route = ""
        self.hops: Sequence[Hop] = ()

    def __repr__(self) -> str:
        return f"<Target {self.uri} {self.flow!r}>"


def target_set(bindings: Iterable[Binding]) -> list[Target]:
    """The bindings as targets, in their order (best q first), never the same one twice (§16.5)."""
    bindings = list(bindings)
    if len(bindings) == 1:
        only = bindings[0]
        return [Target(only.contact, only.flow, only.path, only.q, only)]
    targets: list[Target] = []
    seen: set[tuple[str, Flow | None]] = set()
    for binding in bindings:
        key = (binding.contact, binding.flow)
        if key not in seen:
            seen.add(key)
            targets.append(Target(binding.contact, binding.flow, binding.path, binding.q, binding))
    return targets


def q_groups(targets: Sequence[Target]) -> list[list[Target]]:
    """Targets in groups of one q, best first: each group in parallel, one group after the other (§16.6)."""
    ordered = sorted(targets, key=lambda target: -target.q)
    return [list(group) for _, group in groupby(ordered, key=lambda target: target.q)]
