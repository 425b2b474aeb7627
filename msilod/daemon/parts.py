"""Parts: names the objects of one daemon, as made by wiring.py."""

from msilod.auth.members import Members
from msilod.auth.trust import Trust
from msilod.clock import Clock
from msilod.config import Config
from msilod.counters import Counters
from msilod.daemon.alarm import Alarm
from msilod.daemon.housekeeping import ClockWatch, Every, Housekeeping
from msilod.daemon.receiver import Receiver
from msilod.daemon.recollection import Recollection
from msilod.daemon.revocation import Revocation
from msilod.daemon.user_watch import UserWatch
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.delivery_state import DeliveryState
from msilod.delivering.intervention import Intervention
from msilod.delivering.online_attempts import OnlineAttempts
from msilod.delivering.probes import Probes
from msilod.delivering.silo_changes import SiloChanges
from msilod.keeping.notices import Notices
from msilod.keeping.receipts import Receipts
from msilod.keeping.storing import Storing
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.reaching.reachable import LazyAsk
from msilod.reaching.replies import Replies
from msilod.registrar.keep_alive import KeepAlives
from msilod.registrar.location import LocationService
from msilod.relaying.ack_forwarder import AckForwarder
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.forwarder import Forwarder
from msilod.relaying.sender import Sender
from msilod.relaying.targets import Targets
from msilod.routing.myself import Myself
from msilod.routing.policy import PolicyInForce
from msilod.serving.authentication import Authentication
from msilod.serving.gate import Gate
from msilod.serving.orphans import Orphans
from msilod.serving.pings import Pings
from msilod.serving.registrar import Registrar
from msilod.serving.senders import Senders
from msilod.serving.shedding import Shedding
from msilod.serving.transaction_user import TransactionUserService
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.store.silo import Silo
from msilod.store.writer.contract import StoreWriter
from msilod.transaction.layer import TransactionLayer
from msilod.transport.transports import Transports


class Parts:
    """The objects of one daemon.

    Only modules of daemon/ receive the parts: to start and stop tasks, and to pass on a configuration. The classes of
    other rooms receive single objects in their constructors.
    """

    config: Config
    clock: Clock
    counters: Counters
    policy: PolicyInForce

    transports: Transports
    store: Silo
    writer: StoreWriter
    layer: TransactionLayer

    location: LocationService
    keep_alives: KeepAlives
    mail: WhoHasMail
    myself: Myself
    trust: Trust
    members: Members

    ask: LazyAsk
    paths: Paths
    places: Places
    replies: Replies

    dialogs: Dialogs
    targets: Targets
    sender: Sender
    ack_forwarder: AckForwarder
    forwarder: Forwarder

    delivery_state: DeliveryState
    deliverer: Deliverer
    intervention: Intervention
    online: OnlineAttempts
    probes: Probes
    changes: SiloChanges

    storing: Storing
    notices: Notices
    receipts: Receipts

    shedding: Shedding
    authentication: Authentication
    gate: Gate
    registrar: Registrar
    orphans: Orphans
    senders: Senders
    pings: Pings
    user: TransactionUserService

    receiver: Receiver
    alarm: Alarm
    clock_watch: ClockWatch
    cleaning: Every
    housekeeping: Housekeeping
    recollection: Recollection
    revocation: Revocation
    user_watch: UserWatch
