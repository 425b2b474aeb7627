"""Exposition: writes samples in the text format of Prometheus, with prometheus-client.

The metrics of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds` and the
like) come from prometheus-client; those of the writer's process have `msilod_writer` in front.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from msilod.metrics.figures import Counted, Sample, Value
from msilod.metrics.table import BY_NAME, Metric

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
# Prometheus has read this version since 2014, and every other collector reads it.
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
WRITER: Final = "msilod_writer"


class _Samples:
    """A collector of prometheus-client for given samples."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        """A family for each metric that has samples, in the order of the first samples."""
        families: dict[str, Family] = {}
        for name, labels, value in self._samples:
            family = families.get(name)
            if family is None:
                family = families[name] = _family(BY_NAME[name])
            _add(family, labels, value)
        yield from families.values()


def _family(metric: Metric) -> Family:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    if metric.kind == "histogram":
        return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _add(family: Family, labels: tuple[str, ...], value: Value) -> None:
    if not isinstance(family, HistogramMetricFamily):
        assert not isinstance(value, Counted)
        family.add_metric(labels, float(value))
        return
    assert isinstance(value, Counted)
    bounds = [*map(floatToGoString, value.bounds), "+Inf"]
    buckets = [(bound, float(count)) for bound, count in zip(bounds, accumulate(value.counts), strict=True)]
    family.add_metric(labels, buckets=buckets, sum_value=value.total)


class Exposition:
    """Makes the page. `writer`: the process id of the writer; None when the writer has no process of its own."""

    def __init__(self, writer: int | None) -> None:
        self._processes = [ProcessCollector(registry=None)]
        if writer is not None:
            self._processes.append(ProcessCollector(WRITER, lambda: writer, registry=None))

    def page(self, samples: Iterable[Sample]) -> bytes:
        """The text. Reads /proc, so it is for a thread. Takes about a millisecond."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Samples(samples))
        for process in self._processes:
            registry.register(process)
        return generate_latest(registry)
