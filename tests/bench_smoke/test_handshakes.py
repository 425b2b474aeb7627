"""The benchmark of handshakes: its clients do real handshakes, failures do not count, its figures add up."""

import re
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench import handshakes
from tests.bench.handshakes import ALONE, BESIDE, Span, done_per_minute, has_enough, loss, losses, report
from tests.bench.load.result import Run
from tests.bench.load.tls_clients import TlsClients, Visits
from tests.scenarios.conftest import Daemon
from tests.transport.authority import Authority

TLS = "tls:127.0.0.1"


def span(rate: float, took: Sequence[float] | None = None, failed: int = 0) -> Span:
    """Six seconds of stores, beside visits with these durations in seconds, or alone."""
    name = ALONE.name if took is None else BESIDE.name
    visits = None if took is None else Visits([(0.0, each) for each in took], Counter({"reset": failed}))
    return Span(Run(name, "msilod", rate, 1.0, 2.0, 3.0, 90.0, 20.0, 50.0, 50.0, 0, {}, {}), 6.0, visits)


def test_the_loss_is_counted_for_stores_only_in_either_order() -> None:
    spans = [span(100.0), span(90.0, [0.1]), span(120.0, [0.1]), span(100.0)]
    assert [round(each) for each in losses(spans)] == [10, -20]
    assert loss(0.0, 0.0) == 100.0


def test_handshakes_are_counted_over_spans_with_handshakes() -> None:
    spans = [span(100.0), span(80.0, [0.01] * 100), span(80.0, [0.03] * 98), span(100.0)]
    assert done_per_minute(spans) == 990
    assert has_enough(spans, 1000.0)
    told = report(spans, 1000.0)
    assert "lost beside the handshakes: 20.0 %" in told
    assert "handshakes a minute: 990 of 1000 asked for, failed 0; from connect to answer 10.0 ms" in told
    assert "TOO FEW" not in told


def test_too_few_handshakes_are_reported() -> None:
    spans = [span(100.0), span(99.0, [0.01] * 50, failed=50)]
    assert not has_enough(spans, 1000.0)
    told = report(spans, 1000.0)
    assert "500 of 1000 asked for, failed 50" in told
    assert "failed, 50: reset" in told
    assert "TOO FEW HANDSHAKES" in told


def test_a_visit_counts_in_the_span_of_its_begin() -> None:
    visits = Visits([(0.9, 0.2), (1.0, 0.1), (2.0, 5.0), (2.1, 0.1)], Counter("x"))
    assert visits.within(1.0, 2.0) == Visits([(1.0, 0.1), (2.0, 5.0)], Counter("x"))


@pytest.fixture
def clients(tmp_path: Path) -> TlsClients:
    """Clients that trust the authority in the folder of the test, without a server yet."""
    authority = Authority(tmp_path)
    authority.issue("127.0.0.1")
    return TlsClients(("127.0.0.1", 0), authority.client(), b"example.test")


def test_a_visit_is_a_handshake_and_an_answer(clients: TlsClients, tmp_path: Path) -> None:
    files = f'certificate = "{tmp_path}/server.pem"\nprivate_key = "{tmp_path}/server.key"'
    daemon = Daemon(tmp_path, f"[tls]\n{files}\n")
    daemon.listen = (TLS,)
    daemon.start()
    try:
        clients.server = ("127.0.0.1", daemon.ports[TLS])
        for number in range(3):
            clients.visit(number)
        assert (len(clients.visits.done), clients.visits.failed) == (3, Counter())
        clients.server = ("127.0.0.1", daemon.ports["tcp:127.0.0.1"])
        clients.visit(3)
        assert (len(clients.visits.done), clients.visits.failed.total()) == (3, 1)
    finally:
        daemon.stop()


def test_a_refused_client_has_made_no_handshake(clients: TlsClients) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        clients.server = unheard.getsockname()
        clients.visit(0)
    assert clients.visits.done == []
    assert clients.visits.failed == {"[Errno 111] Connection refused": 1}


def test_a_pair_of_spans_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    handshakes.main(["--pairs", "1", "--seconds", "1", "--warm-up", "0", "--per-minute", "1200"])
    told = capsys.readouterr().out
    found = re.search(r"handshakes a minute: (\d+) of 1200 asked for, failed 0", told)
    assert found, told
    assert int(found[1]) > 0
    assert re.search(r"^store-256 .*\n^store-256-tls ", told, re.MULTILINE)
