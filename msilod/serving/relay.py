"""Relay: carries out t_relay() for the policy, with t_on_failure() if the action asks for a failure route."""

from collections.abc import Sequence
from functools import partial

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.errors import RequestRefused
from msilod.keeping.storing import Storing
from msilod.proxy.target_set import ANYWHERE, Target
from msilod.relaying.fork import Fork
from msilod.relaying.forwarder import Forwarder
from msilod.relaying.targets import Targets
from msilod.routing.actions import Break, Relay
from msilod.routing.myself import Myself
from msilod.routing.policy import PolicyInForce
from msilod.serving.actions import Actions
from msilod.serving.failure_route import MAX_RELAYS, FailureRoutes
from msilod.serving.incoming import Incoming


class Relaying:
    """Sends a request to its target set."""

    def __init__(
        self,
        policy: PolicyInForce,
        actions: Actions,
        failure_routes: FailureRoutes,
        targets: Targets,
        forwarder: Forwarder,
        storing: Storing,
        myself: Myself,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._policy = policy
        self._actions = actions
        self._failure_routes = failure_routes
        self._targets = targets
        self._forwarder = forwarder
        self._storing = storing
        self._myself = myself
        self._clock = clock
        self._counters = counters

    def act(self, incoming: Incoming, action: Relay, now: float) -> None:
        """Relay the request. Raises SipError with the status for the sender."""
        transaction, storing = incoming.transaction, self._storing
        request = transaction.request
        if storing.former and storing.is_former(request, incoming.aor, incoming.author.name):
            self._counters.duplicate_messages += 1
            transaction.respond(202, now)
            return
        incoming.relays += 1
        if action.uri:
            incoming.rewrite(action.uri)
        targets = self._targets.contacts(request, incoming.uri, incoming.bindings)
        if not targets:
            targets = self._targets_elsewhere(incoming)
            if not targets:
                self._nobody_there(incoming, action, now)
                return
        fork = self._forwarder.relay(transaction, targets, incoming.aor, incoming.user)
        if not isinstance(fork, Fork):
            routes = self._failure_routes
            fork.on_failure = partial(routes.call_failed, incoming) if action.on_failure else None
        elif action.on_failure:
            binding = targets[0].binding
            tried = binding.aor if binding is not None else ""
            incoming.arrived = incoming.arrived or self._clock.wall()
            fork.failure_route = partial(self._failure_routes.of_message, incoming, tried)
        fork.begin(now)

    def _targets_elsewhere(self, incoming: Incoming) -> list[Target]:
        """The targets of a request that is not simply for contacts."""
        targets = self._targets.of(
            incoming.message, incoming.uri, incoming.bindings, incoming.dialog, self._may_relay(incoming)
        )
        if incoming.new_uri:
            self._trust_policy(incoming, targets)
        return targets

    def _may_relay(self, incoming: Incoming) -> bool:
        """[proxy] relay. A Request-URI that the policy has set may lead to any address."""
        if incoming.new_uri:
            return True
        return self._targets.lets_out(incoming.user, incoming.dialog, incoming.transaction.flow)

    def _trust_policy(self, incoming: Incoming, targets: Sequence[Target]) -> None:
        """A URI written by the policy may lead to any address; a host written by the sender may not."""
        if incoming.uri.host != self._myself.named(incoming.message.uri).uri.host:
            for target in targets:
                if target.binding is None and not target.reach:
                    target.reach = ANYWHERE

    def _nobody_there(self, incoming: Incoming, action: Relay, now: float) -> None:
        """No contact is registered for the URI: ask the failure route of the policy."""
        if not action.on_failure or incoming.relays >= MAX_RELAYS:
            raise RequestRefused(404, "Not Found")
        said = self._policy.policy.failure_route(incoming, 404)
        if isinstance(said, Break):
            raise RequestRefused(404, "Not Found")
        self._actions.act(incoming, said, now)
