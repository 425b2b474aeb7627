"""Found: a CANCEL or an ACK with the branch of an INVITE, but from another dialog, was applied to the INVITE."""

import pytest

from tests.transaction.station import Station, message, tag_of

OTHERS: dict[str, dict[str, object]] = {
    "call-id": {"call_id": b"other"},
    "cseq": {"cseq": 21},
    "from tag": {"from_": b'"Alice" <sip:alice@example.test>;tag=9'},
    "no from tag": {"from_": b'"Alice" <sip:alice@example.test>'},
    "unreadable from": {"from_": b"<sip:alice@example.test"},
}
SAME: dict[str, dict[str, object]] = {
    "identical": {},
    "a to tag": {"to": b"<sip:bob@example.test>;tag=x"},
    "another display name": {"from_": b"<sip:alice@example.test>;tag=3b1f"},
}


@pytest.mark.parametrize("part", OTHERS)
def test_a_cancel_of_another_dialog_gets_481_and_ends_no_call(part: str) -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(message(b"CANCEL", **OTHERS[part]))  # type: ignore[arg-type]
    assert station.statuses() == [100, 481]
    assert "cancel" not in station.words()
    station.hears(message(b"CANCEL"))
    assert station.statuses() == [100, 481, 200]
    assert station.words().count("cancel") == 1


@pytest.mark.parametrize("part", SAME)
def test_a_cancel_of_this_dialog_ends_the_call(part: str) -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(message(b"CANCEL", **SAME[part]))  # type: ignore[arg-type]
    assert station.statuses() == [100, 200]
    assert station.words().count("cancel") == 1


def test_a_cancel_reaches_the_second_call_when_the_first_one_is_answered() -> None:
    """Both calls have the same branch: the table has the first call under this branch."""
    station = Station()
    station.hears(message(b"INVITE", call_id=b"one"))
    station.servers[0].respond(486, station.now)
    station.hears(message(b"INVITE", call_id=b"two"))
    station.hears(message(b"CANCEL", call_id=b"two"))
    assert [what for _, word, what in station.told if word == "cancel"] == [station.servers[1]]


def test_a_cancel_of_another_message_gets_481() -> None:
    station = Station()
    station.hears(message(b"MESSAGE"))
    station.hears(message(b"CANCEL", call_id=b"other"))
    station.hears(message(b"CANCEL"))
    assert station.statuses() == [481, 200]


@pytest.mark.parametrize("part", ["call-id", "cseq", "from tag"])
def test_an_ack_of_another_dialog_leaves_the_failure_repeated(part: str) -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.servers[0].respond(486, station.now)
    to = b"<sip:bob@example.test>;tag=" + tag_of(station.sent[-1][1])
    station.hears(message(b"ACK", to=to, **OTHERS[part]))  # type: ignore[arg-type]
    before = len(station.sent)
    station.after(0.6)
    assert len(station.sent) == before + 1
    station.hears(message(b"ACK", to=to))
    before = len(station.sent)
    station.after(60)
    assert len(station.sent) == before
