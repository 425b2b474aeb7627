"""contrib/metrics: alert rules and dashboard ask only for metrics that msilod has, in the way their kind wants."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from msilod.metrics.table import BY_NAME
from tests.programs import program

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib" / "metrics"
# Of Prometheus, and of prometheus-client's ProcessCollector.
OTHERS = {"up"} | {
    f"{prefix}process_{name}"
    for prefix in ("", "msilod_writer_")
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds")
}
OWN_LABELS = {"instance", "job"}
METRIC = re.compile(r"\b((?:msilod_|process_|up\b)\w*)(?:\{([^}]*)\})?")


def alerts() -> list[str]:
    return re.findall(r"^ +expr: (.+)$", (CONTRIB / "alerts.yml").read_text(), re.MULTILINE)


def queries() -> Iterator[str]:
    dashboard = json.loads((CONTRIB / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]


def test_alerts_and_dashboard_were_found() -> None:
    assert len(alerts()) == (CONTRIB / "alerts.yml").read_text().count("- alert:") > 10
    assert len(list(queries())) > 20


@pytest.mark.parametrize("query", [*alerts(), *queries()])
def test_each_query_asks_for_what_there_is(query: str) -> None:
    asked = METRIC.findall(query)
    assert asked
    for name, matchers in asked:
        if name in OTHERS:
            continue
        metric = BY_NAME[name.removesuffix("_bucket") if "histogram_quantile" in query else name]
        assert (metric.kind == "histogram") == name.endswith("_bucket")
        labels = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', matchers))
        assert labels <= OWN_LABELS | set(metric.labels), name
        is_rate = re.search(rf"(rate|increase)\({name}\b", query) is not None
        assert is_rate == (metric.kind != "gauge"), f"{name} is a {metric.kind}"


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((CONTRIB / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.peer
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "contrib/metrics/alerts.yml"),
        ("check", "config", "contrib/metrics/scrape.yml"),
        ("test", "rules", "tests/metrics/alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(words: tuple[str, ...]) -> None:
    command = [program("promtool"), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
