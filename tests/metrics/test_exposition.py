"""The page of /metrics, read by the parser of prometheus-client."""

import os

from prometheus_client.parser import text_string_to_metric_families

from msilod.counters import Histogram
from msilod.metrics.exposition import Exposition
from msilod.metrics.figures import Counted


def parsed(page: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name to (values of the labels, value)."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_counts_and_gauges_with_their_labels() -> None:
    page = Exposition(None).page(
        [
            ("msilod_stored_messages_total", (), 7),
            ("msilod_messages", ("waiting",), 3),
            ("msilod_messages", ("held",), 1),
            ("msilod_ready", (), True),
        ]
    )
    found = parsed(page)
    assert found["msilod_stored_messages_total"] == {(): 7}
    assert found["msilod_messages"] == {("waiting",): 3, ("held",): 1}
    assert found["msilod_ready"] == {(): 1}
    assert b"# HELP msilod_ready 1 while /readyz answers 200.\n# TYPE msilod_ready gauge\n" in page
    assert "process_resident_memory_bytes" in found


def test_the_buckets_of_a_histogram_are_cumulative() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (-3.0, 0.1, 0.5, 2.0, 8.0):
        histogram.observe(seconds)
    found = parsed(Exposition(None).page([("msilod_commit_seconds", (), Counted(histogram))]))
    assert found["msilod_commit_seconds_bucket"] == {("0.1",): 2, ("1.0",): 3, ("+Inf",): 5}
    assert found["msilod_commit_seconds_count"] == {(): 5}
    assert found["msilod_commit_seconds_sum"] == {(): 0.1 + 0.5 + 2.0 + 8.0}


def test_a_label_cannot_forge_a_line() -> None:
    forged = 'x"} 1\nmsilod_ready 0\n\\'
    found = parsed(Exposition(None).page([("msilod_build_info", (forged,), 1)]))
    assert found["msilod_build_info"] == {(forged,): 1}
    assert "msilod_ready" not in found


def test_the_process_of_the_writer_has_its_own_metrics() -> None:
    found = parsed(Exposition(os.getpid()).page([]))
    assert found["msilod_writer_process_open_fds"] == found["process_open_fds"]
