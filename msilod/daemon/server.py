"""Server: the wiring of the rooms into one daemon, and the life of it.

Bytes come in through `receive`, one direct call per layer, and all that a drained batch collected for the
writer is handed over once, in `after_batch` (design, speed 1 to 3).
"""

import secrets
from collections.abc import Callable
from typing import Final

import trio

from msilod.auth.fruitless import LITTLE
from msilod.auth.nonce import RUN_BYTES
from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.auth.users import Users
from msilod.clock import Clock
from msilod.config import Config
from msilod.counters import Counters
from msilod.daemon.alarm import Alarm
from msilod.daemon.housekeeping import Housekeeping
from msilod.daemon.policies import auth_policy, registrar_policy, silo_policy
from msilod.daemon.recollection import Recollection
from msilod.daemon.revocation import Revocation
from msilod.daemon.tokens import Tokens
from msilod.daemon.user_watch import UserWatch
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.intervention import Intervention
from msilod.delivering.online_attempts import OnlineAttempts
from msilod.delivering.probes import Probes
from msilod.dns.resolver import Resolver
from msilod.errors import MalformedMessage
from msilod.keeping.notices import Notices
from msilod.keeping.receipts import Receipts
from msilod.keeping.storing import SiloService
from msilod.log import get_log
from msilod.proxy.record_route import RecordRoute
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.reaching.reachable import LazyAsk, Reachable, reach_of
from msilod.reaching.replies import Replies, answering
from msilod.registrar.gruu import Gruus
from msilod.registrar.keep_alive import KeepAlives
from msilod.registrar.location import LocationService
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.forwarder import Forwarder
from msilod.relaying.targets import Targets
from msilod.routing import default
from msilod.routing.aliases import Aliases
from msilod.routing.myself import Myself
from msilod.routing.policy import Policy
from msilod.serving.gate import Gate
from msilod.serving.orphans import Orphans
from msilod.serving.pings import Pings
from msilod.serving.registrar import RegistrarService
from msilod.serving.shedding import Shedding
from msilod.serving.transaction_user import TransactionUserService
from msilod.silo.policy import EACH_DEVICE, SiloPolicy
from msilod.silo.runs.who_has_mail import MailMemory
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from msilod.sip.via import stamp_source
from msilod.store.commit.quota import Limits
from msilod.store.silo import Silo
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.timers import PATIENCE
from msilod.transport.transports import Transports

DRAIN_POLL: Final = 0.05


class Server:
    """One daemon. Made inside trio.run(), when listeners and silo are open; `run` serves until `stop`."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        transports: Transports,
        silo: Silo,
        nursery: trio.Nursery,
        policy: Policy = default,
    ) -> None:
        self.config = config
        self.clock = clock
        self.transports = transports
        self.store = silo
        self.started = clock.now()
        self.counters = Counters()
        self.location = LocationService()
        self.keep_alives = KeepAlives(self.location)
        self.mail = MailMemory()
        self.myself = Myself(
            config.domains,
            transports.listening(),
            transports.local_addresses(),
            Aliases(config.aliases),
            Gruus(silo.secret("gruu")),
        )
        self.trust = Trust(config.trusted)
        self.is_draining = False
        # One for all that comes in a batch; 0.0 between two.
        self._now = 0.0
        self.stopping = trio.Event()
        self._nursery = nursery
        self._wire_users()
        self._wire(policy)

    def _wire(self, routing: Policy) -> None:
        config, clock, writer = self.config, self.clock, self.store.writer
        random_token = Tokens()
        self.writer = writer
        self._configure_store()
        self.user = TransactionUserService(self, routing)
        self.replies = Replies(self.transports, self._nursery, self.after_batch)
        self.layer = TransactionLayer(self.user, self.transports.send, secrets.token_bytes(16))
        record_route = RecordRoute(self.store.secret("record-route"))
        self.dialogs = Dialogs(record_route, self.myself, self.location, clock, self.gate)
        self.targets = Targets(self)
        self.ask = LazyAsk(config.proxy.nameservers)
        self.paths = self._paths()
        policy = silo_policy(config, self.myself)
        self.deliverer = Deliverer(
            policy, self.layer, self.paths, writer, self.location, clock, self.mail,
            self.counters, random_token,
        )  # fmt: skip
        self.forwarder = self._forwarder(random_token)
        self.intervention = Intervention(self.deliverer)
        self.online = OnlineAttempts(self.deliverer)
        self.recollection = Recollection(self.store, self.deliverer, self.intervention)
        self.silo = SiloService(
            policy, writer, self.myself, self.gate.is_known, clock, self.counters, self.deliverer.stored
        )
        self.notices = Notices(self, policy, random_token)
        self.receipts = Receipts(self, policy, random_token)
        self._configure_silo(policy)
        self.registrar = RegistrarService(
            registrar_policy(config), self.location, writer, self.myself, clock, self.counters, self.user.registered,
            self.keep_alives, self.gate.sources,
        )  # fmt: skip
        self.orphans = Orphans(self)
        self.probes = Probes(self.deliverer)
        self.housekeeping = Housekeeping(
            clock, writer, self.silo, self.registrar, self.intervention, self.probes, self.forwarder, self.location,
            self.mail, self.counters, config.silo.check_time, config.silo.clean_period, self.after_batch,
        )  # fmt: skip
        self.alarm = Alarm(self.layer, self.deliverer.apart, self.after_batch)
        self._tie()

    def _tie(self) -> None:
        """The pings, and upward calls: each attribute is told of what happens in a lower room."""
        self.revocation = Revocation(
            self.gate, self.location, self.registrar, self.store.users, self.writer, self.clock, self.deliverer.gone,
            self.after_batch,
        )  # fmt: skip
        self.user_watch.gone, self.user_watch.looked = self.revocation.end, self.revocation.looked
        self.deliverer.overdue.ended = self.online.delivered_late
        self.pings = Pings(self.keep_alives, self.transports, self.deliverer, self.clock, self.after_batch)
        self.layer.hear_strays(self._heard_stray)
        self.layer.report(self._owner_failed)
        self.layer.share_by(self._sender_of)
        self.shedding.is_awaited = self.layer.awaits
        self.deliverer.ends.tell_sender = self._tell_sender
        self.registrar.expect, self.registrar.expected = self.deliverer.expect, self.deliverer.expected

    def _wire_users(self) -> None:
        users, run = Users(), secrets.token_bytes(RUN_BYTES)
        self.shedding = Shedding(Sources(), self.trust, self.transports, self._nursery, self.counters)
        self.gate = Gate(self, auth_policy(self.config), users, self.store.secret("digest"), run)
        self.user_watch = UserWatch(users, self.store.users, self.gate.realm_of, self._users_changed)

    def _paths(self) -> Paths:
        listening = self.transports.listening()
        return Paths(
            self.transports,
            self._nursery,
            self.after_batch,
            Resolver(self.ask, reach_of(listening), secrets.SystemRandom().random),
            Reachable(self.myself, self.trust, listening),
            Places(self.trust),
        )

    def _forwarder(self, random_token: Tokens) -> Forwarder:
        config = self.config
        return Forwarder(
            self.layer,
            self.paths,
            self.counters,
            random_token,
            self.dialogs,
            self.trust,
            self.gate.sources,
            self.targets.reach,
            self.deliverer.apart,
            config.proxy.fr_timer,
            config.proxy.fr_inv_timer,
            config.proxy.max_forwards,
        )

    def _tell_sender(self, row: StoredMessage, reason: str, now: float) -> None:
        self.notices.failed(row, reason, now)
        self.receipts.failed(row, reason, now)

    def _heard_stray(self, response: Response, flow: Flow, now: float) -> None:
        """A response that matches no transaction."""
        if not self.pings.heard(response, now):
            self.deliverer.overdue.heard(response, now)
        self.shedding.fruitless(flow, now, LITTLE)

    def _sender_of(self, request: Request, flow: Flow | None) -> str:
        """The user who has sent a request; else its source, "" for a trusted one, an edge, and loopback.

        A request in the name of a user does not become live without the password of that user.
        """
        if self.gate.is_closed:
            try:
                aor = self.myself.identify(request.from_.uri).aor
            except MalformedMessage:
                aor = ""
            if aor:
                return aor
        if flow is None or self.trust.trusts(flow):
            return ""
        return self.gate.sources.of_address(flow.host)

    def _owner_failed(self, error: Exception) -> None:
        self.counters.internal_errors += 1
        get_log().error("the end of a transaction could not be handled", exc_info=error)

    # --- bytes in ------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        """One datagram, or one framed message of a stream."""
        try:
            now = self._now = self._now or self.clock.now()
            message = parse(data, flow.endpoint.framing)
            if isinstance(message, Request):
                stamp_source(message, flow)
                if message.via.port != flow.port and not flow.connection:
                    flow = answering(message.via, flow)
                self.layer.receive_request(message, flow, now)
            else:
                self.layer.receive_response(message, flow, now)
        except MalformedMessage as error:
            self.malformed(error, flow)
        except MemoryError:
            raise
        except Exception as error:
            self.counters.internal_errors += 1
            get_log().error("a message could not be handled", exc_info=error, flow=repr(flow))

    def malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """Bytes that are no message: answered if they can be, else counted (RFC 3261 §18.3, §8.2)."""
        self.counters.malformed += 1
        self.shedding.fruitless(flow, self._now or self.clock.now())
        request = error.request
        if not isinstance(request, Request):
            self.counters.dropped += 1
            return
        stamp_source(request, flow)
        tag = self.layer.stateless_tag(request)
        response = build_response(request, error.status, error.phrase.encode(), tag)
        try:
            self.transports.send(response.to_bytes(), flow)
        except MemoryError:
            raise
        except Exception as failure:
            get_log().debug("an answer could not be sent", reason=str(failure))

    def noise(self, flow: Flow) -> None:
        """A keep-alive, STUN, or bytes that are nothing; it has been answered if it is to be."""
        self.shedding.fruitless(flow, self._now or self.clock.now(), LITTLE)

    def after_batch(self) -> None:
        """Hand over what was collected and send the answers, and wake the alarm earlier if need be."""
        self._now = 0.0
        self.writer.flush()
        self.transports.flush()
        self.alarm.rearm()

    # --- life ----------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, then drain; `ready` is called when everything listens.

        The writer, the listeners and the control socket are others' to close.
        """
        self.recollection.begin()
        self.housekeeping.resume(self.recollection.former_ahead)
        self.user_watch.start()
        self.orphans.load()
        self.shedding.remember([binding.flow for binding in self.location.all()], self.clock.now())
        self.revocation.begin()
        self.pings.load(self.config.registrar.ping)
        nursery = self._nursery
        nursery.start_soon(self.pings.run)
        nursery.start_soon(self.user_watch.run)
        nursery.start_soon(self.alarm.run)
        nursery.start_soon(self.housekeeping.run)
        self.deliverer.pause(self.store.paused())
        self.silo.remember_former(self.store.lately(self.clock.wall() - PATIENCE), self.started)
        nursery.start_soon(self.recollection.go_on)
        nursery.start_soon(self.transports.serve, self)
        ready()
        await self.stopping.wait()
        await self._drain()

    def reload(self, config: Config, routing: Policy) -> None:
        """Take over everything that needs no other socket or database."""
        former, self.config, was_closed = self.config, config, self.gate.is_closed
        self.user.policy = routing
        self.myself.configure(config.domains, Aliases(config.aliases))
        self.trust.configure(config.trusted)
        self.gate.configure(auth_policy(config))
        if not was_closed:
            self.revocation.end(None)
        if config.auth.realm != former.auth.realm:
            self._nursery.start_soon(self.user_watch.read_again)
        self._configure_silo(silo_policy(config, self.myself))
        self.registrar.configure(registrar_policy(config))
        self.pings.configure(config.registrar.ping)
        self._configure_store()
        self.ask.configure(config.proxy.nameservers)
        self.forwarder.fr_timer = config.proxy.fr_timer
        self.forwarder.fr_inv_timer = float(config.proxy.fr_inv_timer)
        self.forwarder.max_forwards = config.proxy.max_forwards
        self.housekeeping.check_time = config.silo.check_time
        self.housekeeping.clean_period = config.silo.clean_period

    def _configure_silo(self, policy: SiloPolicy) -> None:
        self.silo.policy = self.deliverer.policy = policy
        self.notices.configure(policy)
        self.receipts.policy = policy
        self.silo.observe(self.notices.stored, bool(policy.registrar))
        self.silo.on_wrapped = self.receipts.stored if policy.imdn else None

    def _users_changed(self) -> None:
        """The first user closes the gate, and the quotas of senders begin."""
        self.gate.refresh()
        self._configure_store()

    def _configure_store(self) -> None:
        section = self.config.silo
        memory = section.device_memory if section.devices == EACH_DEVICE else 0
        self.store.configure(Limits.of(section, self.gate.knows_names), section.history, memory)

    def stop(self) -> None:
        """Begin to drain; a second call changes nothing."""
        self.stopping.set()

    async def _drain(self) -> None:
        """No new work and no new delivery; open transactions get `drain` seconds to end (interface.md, TERM)."""
        self.is_draining = True
        self.pings.stop()
        self.transports.stop_listening()
        self.deliverer.stop(self.clock.now())
        self.after_batch()
        with trio.move_on_after(self.config.drain):
            while self.layer.open_transactions or self.silo.waiting_rows or self.deliverer.runs:
                await trio.sleep(DRAIN_POLL)
        self.registrar.write_refreshes()
        self.writer.keep_clock(self.clock.kept())
        self.after_batch()

    # --- what transports report ----------------------------------------------------------------------

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        """ICMP told that a branch has no listener (RFC 3261 §18.4)."""
        self.layer.transport_failed(branch, self.clock.now())

    def broken(self, error: Exception, flow: Flow) -> None:
        """A connection raised an exception that is a fault of the daemon or a library; the connection ends.

        Raises MemoryError when that is the fault: then the daemon ends.
        """
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, ExceptionGroup) and error.subgroup(MemoryError) is not None:
            raise MemoryError
        self.counters.internal_errors += 1
        get_log().error("a connection broke", exc_info=error, flow=repr(flow))

    def is_needed(self, flow: Flow) -> bool:
        """A connection that a binding came by is kept, however quiet the phone is."""
        return self.location.has_flow(flow)

    def closed(self, flow: Flow) -> None:
        """A connection ended: its transactions fail now, its bindings lose their flow, or go with it."""
        self.layer.flow_closed(flow, self.clock.now())
        self.orphans.closed(flow)
        self.after_batch()
