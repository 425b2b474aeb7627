"""X1: the requests of one transaction (RFC 3261 §17.2.3; RFC 2543 for requests without the cookie)."""

from hypothesis import given
from hypothesis import strategies as st

from msilod.transaction.key import MAX_KEY, cancel_key, old_ack_key, server_key
from tests.transaction.station import ALICE, BRANCH, Station, message, received

OLD = b"1"


def key(data: bytes, method: bytes = b"MESSAGE") -> bytes:
    return server_key(received(data), method)


def old(**parts: object) -> bytes:
    return key(message(branch=OLD, **parts))  # type: ignore[arg-type]


def test_x1_branch_sent_by_and_method_identify_a_transaction() -> None:
    first = key(message())
    assert key(message()) == first
    assert key(message(branch=b"z9hG4bKother")) != first
    assert key(message(sent_by=b"192.0.2.18:5071")) != first
    assert key(message(sent_by=b"192.0.2.17:5072")) != first
    assert key(message(), b"INVITE") != first


def test_x1_with_the_cookie_no_other_part_of_the_request_counts() -> None:
    other = message(
        to=b"<sip:carol@example.test>;tag=1", from_=b"<sip:d@e>", call_id=b"x", cseq=9, uri=b"sip:c@d"
    )
    assert key(other) == key(message())


def test_x1_the_default_port_equals_no_port() -> None:
    assert key(message(sent_by=b"Phone.Example.test")) == key(message(sent_by=b"phone.example.test:5060"))


def test_x1_same_branch_and_two_sent_bys_are_two_transactions() -> None:
    station = Station()
    station.hears(message())
    station.hears(message(sent_by=b"192.0.2.99:5071"))
    assert station.words() == ["request", "request"]
    assert station.layer.retransmissions_in == 0


def test_x1_same_branch_and_two_methods_are_two_transactions() -> None:
    station = Station()
    station.hears(message())
    station.hears(message(b"OPTIONS"))
    assert station.words() == ["request", "request"]


def test_x1_without_the_cookie_all_fields_of_rfc_2543_count() -> None:
    first = old()
    assert old() == first
    others = [
        old(uri=b"sip:carol@example.test"),
        old(to=b"<sip:bob@example.test>;tag=1"),
        old(from_=b"<sip:alice@example.test>;tag=other"),
        old(call_id=b"other"),
        old(cseq=21),
        old(sent_by=b"192.0.2.18:5071"),
        key(message(branch=None)),
        key(message(branch=OLD), b"INVITE"),
    ]
    assert len({first, *others}) == len(others) + 1


def test_x1_the_bare_cookie_counts_as_no_cookie() -> None:
    bare = b"z9hG4bK"
    assert key(message(branch=bare, call_id=b"a")) != key(message(branch=bare, call_id=b"b"))


def test_x1_a_copy_without_the_cookie_has_the_same_key() -> None:
    station = Station()
    station.serve = lambda transaction, now: transaction.respond(202, now)
    for _ in range(3):
        station.hears(message(branch=None))
    assert station.words() == ["request"]
    assert station.statuses() == [202, 202, 202]


def test_x1_an_unreadable_to_raises_nothing() -> None:
    bad = message(branch=None, to=b'"unclosed <sip:b@c>')
    assert key(bad) == key(bad)
    assert key(bad) != key(message(branch=None, to=b'"unclosed <sip:d@e>'))


def test_an_ack_without_the_cookie_finds_the_invite_by_the_tag_of_the_answer() -> None:
    station = Station()
    station.hears(message(b"INVITE", branch=OLD))
    station.servers[0].respond(486, station.now, b"ours")
    station.hears(message(b"ACK", branch=OLD, to=b"<sip:bob@example.test>;tag=theirs"))
    assert station.servers[0].state.name == "COMPLETED"
    assert station.words() == ["request", "ack"]
    station.hears(message(b"ACK", branch=OLD, to=b"<sip:bob@example.test>;tag=ours"))
    assert station.servers[0].state.name == "CONFIRMED"


def test_an_ack_without_the_cookie_and_without_a_tag_finds_no_invite() -> None:
    station = Station()
    station.hears(message(b"INVITE", branch=OLD))
    station.hears(message(b"ACK", branch=OLD))
    station.hears(message(b"ACK", branch=OLD, to=b"<sip:bob@example.test>;tag=theirs"))
    assert station.servers[0].state.name == "PROCEEDING"
    assert station.words() == ["request", "ack"]


def test_an_ack_without_the_cookie_finds_a_reinvite_by_the_tag_of_its_request() -> None:
    station = Station()
    to = b"<sip:bob@example.test>;tag=dialog"
    station.hears(message(b"INVITE", branch=OLD, to=to))
    station.servers[0].respond(488, station.now)
    station.hears(message(b"ACK", branch=OLD, to=to))
    assert station.servers[0].state.name == "CONFIRMED"


def test_a_cancel_without_the_cookie_finds_its_invite() -> None:
    station = Station()
    station.hears(message(b"INVITE", branch=OLD))
    station.hears(message(b"CANCEL", branch=OLD))
    assert station.words() == ["request", "cancel"]


def test_the_key_of_our_cancel_can_be_no_branch() -> None:
    assert cancel_key(BRANCH) != BRANCH
    assert b" " in cancel_key(BRANCH)


@given(st.integers(1, 4000))
def test_a_key_is_short_for_any_branch(size: int) -> None:
    long = key(message(branch=b"z9hG4bK" + b"a" * size))
    assert len(long) <= MAX_KEY
    assert long != key(message(branch=b"z9hG4bK" + b"a" * (size + 1)))


def test_a_key_without_the_cookie_is_short() -> None:
    request = received(message(branch=b"a" * 3000), ALICE)
    assert len(server_key(request, b"MESSAGE")) <= MAX_KEY
    assert len(old_ack_key(request)) <= MAX_KEY
