"""Why credentials were refused: a line per source and reason, few in all, and nothing of the credentials."""

import structlog

from msilod.serving.refusal_log import LINES, LOOPS, PERIOD, RefusalLog

ALICE = "alice@example.test"


def test_one_line_per_source_and_reason_in_a_period_and_a_bound_in_all() -> None:
    log = RefusalLog()
    with structlog.testing.capture_logs() as lines:
        for _ in range(10):
            log.refused("wrong password", ALICE, "192.0.2.1", 100.0)
            log.refused("no qop", ALICE, "192.0.2.1", 100.0, True)
        assert [(line["reason"], line["log_level"]) for line in lines] == [
            ("wrong password", "info"),
            ("no qop", "warning"),
        ]
        for number in range(10_000):
            log.refused("wrong password", ALICE, f"source {number}", 101.0)
        assert len(lines) == LINES
        log.refused("wrong password", ALICE, "192.0.2.1", 100.0 + PERIOD)
    assert [line["event"] for line in lines[LINES:]] == [
        "credentials refused, lines left out",
        "credentials refused",
    ]
    assert lines[LINES]["count"] == 18 + 10_000 - (LINES - 2)


def test_an_old_nonce_is_told_only_when_the_client_keeps_it() -> None:
    log = RefusalLog()
    with structlog.testing.capture_logs() as lines:
        for number in range(100):
            log.stale("the nonce is old", b"%d" % number, ALICE, "192.0.2.1", 100.0)
        assert lines == []
        for _ in range(LOOPS + 3):
            log.stale("the nonce is old", b"secret nonce", ALICE, "192.0.2.1", 100.0)
    assert len(lines) == 1
    assert "secret nonce" not in str(lines)
