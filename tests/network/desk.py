"""Desk: an operator at the virtual daemon, who does to rows what `msilo` does, by the same store and the same verbs.

Rule: his connection is a second writer's, as the command line's is; the daemon notices by itself.
"""

from collections.abc import Callable, Iterator

from msilod.daemon.operator_verbs import OperatorVerbs
from msilod.store.operator import Changed, Operator
from msilod.store.queue import Queue
from msilod.store.selection import Selection
from tests.network.world import DOMAIN, World

Change = Callable[[Operator, Selection, float], Iterator[Changed]]


class Desk:
    """Acts on the rows of one user. What he holds or purges may not be sent from then on."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def hold(self, user: str) -> None:
        total = self._change(Operator.hold, Selection(aors=(f"{user}@{DOMAIN}",)))
        await self._give_up(total)
        self._barred(total)

    async def purge(self, user: str) -> None:
        """As the command: what is under lease is asked for, and then deleted too."""
        total = self._change(Operator.purge, Selection(aors=(f"{user}@{DOMAIN}",)))
        given = await self._give_up(total)
        if given:
            total.add(self._change(Operator.purge, Selection(ids=tuple(given))))
        self._barred(total)

    async def release(self, user: str) -> None:
        total = self._change(Operator.release, Selection(aors=(f"{user}@{DOMAIN}",)))
        self.world.ledger.barred -= self._ids(total)

    async def requeue(self, user: str) -> None:
        total = self._change(Operator.requeue, Selection(aors=(f"{user}@{DOMAIN}",)))
        for aor, ids in total.ids.items():
            self.world.server.intervention.forget_refusals(aor, ids)

    def _change(self, change: Change, selection: Selection) -> Changed:
        queue, total = Queue(self.world.silo.path, "silo"), Changed()
        for batch in change(queue.operator("test"), selection, self.world.clock.wall()):
            total.add(batch)
        queue.close()
        return total

    async def _give_up(self, total: Changed) -> list[int]:
        if not total.claimed or not self.world.is_up:
            return []
        verbs = OperatorVerbs(self.world.server, lambda aor: aor)
        told = await verbs.give_up({"rows": total.claimed})
        return list(told["given_up"])

    def _ids(self, total: Changed) -> set[int]:
        return {id for ids in total.ids.values() for id in ids}

    def _barred(self, total: Changed) -> None:
        self.world.ledger.barred |= self._ids(total)
        self.world.ledger.set_aside |= self._ids(total)
