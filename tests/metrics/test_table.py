"""Every metric has its line in the table, by the conventions of Prometheus, and the same entry in msilod(8)."""

import re
from dataclasses import fields
from pathlib import Path

from msilod.counters import Counters
from msilod.metrics.table import BY_NAME, METRICS, Metric

MAN = Path(__file__).parents[2] / "man" / "msilod.8"
UNITS = ("_seconds", "_bytes")


def test_every_counter_has_a_metric_of_its_name() -> None:
    for field in fields(Counters):
        assert BY_NAME[f"msilod_{field.name}_total"].kind == "counter"


def test_names_follow_the_conventions() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"msilod_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith(UNITS)
        assert metric.help[0].isupper() or metric.help[0].isdigit()
        assert metric.help.endswith(".")
        assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)


def _entry(metric: Metric) -> str:
    return f"{metric.name}{{{','.join(metric.labels)}}}" if metric.labels else metric.name


def test_the_manual_has_every_metric_with_the_same_help_and_no_other() -> None:
    section = MAN.read_text().partition(".Sh METRICS\n")[2].partition(".Sh ")[0]
    entries = re.split(r"^\.It Li (?=msilod_)", section.rpartition(".El\n.Pp\nAlert")[0], flags=re.MULTILINE)[
        1:
    ]
    found = {entry.partition("\n")[0]: " ".join(entry.partition("\n")[2].split()) for entry in entries}
    assert found == {_entry(metric): metric.help for metric in METRICS}
