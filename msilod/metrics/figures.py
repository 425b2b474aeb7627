"""Figures: the values of the metrics, from the objects that count.

Each class has `samples`, which reads integers and lengths and calls nothing that waits: it runs on the event loop.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msilod import __version__
from msilod.auth.members import Members
from msilod.counters import Counters, Histogram
from msilod.keeping.storing import Storing
from msilod.metrics.health import Health
from msilod.metrics.table import PREFIX
from msilod.registrar.location import LocationService
from msilod.silo.runs.pauses import Pauses
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.transaction.layer import TransactionLayer
from msilod.transport.transports import Transports


class Counted:
    """A histogram as it was at one moment. `counts` are by bucket, not cumulative."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, histogram: Histogram) -> None:
        self.bounds = list(histogram.bounds)
        self.counts = list(histogram.counts)
        self.total = histogram.total


Value = float | Counted
# Name, values of the labels, value.
Sample = tuple[str, tuple[str, ...], Value]


class Source(Protocol):
    """Some metrics of the table."""

    def samples(self) -> Iterator[Sample]:
        """The values now."""


def _sample(name: str, value: Value, *labels: str) -> Sample:
    return f"{PREFIX}{name}", labels, value


class Figures:
    """All metrics, from all sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def samples(self) -> list[Sample]:
        """The values now, in the order of the sources."""
        return [sample for source in self._sources for sample in source.samples()]


class DaemonFigures:
    """What the daemon has counted since its start, and its state."""

    def __init__(self, counters: Counters, health: Health) -> None:
        self._counters = counters
        self._health = health

    def samples(self) -> Iterator[Sample]:
        """The values now."""
        for name, count in self._counters.as_dict().items():
            yield _sample(f"{name}_total", count)
        yield _sample("build_info", 1, __version__)
        yield _sample("ready", not self._health.problem())
        yield _sample("silo_up", not self._health.trouble())


class StoringFigures:
    """Messages on their way into the silo."""

    def __init__(self, storing: Storing, commits: Histogram) -> None:
        self._storing = storing
        self._commits = commits

    def samples(self) -> Iterator[Sample]:
        """The values now."""
        for limit, count in self._storing.refused_by.items():
            yield _sample("refusals_total", count, limit.name.lower())
        yield _sample("uncommitted_messages", self._storing.waiting_rows)
        yield _sample("commit_seconds", Counted(self._commits))


class DeliveryFigures:
    """Messages on their way to devices."""

    def __init__(self, latency: Histogram, schedule: DeliverySchedule, pauses: Pauses) -> None:
        self._latency = latency
        self._schedule = schedule
        self._pauses = pauses

    def samples(self) -> Iterator[Sample]:
        """The values now."""
        yield _sample("delivery_seconds", Counted(self._latency))
        yield _sample("delivery_runs", self._schedule.running)
        yield _sample("delivery_runs_waiting", self._schedule.waiting)
        yield _sample("paused_domains", len(self._pauses.domains))


class UserFigures:
    """Users and their contacts. Without a reading of the users there is no figure of the users."""

    def __init__(self, location: LocationService, members: Members) -> None:
        self._location = location
        self._users = members.users

    def samples(self) -> Iterator[Sample]:
        """The values now."""
        yield _sample("bindings", len(self._location))
        yield _sample("registered_recipients", self._location.aor_count)
        if self._users.is_readable:
            yield _sample("users", len(self._users))


class WireFigures:
    """Transactions and transports."""

    def __init__(self, layer: TransactionLayer, transports: Transports) -> None:
        self._layer = layer
        self._transports = transports

    def samples(self) -> Iterator[Sample]:
        """The values now."""
        layer, transports = self._layer, self._transports
        yield _sample("transactions", layer.live_servers, "server")
        yield _sample("transactions", layer.live_clients, "client")
        yield _sample("remembered_answers", layer.remembered)
        yield _sample("received_retransmissions_total", layer.retransmissions_in)
        yield _sample("sent_retransmissions_total", layer.retransmissions_out)
        yield _sample("stray_responses_total", layer.stray_responses)
        yield _sample("refused_transactions_total", layer.refused)
        yield _sample("unsent_answers_total", layer.unsent)
        yield _sample("forgotten_answers_total", layer.forgotten)
        streams = transports.streams
        open_now = streams.counts()
        # A transport without a connection has the figure 0, so that a graph has no gaps.
        for transport in sorted({one.endpoint.transport for one in transports.listeners} | open_now.keys()):
            yield _sample("connections", open_now.get(transport, 0), transport)
        yield _sample("refused_connections_total", streams.refused)
        yield _sample("closed_connections_total", streams.closed_for_room)
        yield _sample("unsent_datagrams_total", sum(udp.dropped for udp in transports.udp))
        if transports.certificates is not None and transports.certificates.validity is not None:
            yield _sample("certificate_not_after_seconds", transports.certificates.validity.ends)
