"""The claim cursor: the knowledge of a run about rows that are not yet claimed."""

from msilod.silo.runs.claim_cursor import ClaimCursor
from tests.silo.fake_daemon import row


def test_after_a_full_claim_there_may_be_more_rows() -> None:
    claims = ClaimCursor()
    assert claims.ask(2).after == 0
    claims.answered([row(4), row(9)])
    assert claims.may_have_more
    assert claims.ask(2).after == 9


def test_after_a_short_claim_there_are_no_more_rows() -> None:
    claims = ClaimCursor()
    claims.ask(2)
    claims.answered([row(4)])
    assert not claims.may_have_more
    assert claims.asked == 0


def test_law7_an_offer_during_a_claim_starts_the_claims_again() -> None:
    claims = ClaimCursor()
    claims.ask(64)
    claims.look_again()
    claims.answered([row(4)])
    assert claims.may_have_more
    assert claims.ask(64).after == 0


def test_a_claim_without_progress_ends_the_claiming() -> None:
    claims = ClaimCursor()
    for _ in range(2):
        claims.ask(1)
        claims.answered([row(4)])
    assert not claims.may_have_more


def test_a_claim_without_sips_rows_is_remembered_as_incomplete() -> None:
    claims = ClaimCursor()
    assert not claims.lacks_sips
    assert not claims.ask(2, with_sips=False).with_sips
    assert not claims.lacks_sips, "not before it is answered"
    claims.answered([])
    assert claims.lacks_sips
    claims.ask(2)
    claims.answered([])
    assert not claims.lacks_sips
