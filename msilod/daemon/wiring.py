"""Wiring: makes the objects of one daemon, from the lower rooms to the upper ones, and ties the upward calls."""

import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from msilod.auth.fruitless import LITTLE
from msilod.auth.judge import Judge
from msilod.auth.members import Members
from msilod.auth.nonce import RUN_BYTES
from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.auth.users import Users
from msilod.clock import Clock
from msilod.config import Config
from msilod.control.dump_verb import DumpVerb
from msilod.control.names import Names
from msilod.control.row_verbs import RowVerbs
from msilod.control.verbs import ControlVerbs, StatusVerb
from msilod.counters import Counters
from msilod.daemon.alarm import Alarm
from msilod.daemon.configuring import configure_silo, users_changed
from msilod.daemon.housekeeping import RENEWAL, ClockWatch, Every, Housekeeping, Sweeping
from msilod.daemon.parts import Parts
from msilod.daemon.policies import auth_policy, proxy_policy, registrar_policy, silo_policy
from msilod.daemon.receiver import Receiver
from msilod.daemon.recollection import Recollection
from msilod.daemon.revocation import Revocation
from msilod.daemon.tokens import Tokens
from msilod.daemon.user_watch import UserWatch
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.delivery_state import DeliveryState
from msilod.delivering.intervention import Intervention
from msilod.delivering.online_attempts import OnlineAttempts
from msilod.delivering.probes import Probes
from msilod.delivering.silo_changes import SiloChanges
from msilod.dns.resolver import Resolver
from msilod.keeping.notices import Notices
from msilod.keeping.receipts import Receipts
from msilod.keeping.storing import Storing
from msilod.log import get_log
from msilod.proxy.record_route import RecordRoute
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.reaching.reachable import LazyAsk, Reachable, reach_of
from msilod.reaching.replies import Replies
from msilod.registrar.gruu import Gruus
from msilod.registrar.keep_alive import KeepAlives
from msilod.registrar.location import LocationService
from msilod.relaying.ack_forwarder import AckForwarder
from msilod.relaying.booking import Booking
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.forwarder import Forwarder
from msilod.relaying.sender import Sender
from msilod.relaying.targets import Targets
from msilod.routing.actions import Break, Drop, Dump, Relay, Reply, Save, Store
from msilod.routing.aliases import Aliases
from msilod.routing.myself import Myself
from msilod.routing.policy import Policy, PolicyInForce
from msilod.serving.acks import Acks
from msilod.serving.actions import Actions, Dumping, Keeping, Replying, Saving, drop
from msilod.serving.authentication import Authentication
from msilod.serving.facts import Facts
from msilod.serving.failure_route import FailureRoutes
from msilod.serving.gate import Gate
from msilod.serving.lookup import Lookup
from msilod.serving.orphans import Orphans
from msilod.serving.pings import Pings
from msilod.serving.refusals import Refusals
from msilod.serving.registrar import Registrar
from msilod.serving.relay import Relaying
from msilod.serving.senders import Senders
from msilod.serving.shedding import Shedding
from msilod.serving.transaction_user import Reading, TransactionUserService
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.store.silo import Silo
from msilod.store.writer.parent import ProcessWriter
from msilod.tasks import Tasks
from msilod.transaction.layer import TransactionLayer
from msilod.transport.listen import ListenSpec
from msilod.transport.transports import Transports

if TYPE_CHECKING:
    from msilod.metrics.server import MetricsServer


def build(
    config: Config, clock: Clock, transports: Transports, store: Silo, nursery: trio.Nursery, policy: Policy
) -> Parts:
    """Make the objects of one daemon. `transports` and `store` are open; `nursery` runs the tasks of all rooms."""
    parts = Parts()
    parts.config, parts.clock, parts.transports, parts.store = config, clock, transports, store
    parts.writer, parts.counters, parts.policy = store.writer, Counters(), PolicyInForce(policy)
    random = Tokens()
    _nouns(parts)
    tasks = Tasks(nursery)
    _bottom(parts, tasks)
    _reaching(parts, tasks)
    _delivering(parts, tasks, random)
    _keeping(parts, random)
    _relaying(parts, random)
    _serving(parts)
    _answering(parts)
    _watching(parts, random)
    configure_silo(parts, parts.storing.policy)
    users_changed(parts)
    _tie(parts)
    return parts


def build_verbs(parts: Parts, reload: Callable[[], dict[str, Any]], stop: Callable[[], None]) -> ControlVerbs:
    """Make the handlers of the control socket. `reload` and `stop` are those of the process."""
    clock, location, myself = parts.clock, parts.location, parts.myself
    state = parts.delivery_state
    after, names = parts.receiver.after_batch, Names(myself, location)
    return ControlVerbs(
        StatusVerb(
            parts.transports, parts.layer, parts.store, state.runs, state.pauses, location, parts.members, myself,
            clock, parts.counters,
        ),
        DumpVerb(
            names, parts.deliverer, state.watchers, state.pauses, parts.probes, parts.store, location, clock, after
        ),
        RowVerbs(
            names, parts.intervention, parts.changes, parts.writer, clock, parts.user_watch.look, after
        ),
        names, myself, location, clock, reload, stop,
    )  # fmt: skip


def build_metrics(parts: Parts, spec: ListenSpec) -> "MetricsServer":
    """Make the listener of [metrics], and open it. Raises UnavailableError.

    The room is imported here: prometheus-client takes 0.2 s, and a daemon without the key does not need it.
    """
    from msilod.metrics import figures
    from msilod.metrics.exposition import Exposition
    from msilod.metrics.health import Health
    from msilod.metrics.server import MetricsServer
    from msilod.metrics.silo_figures import SiloFigures

    clock, state, writer = parts.clock, parts.delivery_state, parts.writer
    health = Health(parts.user, writer, parts.changes, clock)
    sources: list[figures.Source] = [
        figures.DaemonFigures(parts.counters, health),
        figures.StoringFigures(parts.storing, writer.commits),
        figures.DeliveryFigures(parts.deliverer.ends.latency, state.schedule, state.pauses),
        figures.UserFigures(parts.location, parts.members),
        figures.WireFigures(parts.layer, parts.transports),
    ]
    exposition = Exposition(writer.process.pid if isinstance(writer, ProcessWriter) else None)
    silo = SiloFigures(parts.store.reads, clock)
    return MetricsServer(spec, figures.Figures(sources), silo, health, exposition)


def _nouns(parts: Parts) -> None:
    """Objects of the pure rooms."""
    config, transports = parts.config, parts.transports
    parts.location = LocationService()
    parts.keep_alives = KeepAlives(parts.location)
    parts.mail = WhoHasMail()
    parts.myself = Myself(
        config.domains,
        transports.listening(),
        transports.local_addresses(),
        Aliases(config.aliases),
        Gruus(parts.store.secret("gruu")),
    )
    parts.trust = Trust(config.trusted)
    parts.members = Members(Users(), auth_policy(config))


def _bottom(parts: Parts, tasks: Tasks) -> None:
    """The transaction layer, and the receiver of bytes from the transports."""
    transports, clock, counters = parts.transports, parts.clock, parts.counters
    parts.layer = TransactionLayer(transports.send, secrets.token_bytes(16))
    parts.shedding = Shedding(Sources(), parts.trust, transports, tasks, clock, counters)
    parts.receiver = Receiver(
        parts.layer, transports, parts.writer, parts.location, parts.shedding, clock, counters
    )
    tasks.after = parts.receiver.after_batch


def _reaching(parts: Parts, tasks: Tasks) -> None:
    """Paths to contacts, foreign domains and senders."""
    transports = parts.transports
    listening = transports.listening()
    parts.replies = Replies(transports, tasks)
    parts.ask = LazyAsk(parts.config.proxy.nameservers)
    parts.places = Places(parts.trust)
    parts.paths = Paths(
        transports,
        tasks,
        Resolver(parts.ask, reach_of(listening), secrets.SystemRandom().random),
        Reachable(parts.myself, parts.trust, listening),
        parts.places,
    )


def _delivering(parts: Parts, tasks: Tasks, random: Tokens) -> None:
    """The deliverer, and the classes around the deliverer."""
    writer, location, mail, clock = parts.writer, parts.location, parts.mail, parts.clock
    state = parts.delivery_state = DeliveryState(writer, location, mail, clock)
    policy = silo_policy(parts.config, parts.myself)
    deliverer = parts.deliverer = Deliverer(
        policy, state, parts.layer, parts.paths, writer, parts.counters, tasks, random
    )
    parts.intervention = Intervention(
        deliverer, state.runs, state.live, deliverer.giving_back, state.schedule, state.pauses, location, mail,
        clock,
    )  # fmt: skip
    parts.online = OnlineAttempts(
        deliverer, state.runs, state.live, deliverer.ends, state.schedule, state.usable, state.historian, mail,
        clock,
    )  # fmt: skip
    parts.probes = Probes(deliverer, writer, state.schedule, state.usable, location, clock)
    deliverer.on_unseen = parts.probes.due
    parts.changes = SiloChanges(deliverer, deliverer.ends, parts.intervention, mail, clock, parts.counters)


def _keeping(parts: Parts, random: Tokens) -> None:
    policy, clock, counters = parts.deliverer.policy, parts.clock, parts.counters
    parts.storing = Storing(
        policy, parts.writer, parts.myself, parts.members, clock, counters, parts.deliverer.stored
    )
    parts.notices = Notices(
        policy, parts.layer, parts.paths, parts.places, parts.location, clock, counters, random
    )
    parts.receipts = Receipts(
        policy, parts.myself, parts.members, parts.writer, parts.deliverer, clock, counters, random
    )


def _relaying(parts: Parts, random: Tokens) -> None:
    policy, clock = proxy_policy(parts.config), parts.clock
    record_route = RecordRoute(parts.store.secret("record-route"))
    parts.dialogs = Dialogs(
        record_route, parts.myself, parts.location, clock, parts.members, parts.shedding.sources
    )
    parts.targets = Targets(parts.myself, parts.location, parts.transports, parts.trust, clock, policy)
    booking = Booking(parts.trust, parts.shedding.sources)
    parts.sender = Sender(
        policy, parts.layer, parts.paths, parts.dialogs, parts.trust, booking, parts.targets.reach,
        parts.delivery_state.apart, random,
    )  # fmt: skip
    parts.ack_forwarder = AckForwarder(
        policy, parts.paths, parts.transports, parts.trust, booking, parts.counters, random
    )
    parts.forwarder = Forwarder(parts.sender, parts.counters)


def _serving(parts: Parts) -> None:
    clock, counters, location, myself = parts.clock, parts.counters, parts.location, parts.myself
    members, deliverer = parts.members, parts.deliverer
    judge = Judge(
        members.users, members.policy.algorithms, parts.store.secret("digest"), secrets.token_bytes(RUN_BYTES)
    )
    parts.authentication = Authentication(
        judge, members, parts.shedding, parts.storing, myself, location, clock, counters
    )
    parts.senders = Senders(members, parts.trust, parts.authentication.sources, myself)
    parts.gate = Gate(members, parts.authentication, parts.trust, parts.dialogs, myself, counters)
    parts.registrar = Registrar(
        registrar_policy(parts.config), location, parts.writer, myself, clock, counters, deliverer,
        parts.keep_alives, parts.shedding.sources,
    )  # fmt: skip
    parts.orphans = Orphans(parts.transports, location, parts.registrar, deliverer, clock)


def _answering(parts: Parts) -> None:
    """The transaction user, and the actions of the policy."""
    clock, counters, location, myself = parts.clock, parts.counters, parts.location, parts.myself
    deliverer, storing, state = parts.deliverer, parts.storing, parts.delivery_state
    lookup = Lookup(location, state.usable)
    facts = Facts(myself, lookup, parts.members, deliverer, storing, clock)
    refusals = Refusals(parts.trust, parts.shedding, counters)
    actions = Actions()
    failure_routes = FailureRoutes(
        parts.policy, actions, storing, parts.online, deliverer, state.overdue, clock
    )
    relaying = Relaying(
        parts.policy, actions, failure_routes, parts.targets, parts.forwarder, storing, myself, clock, counters,
    )  # fmt: skip
    actions.tie(
        {
            Reply: Replying(refusals).act,
            Save: Saving(parts.registrar).act,
            Relay: relaying.act,
            Store: Keeping(storing).act,
            Dump: Dumping(myself, parts.probes).act,
            Drop: drop,
            Break: drop,
        }
    )
    parts.user = TransactionUserService(
        Reading(myself, location, lookup, parts.dialogs, facts, clock),
        parts.gate,
        parts.policy,
        actions,
        refusals,
        Acks(myself, parts.gate, parts.dialogs, lookup, parts.targets, parts.ack_forwarder, clock, counters),
        parts.forwarder,
        parts.replies,
    )


def _watching(parts: Parts, random: Tokens) -> None:
    """Timers, pings, housekeeping, and the watch over users."""
    clock, after, deliverer = parts.clock, parts.receiver.after_batch, parts.deliverer
    state = parts.delivery_state
    parts.alarm = Alarm(parts.layer, state.apart, after)
    parts.pings = Pings(
        parts.keep_alives, parts.transports, parts.location, parts.mail, deliverer, clock, random, after
    )
    sweeping = Sweeping(clock, parts.writer, parts.location, parts.registrar, deliverer, parts.changes)
    parts.clock_watch = ClockWatch(clock, parts.writer, parts.changes)
    _by_the_clock(parts, sweeping)
    reads, members = parts.store.users, parts.members
    parts.revocation = Revocation(
        members, parts.location, parts.registrar, reads, parts.writer, clock, deliverer.gone, after
    )
    parts.user_watch = UserWatch(
        members.users,
        reads,
        members.realm_of,
        partial(users_changed, parts),
        parts.revocation.end,
        parts.revocation.looked,
    )
    parts.recollection = Recollection(
        parts.store, parts.writer, clock, parts.location, parts.mail, state.schedule, deliverer,
        parts.intervention, after,
    )  # fmt: skip


def _by_the_clock(parts: Parts, sweeping: Sweeping) -> None:
    """The actions of each second, and the rarer ones, in order."""
    silo = parts.config.silo
    parts.cleaning = Every(silo.check_time * silo.clean_period, sweeping.clean)
    parts.housekeeping = Housekeeping(
        parts.clock,
        [
            Every(1, parts.clock_watch.look),
            Every(1, parts.storing.withdraw_late),
            Every(1, parts.storing.forget_former),
            Every(1, parts.registrar.write_refreshes),
            Every(1, sweeping.look_for_others),
            Every(1, parts.clock_watch.take_due),
            Every(1, parts.deliverer.wake_due),
            Every(1, parts.probes.tick),
            Every(1, parts.forwarder.check_timer_c),
            Every(1, parts.deliverer.giving_back.tick),
            Every(RENEWAL, sweeping.renew_leases),
            Every(1, sweeping.sweep_bindings),
            parts.cleaning,
        ],
        parts.receiver.after_batch,
    )


def _tie(parts: Parts) -> None:
    """Tie the upward calls: events of a lower room, reported to an object of an upper room."""

    def tell_sender(row: StoredMessage, reason: str, now: float) -> None:
        parts.notices.failed(row, reason, now)
        parts.receipts.failed(row, reason, now)

    def heard_stray(response: Response, flow: Flow, now: float) -> None:
        """Handle a response without a transaction: the answer to a ping, or a late answer to a delivery."""
        if not parts.pings.heard(response, now):
            parts.delivery_state.overdue.heard(response, now)
        parts.shedding.fruitless(flow, now, LITTLE)

    parts.layer.serve(parts.user)

    def owner_failed(error: Exception) -> None:
        """Log an exception raised by the owner of a transaction in a timer."""
        parts.counters.internal_errors += 1
        get_log().error("the end of a transaction could not be handled", exc_info=error)

    parts.layer.hear_strays(heard_stray)
    parts.layer.report(owner_failed)
    parts.layer.share_by(parts.senders.of)
    parts.receiver.tie(parts.alarm, parts.orphans)
    parts.shedding.is_awaited = parts.layer.awaits
    parts.delivery_state.overdue.ended = parts.online.delivered_late
    parts.deliverer.ends.tell_sender = tell_sender
