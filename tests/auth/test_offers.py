"""The offered challenge with several algorithms configured: clients that fail with several get MD5 alone."""

from msilod.auth.offers import LASTS, Offers

HERE, THERE = b"here", b"ther"
ALICE, BOB = "alice@example.test", "bob@example.test"


def asks(offers: Offers, request: bytes, now: float = 0.0, source: bytes = HERE, user: str = ALICE) -> bool:
    return offers.is_single(source, user, request, False, now)


def test_the_next_request_without_credentials_gets_md5_alone_for_an_hour_from_the_last_use() -> None:
    offers = Offers()
    assert not asks(offers, b"1")
    assert not asks(offers, b"1"), "a copy"
    assert asks(offers, b"2", 1.0)
    assert asks(offers, b"3", 1.0 + LASTS)
    assert not asks(offers, b"4", 3.0 + 2 * LASTS)


def test_other_sources_and_other_users_are_not_affected() -> None:
    offers = Offers()
    assert not asks(offers, b"1")
    assert not asks(offers, b"2", source=THERE)
    assert not asks(offers, b"3", user=BOB)
    offers.failed(THERE, BOB, 0.0)
    assert asks(offers, b"4", source=THERE, user=BOB)
    assert not asks(offers, b"1")


def test_a_right_response_ends_the_offer_of_md5_alone_unless_made_with_md5_alone() -> None:
    offers = Offers()
    offers.failed(HERE, ALICE, 0.0)
    offers.succeeded(HERE, ALICE, True)
    assert asks(offers, b"1")
    offers.succeeded(HERE, ALICE, False)
    assert not asks(offers, b"2")
    offers.succeeded(HERE, ALICE, True)
    assert len(offers) == 0, "a client that chose among two needs no help"


def test_requests_with_credentials_are_not_remembered_and_the_memory_is_bounded() -> None:
    offers = Offers(limit=10)
    assert not offers.is_single(HERE, ALICE, b"1", True, 0.0)
    assert len(offers) == 0
    for number in range(100):
        asks(offers, b"1", user=f"u{number}@example.test")
    assert len(offers) == 10
