"""Scheduled messages: the format of the time, and the start of the life (W9)."""

import pytest

from msilod.errors import RequestRefused
from msilod.silo.intake.acceptance import SiloPolicy, accept
from msilod.silo.intake.scheduled import FURTHEST, is_scheduled
from msilod.silo.stored_message import State, StoredMessage
from msilod.sip.dates import format_date, parse_rfc3339
from tests.silo.fake_daemon import AOR
from tests.silo.wire import SENDER, message

# 2027-01-15T08:00:00Z
WALL = 1_800_000_000.0
POLICY = SiloPolicy(due_header="X-Due")
HOUR, DAY = 3600.0, 86_400.0


def kept(*lines: bytes, policy: SiloPolicy = POLICY, due_at: float | None = None) -> StoredMessage:
    return accept(message(*lines), AOR, SENDER, policy, WALL, due_at=due_at)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"2027-01-15T08:00:00Z", 0),
        (b"2027-01-15t08:00:00z", 0),
        (b"2027-01-15T09:00:00+01:00", 0),
        (b"2027-01-15T02:30:00-05:30", 0),
        (b"2027-01-15T08:00:01.5Z", 1.5),
        (b"2027-07-15T10:00:00+02:00", 181 * DAY),
    ],
)
def test_times_with_an_offset(text: bytes, seconds: float) -> None:
    assert parse_rfc3339(text) == WALL + seconds


@pytest.mark.parametrize(
    "text",
    [
        b"", b"Z", b"tomorrow", b"2027-01-15", b"2027-01-15T08:00:00", b"2027-01-15T08:00Z", b"20270115T080000Z",
        b"2027-W03-5T08:00:00Z", b"2027-02-30T08:00:00Z", b"2027-01-15T08:00:00+0100", b"2027-01-15T25:00:00Z",
        b"2027-01-15 08:00:00Z", b"0000-01-15T08:00:00Z", b"2027-01-15T08:00:00+99:00",
        b"\xff" * 20 + b"Z", b"Fri, 15 Jan 2027 08:00:00 GMT",
    ],
)  # fmt: skip
def test_any_other_text_is_no_time(text: bytes) -> None:
    assert parse_rfc3339(text) is None


def test_the_life_of_a_scheduled_message_starts_at_its_due_time() -> None:
    row = kept(b"X-Due: 2027-01-25T08:00:00Z")
    assert (row.state, row.due_at) == (State.SCHEDULED, WALL + 10 * DAY)
    assert row.expires_at == WALL + 10 * DAY + POLICY.expire_time
    assert row.received_at == WALL
    assert b"X-Due" in row.headers


def test_expires_counts_from_the_due_time_and_date_is_ignored() -> None:
    date = b"Date: " + format_date(WALL)
    row = kept(b"X-Due: 2027-01-15T10:00:00Z", date, b"Expires: 60")
    assert row.expires_at == WALL + 2 * HOUR + 60


def test_a_past_time_means_now() -> None:
    row = kept(b"X-Due: 2027-01-15T08:00:00Z", b"Expires: 60")
    assert (row.state, row.due_at, row.expires_at) == (State.WAITING, None, WALL + 60)


@pytest.mark.parametrize("value", [b"soon", b"2027-01-15T10:00:00", b"2028-02-15T10:00:00Z", b""])
def test_a_time_that_cannot_be_kept_is_400(value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        kept(b"X-Due: " + value)
    assert caught.value.status == 400
    assert is_scheduled(message(b"X-Due: " + value), POLICY.due_field, WALL)


def test_without_the_option_the_field_is_an_ordinary_header() -> None:
    row = kept(b"X-Due: 2027-01-25T08:00:00Z", policy=SiloPolicy())
    assert (row.state, row.due_at) == (State.WAITING, None)


def test_the_command_line_may_give_the_time() -> None:
    row = kept(due_at=WALL + FURTHEST, policy=SiloPolicy())
    assert (row.state, row.due_at) == (State.SCHEDULED, WALL + FURTHEST)


def test_expires_zero_is_refused_also_for_a_scheduled_message() -> None:
    with pytest.raises(RequestRefused) as caught:
        kept(b"X-Due: 2027-01-25T08:00:00Z", b"Expires: 0")
    assert caught.value.status == 480
