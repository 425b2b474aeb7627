"""daemon/writer_results.py: failures without a waiter are one line in the log, and not one for each job."""

import structlog

from msilod.daemon.writer_results import WriterResults
from msilod.errors import StoreError


def fail(result: object) -> None:
    assert isinstance(result, StoreError)
    raise result


def test_failures_of_jobs_without_a_waiter_are_one_line_without_a_traceback() -> None:
    delivery = WriterResults()
    heard: list[object] = []
    with structlog.testing.capture_logs() as logs:
        delivery.tell([(fail, StoreError("the disk is full"))] * 50)
        delivery.tell([(heard.append, "the next one")])
    (line,) = logs
    assert line["failures"] == 1
    assert line["reason"] == "the disk is full"
    assert "exc_info" not in line
    assert heard == ["the next one"]


def test_a_fault_of_ours_in_a_callback_keeps_its_traceback() -> None:
    def divide(result: object) -> None:
        _ = 1 // 0

    with structlog.testing.capture_logs() as logs:
        WriterResults().tell([(divide, None)])
    assert [isinstance(entry.get("exc_info"), ZeroDivisionError) for entry in logs] == [True]
