"""Log: one line per event on standard error, with key=value, safe to read in a terminal.

No bodies, credentials or whole requests are logged. All values go through `printable`, so a sender can neither forge a
line nor send control characters to the operator's terminal. Under systemd (JOURNAL_STREAM) the lines have a <N>
priority and no time, since the journal adds the time (sd-daemon(3)).
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from msilod.printable import printable

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITY: Final = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}

Event = MutableMapping[str, Any]


def _quoted(value: object) -> str:
    text = printable(value if isinstance(value, str | bytes) else str(value))
    return f'"{text}"' if not text or " " in text or '"' in text or "=" in text else text


def render(_logger: object, level: str, event: Event) -> str:
    """The line of an event, as `2026-11-24T11:00:00Z info stored id=7 aor=bob@example.test`."""
    head = event.pop("timestamp", "")
    words = [level, printable(str(event.pop("event", "")))]
    words += [f"{key}={_quoted(value)}" for key, value in event.items()]
    start = f"{head} " if head else _PRIORITY.get(level, "<6>")
    return start + " ".join(words)


def configure(level: str) -> None:
    """Set the level (`debug`, `info`, `warning`, `error`) and the form of the lines."""
    in_journal = "JOURNAL_STREAM" in os.environ
    stamps = [] if in_journal else [structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*stamps, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.disable(logging.CRITICAL)


def get_log() -> structlog.typing.FilteringBoundLogger:
    """The daemon's log."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
