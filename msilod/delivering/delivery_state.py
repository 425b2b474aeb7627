"""DeliveryState: makes the objects shared by the deliverer and the classes around the deliverer.

daemon/wiring.py makes one DeliveryState and gives single objects of the state to the other classes. Only the deliverer
receives the whole state.
"""

from msilod.clock import Clock
from msilod.delivering.each_device import EachDevice
from msilod.delivering.historian import Historian
from msilod.delivering.usable_contacts import UsableContacts
from msilod.delivering.watchers import Watchers
from msilod.reaching.apart import Apart
from msilod.registrar.location import LocationService
from msilod.silo.runs.delivery_run import DeliveryRun
from msilod.silo.runs.live_branches import LiveBranches
from msilod.silo.runs.overdue import Overdue
from msilod.silo.runs.pauses import Pauses
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.store.writer.contract import StoreWriter


class DeliveryState:
    """The shared objects. All are in memory only.

    `runs` maps the name of a run (silo/runs/device_runs.py) to the run. `live` are branches of relayed MESSAGEs still
    occupying a contact. `overdue` are ended attempts with a possible late 2xx.
    """

    def __init__(
        self, writer: StoreWriter, location: LocationService, mail: WhoHasMail, clock: Clock
    ) -> None:
        self.location = location
        self.mail = mail
        self.clock = clock
        self.runs: dict[str, DeliveryRun] = {}
        self.schedule = DeliverySchedule()
        self.usable = UsableContacts(location, self.schedule, clock)
        self.live = LiveBranches()
        self.overdue = Overdue()
        self.apart = Apart()
        self.pauses = Pauses()
        self.watchers = Watchers()
        self.historian = Historian(writer, clock)
        self.each = EachDevice(writer, clock)
